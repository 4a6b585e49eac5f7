"""`fairlead ingest` and `search`: what the assistant knows. Neither needs the graph."""

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli import INTERRUPTED
from fairlead.cli.filters import parse_filters
from fairlead.cli.library import tenant_named, with_library
from fairlead.cli.options import (
    DEFAULT,
    AsJson,
    Collection,
    Filters,
    Mode,
    Personal,
    Tenant,
    settings,
)
from fairlead.cli.output import (
    document,
    error_lines,
    fields_of,
    progress,
    shortened,
    show,
    table,
    warn,
)

if TYPE_CHECKING:
    from fairlead.reports import IngestReport, SearchResult
    from fairlead.retrieval import Library
    from fairlead.schema import Passage

SNIPPET = 320
"""Characters of a passage that are shown; `--json` has all of it."""


def ingest(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE…", help="Files, folders, web pages; `-` for JSON lines."),
    ],
    collection: Collection = DEFAULT,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what vanished below the given folders.")
    ] = False,
    chunker: Annotated[
        str | None, typer.Option("--chunker", metavar="NAME", help="How to cut the texts.")
    ] = None,
    pii: Annotated[
        Personal | None, typer.Option("--pii", help="Personal data; default: guard.pii.")
    ] = None,
    text_only: Annotated[
        bool, typer.Option("--text-only", help="Leave the vectors for later.")
    ] = False,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="DATE", help="When they are gone again.")
    ] = None,
    as_name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Call the source by this name.")
    ] = None,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Read documents; what has not changed is not read again."""

    async def work(library: "Library") -> "IngestReport":
        with progress() as draw:
            return await library.ingest(
                sources,
                tenant=tenant_named(tenant),
                collection=collection,
                as_name=as_name,
                prune=prune,
                chunker=chunker,
                pii=pii.value if pii else None,
                text_only=text_only,
                expires=expires,
                progress=draw,
            )

    if "-" in sources:
        _leave_at_interrupt()
    report = with_library(settings(ctx), work, embedding=True)
    warn(*report.warnings)
    if as_json:
        document("fairlead.ingest/1", **fields_of(report))
    else:
        _show_report(report)


def _leave_at_interrupt() -> None:
    """Ctrl-C ends the process at once: a thread that waits for stdin could not be stopped.

    Nothing is half-written then, since every batch is one transaction.
    """
    import os
    import signal

    def leave(*_: object) -> None:
        error_lines("Interrupted.")
        os._exit(INTERRUPTED)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, leave)


def _show_report(report: "IngestReport") -> None:
    parts = {"documents": report.documents, "chunks": report.chunks, "vectors": report.vectors}
    rows = [
        (part, ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "none")
        for part, counts in parts.items()
    ]
    table(("", ""), [*rows, ("version", report.index_version)])
    if report.quarantined:
        show(f"{report.quarantined} in quarantine: see `fairlead quarantine ls`", "yellow")
    for reject in report.rejects:
        show(f"rejected {reject.get('source', '')}: {reject.get('reason', '')}", "yellow")
    for finding in report.findings:
        show("found " + ", ".join(f"{name} {value}" for name, value in finding.items()), "yellow")


def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Words or a question.")],
    k: Annotated[
        int | None, typer.Option("-k", min=1, max=100, help="Passages; default: retrieval.k.")
    ] = None,
    mode: Annotated[Mode, typer.Option("--mode", help="How texts are compared.")] = Mode.hybrid,
    filters: Filters = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME|VERSION", help="As it was then.")
    ] = None,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Find passages, best first."""
    given, wanted = settings(ctx), parse_filters(filters)

    async def work(library: "Library") -> "tuple[list[Passage], SearchResult]":
        from fairlead.assistant import tenant_principal
        from fairlead.guardrails import admit_hit, admit_question

        text = admit_question(query)
        result = await library.search(
            text,
            principal=tenant_principal(tenant),
            collection=collection,
            k=k or given.retrieval.k,
            mode=mode.value,
            filters=wanted,
            as_of=as_of,
        )
        return [admit_hit(hit) for hit in result.hits], result

    passages, result = with_library(given, work, embedding=True)
    warn(*result.warnings)
    if as_json:
        document(
            "fairlead.search/1",
            passages=passages,
            confidence=result.confidence,
            timings=result.timings,
            index_version=result.index_version,
            warnings=result.warnings,
            stale_seconds=result.stale_seconds,
        )
    else:
        _show_passages(passages, result)


def _show_passages(passages: "list[Passage]", result: "SearchResult") -> None:
    for passage in passages:
        title = passage.title if passage.title not in passage.source else ""
        show(f"{passage.rank:>2}. {passage.source}  {title}".rstrip(), "bold")
        flagged = ", ".join(dict.fromkeys(finding.kind for finding in passage.findings))
        show(f"score {passage.score:.3f}" + (f" · {flagged}" if flagged else ""), "dim", indent=4)
        show(shortened(passage.text, SNIPPET), indent=4)
        show("")
    count = f"{len(passages)} passage{'' if len(passages) == 1 else 's'}"
    ms = result.timings.get("total", sum(result.timings.values()))
    show(f"{count} · confidence {result.confidence:.2f} · {ms:.0f} ms", "dim")
