"""`fairlead models`: vLLM installed and served, and how the configured model servers are."""

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.model_server import SCHEMA, VariantName, serve_model, variant_named
from fairlead.cli.options import AsJson, settings
from fairlead.cli.output import document, show, table, warn

if TYPE_CHECKING:
    from fairlead.serving.launch import Plan
    from fairlead.serving.launch.survey import Report, Server
    from fairlead.settings import Settings

models = typer.Typer(no_args_is_help=True, help="Model servers: vLLM installed, served, looked at.")
models.command("serve")(serve_model)


@models.command("ls")
def ls(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the configured models: health, names, adapters, load.

    A server that is down is a row with its error; the exit status is 0.
    """
    import asyncio

    from fairlead.serving.launch.survey import survey

    found = asyncio.run(survey(_servers(settings(ctx))))
    if as_json:
        document(SCHEMA, models=found)
        return
    columns = ("name", "provider", "status", "ms", "serves", "adapters", "running", "waiting", "kv")
    table(columns, [_row(each) for each in found], numbers="ms running waiting kv")
    for each in found:
        if each.error:
            show(f"{each.name}: {each.error}" + (f" ({each.url})" if each.url else ""), "yellow")


@models.command("install")
def install_vllm(
    variant: VariantName = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands and the size to expect.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Install vLLM into an environment of its own, in the cache: gigabytes are fetched."""
    from fairlead.serving.launch import install, plan

    wanted = variant_named(variant)
    if dry_run:
        _show_plan(plan(wanted), as_json=as_json)
        return
    done = install(wanted)
    what = done.recipe
    if as_json:
        environment = {
            "variant": what.variant,
            "version": what.version,
            "python": done.python,
            "folder": done.folder,
            "fresh": done.fresh,
            "seconds": round(done.seconds, 1),
            "bytes": done.bytes,
        }
        document(SCHEMA, environment=environment)
        return
    how = f"installed in {done.seconds:.0f} s" if done.fresh else "was there already"
    show(f"vLLM {what.version} for {what.variant} {how}; {done.bytes / 1e9:.1f} GB")
    show(str(done.python), indent=2)


def _show_plan(planned: "Plan", *, as_json: bool) -> None:
    what = planned.recipe
    if as_json:
        known = {
            "variant": what.variant,
            "version": what.version,
            "folder": planned.folder,
            "gigabytes": what.gigabytes,
            "overrides": what.overrides,
            "commands": planned.commands,
        }
        document(SCHEMA, plan=known)
        return
    show(f"vLLM {what.version} for {what.variant}, about {what.gigabytes:g} GB, by")
    for command in planned.commands:
        show(shlex.join(command), indent=2)


def _servers(given: "Settings") -> "list[Server]":
    """The answering model first, then the servers under [models]."""
    from fairlead.serving.launch.survey import Server

    found: list[Server] = []
    for name, model in {"base": given.model, **given.models}.items():
        setting = "model" if name == "base" else f"models.{name}"
        variable = model.api_key.env if model.api_key else ""
        key = os.environ.get(variable, "").strip()
        if variable and not key:
            warn(f"{variable} is not set, where {setting}.api_key looks")
        found += [
            Server(name=name, provider=model.provider, url=url, model=model.name, key=key)
            for url in model.addresses or ("",)
        ]
    return found


def _row(found: "Report") -> tuple[str, ...]:
    adapters = ", ".join(each.name for each in found.adapters)
    return (
        found.name,
        found.provider,
        found.status if found.healthy is not False else f"{found.status}, unhealthy",
        _number(found.latency_ms),
        ", ".join(found.served),
        adapters,
        _number(found.running),
        _number(found.waiting),
        "" if found.kv_usage is None else f"{found.kv_usage:.0%}",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
