"""`fairlead models serve`: one model, one engine, one front, until a signal comes."""

import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from fairlead.cli import INTERRUPTED
from fairlead.cli.options import AsJson, settings
from fairlead.cli.output import document, error_lines, line, say, show, warn
from fairlead.errors import InputError

if TYPE_CHECKING:
    from fairlead.serving.launch import Variant
    from fairlead.serving.launch.flags import EngineOptions
    from fairlead.serving.launch.process import Launch, Launcher, Target
    from fairlead.serving.launch.serve import Address

SCHEMA = "fairlead.models/1"
VariantName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--variant", metavar="NAME", help="cpu, cuda, or auto: cuda where there is an NVIDIA GPU."
    ),
]
_Model: TypeAlias = Annotated[str, typer.Argument(metavar="MODEL", help="Folder or name on a hub.")]
_Extra: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="[-- ARGUMENT…]", help="vLLM's own, as they are.")
]
_Name: TypeAlias = Annotated[
    str, typer.Option("--name", metavar="NAME", help="What requests call it; default: its folder.")
]
_Host: TypeAlias = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Other machines may come in with a key.")
]
_Port: TypeAlias = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65_535, help="0 takes a free one.")
]
_Python: TypeAlias = Annotated[
    str | None, typer.Option("--python", metavar="FILE", help="The Python of a vLLM of your own.")
]
_Rank: TypeAlias = Annotated[
    int, typer.Option("--max-lora-rank", metavar="N", min=0, help="0 serves no adapters.")
]
_Loras: TypeAlias = Annotated[
    int, typer.Option("--max-loras", metavar="N", min=1, help="Adapters in one batch.")
]
_Adapters: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--adapter", metavar="NAME=FOLDER", help="Loaded from the start. Repeatable."),
]
_Length: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-model-len", metavar="N", min=1, help="Tokens of prompt and answer."),
]
_Cache: TypeAlias = Annotated[
    int, typer.Option("--kv-cache-gib", metavar="N", min=1, help="Key-value cache on a CPU.")
]
_ToolParser: TypeAlias = Annotated[
    str, typer.Option("--tool-call-parser", metavar="NAME", help="As the model writes calls.")
]
_Reasoning: TypeAlias = Annotated[
    str, typer.Option("--reasoning-parser", metavar="NAME", help="For a model that thinks aloud.")
]
_Otlp: TypeAlias = Annotated[
    str, typer.Option("--otlp", metavar="URL", help="Where the engine's spans go.")
]
_KeyName: TypeAlias = Annotated[
    str, typer.Option("--key-env", metavar="NAME", help="Variable with the key of clients.")
]
_ControlName: TypeAlias = Annotated[
    str, typer.Option("--control-key-env", metavar="NAME", help="The one for loading adapters.")
]
_Probes: TypeAlias = Annotated[
    bool, typer.Option("--open-probes", help="/health and /metrics want no key.")
]
_Body: TypeAlias = Annotated[
    int, typer.Option("--max-body-mib", metavar="N", min=1, help="Largest request.")
]
_Patience: TypeAlias = Annotated[
    float, typer.Option("--start-seconds", metavar="N", min=1, help="The engine's time to start.")
]
_DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Print the engine's command line.")
]


def serve_model(
    ctx: typer.Context,
    model: _Model,
    engine: _Extra = None,
    name: _Name = "",
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    variant: VariantName = "auto",
    python: _Python = None,
    rank: _Rank = 0,
    loras: _Loras = 4,
    adapter: _Adapters = None,
    length: _Length = None,
    cache: _Cache = 4,
    tool_parser: _ToolParser = "hermes",
    reasoning: _Reasoning = "",
    otlp: _Otlp = "",
    key_env: _KeyName = "VLLM_API_KEY",
    control_env: _ControlName = "FAIRLEAD_CONTROL_KEY",
    open_probes: _Probes = False,
    max_body: _Body = 16,
    start_seconds: _Patience = 600.0,
    dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Serve a model with vLLM, behind a front that lets only some paths through.

    Prints the address once it answers. SIGTERM and Ctrl-C let requests in flight finish.
    """
    from fairlead.serving.launch.flags import EngineOptions, traces_target
    from fairlead.serving.launch.front import MEGABYTE, Doors
    from fairlead.serving.launch.serve import Address

    spans, protocol = traces_target(otlp, os.environ)
    options = EngineOptions(
        model=model,
        name=name,
        max_lora_rank=rank,
        max_loras=loras,
        max_model_len=length,
        kv_cache_gib=cache,
        tool_call_parser=tool_parser,
        reasoning_parser=reasoning,
        adapters=_adapters(adapter or ()),
        otlp=spans,
        otlp_protocol=protocol,
        extra=_extra(engine or ()),
    )
    keys = [os.environ.get(each, "").strip() for each in (key_env, control_env)]
    doors = Doors(key=keys[0], control_key=keys[1], open_probes=open_probes)
    address = Address(host=host, port=port, doors=doors, max_body=max_body * MEGABYTE)
    doors.check_address(host)
    launcher = _launcher(ctx, options, variant, python, hidden=(key_env, control_env))
    if dry_run:
        _show_command(launcher(port, ""), as_json=as_json)
    else:
        _serve(ctx, options, address, launcher, start_seconds, as_json=as_json)


def variant_named(name: str) -> "Variant":
    """Raises `InputError` for a name that is none."""
    variants: dict[str, Variant] = {"auto": "auto", "cpu": "cpu", "cuda": "cuda"}
    if name not in variants:
        raise InputError(f"there is no variant {name!r}", hint="Take auto, cpu or cuda.")
    return variants[name]


def _launcher(
    ctx: typer.Context,
    options: "EngineOptions",
    variant: str,
    python: str | None,
    *,
    hidden: Sequence[str],
) -> "Launcher":
    """Starts the engine by the named Python, else the settings', else the installed one; `hidden`
    are the variables with keys of the front."""
    from fairlead.serving.launch import chosen
    from fairlead.serving.launch.flags import command, variables
    from fairlead.serving.launch.process import Launch

    named = Path(python) if python else settings(ctx).launch.python
    vllm = chosen(named, variant_named(variant))
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    variables(options, vllm, "", inherited)  # what is refused is refused now

    def launch(port: int, key: str) -> "Launch":
        return Launch(
            command=command(options, vllm, port),
            variables=variables(options, vllm, key, inherited),
        )

    return launch


def _serve(
    ctx: typer.Context,
    options: "EngineOptions",
    address: "Address",
    launcher: "Launcher",
    start_seconds: float,
    *,
    as_json: bool,
) -> None:
    import asyncio

    from fairlead.serving.launch.process import Patience, log_file
    from fairlead.serving.launch.serve import serve

    log = log_file(settings(ctx).storage.path, options.served_name)

    def ready(url: str, engine: "Target") -> None:
        if as_json:
            known = {
                "name": options.served_name,
                "url": f"{url}/v1",
                "adapters": [name for name, _ in options.adapters],
                "engine": {"pid": engine.pid, "url": engine.url, "log": log},
            }
            line(SCHEMA, model=known)
        else:
            say(f"{url}/v1")

    error_lines(f"starting vLLM with {options.model!r}; its log is {log}")
    if not address.doors.key:
        warn("no key is set: every program on this machine may ask")
    came = asyncio.run(
        serve(
            launcher,
            log,
            address,
            ready=ready,
            say=error_lines,
            patience=Patience(start_seconds=start_seconds),
        )
    )
    if came == signal.SIGINT:
        raise typer.Exit(INTERRUPTED)


def _show_command(launch: "Launch", *, as_json: bool) -> None:
    added = set(launch.variables.items()) - set(os.environ.items())
    ours = {name: value for name, value in sorted(added) if name != "VLLM_API_KEY"}
    if as_json:
        document(SCHEMA, plan={"commands": [launch.command], "variables": ours})
        return
    for name, value in ours.items():
        show(f"{name}={shlex.quote(value)} \\")
    show(shlex.join(launch.command))


def _adapters(given: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    pairs = [each.partition("=") for each in given]
    for whole, (name, _, path) in zip(given, pairs, strict=True):
        if not name or not path:
            raise InputError(f"{whole!r} is no adapter", hint="Write it as NAME=FOLDER.")
    return tuple((name, Path(path)) for name, _, path in pairs)


def _extra(given: Sequence[str]) -> tuple[str, ...]:
    if given and not given[0].startswith("-"):
        raise InputError(
            f"unexpected argument {given[0]!r}", hint="vLLM's own arguments stand behind `--`."
        )
    return tuple(given)
