"""`fairlead trace`: what happened in a run, hop by hop."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.options import DEFAULT, AsJson, Tenant, settings
from fairlead.cli.output import console, document, line, show, table, warn

if TYPE_CHECKING:
    from fairlead.settings import Settings
    from fairlead.tracing import SpanRow, Trace, TraceReader, TraceSummary

trace = typer.Typer(no_args_is_help=True, help="Traces: what happened in a run, hop by hop.")

SCHEMA = "fairlead.trace/1"


@trace.command("ls")
def ls(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 20,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List the newest runs."""
    found = _reader(settings(ctx)).traces(tenant=tenant, limit=limit)
    if as_json:
        document("fairlead.traces/1", traces=[each.document() for each in found])
    else:
        columns = ("trace", "began", "outcome", "hops", "ms", "question")
        table(columns, [_row(each) for each in found], numbers="hops ms")


@trace.command("show")
def show_trace(
    ctx: typer.Context,
    which: Annotated[
        str, typer.Argument(metavar="[ID]", help="`last`, a trace or run id, or how one begins.")
    ] = "last",
    svg: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="Draw it into a picture.")
    ] = None,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show one run as a tree, with times and reasons."""
    found = _reader(settings(ctx)).trace(which, tenant=tenant)
    if svg:
        _draw_picture(found, Path(svg))
    if as_json:
        document(**found.document())
    else:
        draw_trace(found)


@trace.command("tail")
def tail(ctx: typer.Context, tenant: Tenant = DEFAULT, as_json: AsJson = False) -> None:
    """Follow spans as they end, in any process; with --json also as they start."""
    for span in _reader(settings(ctx)).follow(tenant=tenant):
        if as_json:
            line(SCHEMA, span=span.document())
        elif span.status != "open":
            show(_span_line(span), "red" if span.status == "error" else "")


def stored_trace(given: "Settings", trace_id: str, tenant: str) -> "Trace | None":
    """The trace of a run that has just ended; None, with a warning, where none is stored."""
    if given.telemetry.store == "off":
        warn("there is no trace to show: telemetry.store is off")
        return None
    return _reader(given).trace(trace_id, tenant=tenant)


def draw_trace(found: "Trace") -> None:
    """Prints a trace as a tree."""
    from fairlead.tracing.tree import render

    sys.stdout.flush()
    console().print(render(found))


def _draw_picture(found: "Trace", path: Path) -> None:
    from fairlead.storage import plainly
    from fairlead.tracing.tree import render_svg

    with plainly(path):
        path.write_text(render_svg(found), encoding="utf-8")


def _reader(given: "Settings") -> "TraceReader":
    from fairlead.tracing import TraceReader

    return TraceReader(given.storage.path / "traces.db")


def _row(found: "TraceSummary") -> tuple[str, ...]:
    began = found.start.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    outcome = found.outcome or found.error or found.status
    ms = "" if found.ms is None else f"{found.ms:.0f}"
    return (found.trace_id, began, outcome, str(found.hops), ms, found.question)


def _span_line(span: "SpanRow") -> str:
    ended = datetime.fromtimestamp((span.end_ns or span.start_ns) / 1e9).astimezone()
    took = "" if span.ms is None else f"{span.ms:.0f} ms"
    said = span.status if span.status != "ok" else ""
    parts = (ended.strftime("%H:%M:%S.%f")[:-3], span.trace_id[:8], span.name, took, said)
    return "  ".join(filter(None, parts))
