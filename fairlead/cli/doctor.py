"""`fairlead doctor`: is everything there, and if not, what to do."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import typer

from fairlead.cli.failure import CHECK_FAILED
from fairlead.cli.options import AsJson, loaded
from fairlead.cli.output import document, show
from fairlead.errors import SettingsError

if TYPE_CHECKING:
    from fairlead.cli.checks import Check, Health
    from fairlead.settings import Loaded

_MARKS: "dict[Health, tuple[str, str]]" = {
    "ok": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "red"),
}


def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check this installation and its data.

    The exit status is 6 when a check fails.
    """
    checks = list(_checks(ctx))
    if as_json:
        from dataclasses import asdict

        document("fairlead.doctor/1", checks=[asdict(check) for check in checks])
    else:
        _show(checks)
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(CHECK_FAILED)


def _checks(ctx: typer.Context) -> "Iterator[Check]":
    from fairlead.cli import checks, stock

    yield from checks.attempt("python", checks.check_python)
    yield from checks.attempt("packages", checks.check_packages)
    yield from checks.attempt("sqlite", checks.check_sqlite)
    yield from checks.attempt("otlp", checks.check_otlp)
    try:
        found = loaded(ctx)
    except SettingsError as error:
        yield checks.Check(name="settings", status="fail", detail=error.message, fix=error.hint)
        return
    yield checks.Check(name="settings", status="ok", detail=_where(found))
    for name, check in (
        ("storage", checks.check_storage),
        ("content", checks.check_content),
        ("embedder", stock.check_embedder),
        ("collections", stock.check_collections),
        ("traces", stock.check_traces),
    ):
        yield from checks.attempt(name, partial(check, found.settings))


def _where(found: "Loaded") -> str:
    layers = Counter(origin.split(" ", 1)[0] for origin in found.origins.values())
    said = ", ".join(f"{count} from {layer}" for layer, count in layers.items())
    return f"{found.file or 'no settings file'}; {said or 'defaults'}"


def _show(checks: "list[Check]") -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark, style = _MARKS[check.status]
        show(f"{mark} {check.name:<{width}}  {check.detail}", style if check.status != "ok" else "")
        if check.fix:
            show(check.fix, "dim", indent=width + 4)
    tally = Counter(check.status for check in checks)
    show("")
    show(", ".join(f"{tally[status]} {status}" for status in _MARKS if tally[status]))
