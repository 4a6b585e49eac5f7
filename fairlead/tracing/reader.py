"""Reads the span store, from any process, while it is being written."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from fairlead.errors import FairleadError, InputError, NotFound
from fairlead.storage import open_database, plainly
from fairlead.tracing import names
from fairlead.tracing.rows import SpanRow, SpanStatus, Trace, TraceSummary
from fairlead.tracing.spans import SpanLink
from fairlead.tracing.store import MIGRATIONS, lease_name, leases_of

_COLUMNS: Final = (
    "id, writer, trace_id, span_id, parent_id, root, run_id, tenant, name, kind, start_ns, end_ns,"
    " status, error_type, message, attributes, links"
)
CANDIDATES: Final = 5
"""How many fitting ids an error names."""


class TraceReader:
    """Read-only access to the span store at `path`; a file that is not there reads as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def traces(self, *, tenant: str | None = None, limit: int = 20) -> list[TraceSummary]:
        """The newest runs first, of one tenant or of all."""
        where, values = _of_tenant("root", [], tenant)
        roots = self._rows(f"{where} ORDER BY start_ns DESC, id DESC LIMIT ?", [*values, limit])
        return [self._summary(root) for root in roots]

    def trace(self, which: str, *, tenant: str | None = None) -> Trace:
        """The trace that `which` names: `last`, a trace id or run id, or the beginning of one.

        Of a run that was resumed, each time in a new trace, the newest. Raises `NotFound` where
        there is none for this tenant, `InputError` where the beginning fits several.
        """
        trace_id, run_id = self._find(which.strip(), tenant)
        where, values = _of_tenant("trace_id = ?", [trace_id], tenant)
        spans = self._rows(f"{where} ORDER BY start_ns, id", values)
        roots = [span for span in spans if span.root and run_id in (None, span.run_id)]
        root = roots[0] if run_id is None else roots[-1]
        if run_id is not None:  # a host's trace may hold several runs
            spans = _below(root, spans)
        return Trace(summary=self._summary(root), spans=tuple(spans))

    def follow(
        self,
        *,
        tenant: str | None = None,
        poll: float = 0.1,
        past: bool = False,
        until: Callable[[], bool] = lambda: False,
    ) -> Iterator[SpanRow]:
        """Spans as they start and again as they change or end, until `until()`; blocks meanwhile.

        Begins with what is open now; `past` begins with everything stored. `poll` in seconds.
        """
        seen = 0 if past else self._newest()
        watched: dict[int, SpanRow] = {}
        begun = "OR end_ns IS NULL"
        while True:
            wanted = ",".join(map(str, watched))
            new = f"(id > ? OR id IN ({wanted}) {begun})"
            where, values = _of_tenant(new, [seen], tenant)
            for place, span in self._numbered(f"{where} ORDER BY id", values):
                stale = bool(begun) and place <= seen and span.status == "interrupted"
                if stale or watched.get(place) == span:
                    continue
                watched.pop(place, None)
                if span.status == "open":
                    watched[place] = span
                yield span
                seen = max(seen, place)
            begun = ""
            if until():
                return
            time.sleep(poll)

    # --- looking up ------------------------------------------------------------------------------

    def _find(self, which: str, tenant: str | None) -> tuple[str, str | None]:
        """The trace, and the run in it where not the whole trace is meant."""
        if which in ("", "last"):
            where, values = _of_tenant("root", [], tenant)
            query = f"SELECT trace_id, run_id FROM span WHERE {where}"
            found = self._select(f"{query} ORDER BY start_ns DESC, id DESC LIMIT 1", values)
            if not found:
                raise NotFound("no trace is stored yet", hint="Ask something first.")
            return found[0]
        for column in ("trace_id", "run_id"):
            fitting = self._fitting(column, which, tenant)
            if which in fitting or len(fitting) == 1:
                name = which if which in fitting else next(iter(fitting))
                return fitting[name], name if column == "run_id" else None
            if fitting:
                named = ", ".join(list(fitting)[:CANDIDATES])
                more = ", …" if len(fitting) > CANDIDATES else ""
                raise InputError(
                    f"{which!r} fits {len(fitting)} traces: {named}{more}",
                    hint="Give more characters.",
                )
        raise NotFound(f"no trace {which!r}", hint="`fairlead trace ls` lists what is stored.")

    def _fitting(self, column: str, which: str, tenant: str | None) -> dict[str, str]:
        """Ids in `column` that begin with `which`, each with its newest trace."""
        bounds = [which, f"{which}\U0010ffff"]
        where, values = _of_tenant(f"root AND {column} >= ? AND {column} < ?", bounds, tenant)
        query = f"SELECT {column}, trace_id, max(start_ns) FROM span WHERE {where}"
        return {row[0]: row[1] for row in self._select(f"{query} GROUP BY {column}", values)}

    def _newest(self) -> int:
        rows = self._select("SELECT max(id) FROM span", [])
        return (rows[0][0] or 0) if rows else 0

    def _rows(self, where: str, values: Sequence[object]) -> list[SpanRow]:
        return [span for _, span in self._numbered(where, values)]

    def _numbered(self, where: str, values: Sequence[object]) -> list[tuple[int, SpanRow]]:
        """Spans with their places in the file."""
        rows = self._select(f"SELECT {_COLUMNS} FROM span WHERE {where}", values)
        alive = {row[1]: self._lives(row[1]) for row in rows if row[11] is None}
        return [(row[0], _span(row, alive.get(row[1], False))) for row in rows]

    def _select(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        with (
            closing(open_database(self._path, MIGRATIONS, read_only=True)) as connection,
            plainly(self._path),
        ):
            if connection.execute("PRAGMA user_version").fetchone() == (0,):
                return []  # another process is just making the file
            return connection.execute(query, values).fetchall()

    def _lives(self, writer: int) -> bool:
        """Whether the writer's process still has its store open; where that is unknown, True."""
        try:
            leases = leases_of(self._path)
            if not leases.take(lease_name(writer)):
                return True
            leases.give(lease_name(writer))
        except FairleadError:
            return True
        return False

    def _summary(self, root: SpanRow) -> TraceSummary:
        said = root.attributes
        return TraceSummary(
            trace_id=root.trace_id,
            run_id=root.run_id,
            tenant=root.tenant,
            name=root.name,
            start=datetime.fromtimestamp(root.start_ns / 1e9, UTC),
            ms=root.ms,
            status=root.status,
            outcome=str(said.get(names.STATUS, "")),
            hops=int(said[names.HOPS]) if names.HOPS in said else self._hops(root),
            question=str(said.get(names.QUESTION, "")),
            error=": ".join(filter(None, [root.error_type, root.message])),
        )

    def _hops(self, root: SpanRow) -> int:
        """The hops of a run that has not come to its end."""
        count = "SELECT count(*) FROM span WHERE trace_id = ? AND parent_id = ? AND name LIKE ?"
        rows = self._select(count, [root.trace_id, root.span_id, f"{names.SCOPE}.hop %"])
        return int(rows[0][0]) if rows else 0


def _of_tenant(
    where: str, values: Sequence[object], tenant: str | None
) -> tuple[str, list[object]]:
    """The condition and its values, narrowed to a tenant where one is given."""
    if tenant is None:
        return where, list(values)
    return f"{where} AND tenant = ?", [*values, tenant]


def _below(root: SpanRow, spans: Sequence[SpanRow]) -> list[SpanRow]:
    """The root and everything under it; `spans` by start, so parents come before children."""
    inside = {root.span_id}
    for span in spans:
        if span.parent_span_id in inside:
            inside.add(span.span_id)
    return [span for span in spans if span.span_id in inside]


def _span(row: tuple[Any, ...], alive: bool) -> SpanRow:
    status: SpanStatus = row[12]
    if row[11] is None:
        status = "open" if alive else "interrupted"
    return SpanRow(
        trace_id=row[2],
        span_id=row[3],
        parent_span_id=row[4],
        root=bool(row[5]),
        run_id=row[6],
        tenant=row[7],
        name=row[8],
        kind=row[9],
        start_ns=row[10],
        end_ns=row[11],
        status=status,
        error_type=row[13],
        message=row[14],
        attributes=orjson.loads(row[15]),
        links=tuple(SpanLink(trace_id, span_id) for trace_id, span_id in orjson.loads(row[16])),
    )
