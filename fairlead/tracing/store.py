"""The local span store: a row when a span starts, completed when it ends.

Records are handed over at start and at end; a daemon thread commits them every `INTERVAL` seconds,
so a process that is killed leaves its open spans behind and loses no more than the last interval.
A span that started and ended within one interval costs a single insert. A store that cannot be
written (disk full, file locked) costs spans, never a run: it warns once and counts in `dropped`.
"""

import atexit
import logging
import os
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import orjson

from fairlead.storage import Leases, open_database
from fairlead.tracing.names import AttributeValue

log = logging.getLogger(__name__)

INTERVAL: Final = 0.1
"""Seconds between two commits of the writer."""
KEPT: Final = 20_000
"""Records that wait at most while the file is locked; beyond it the oldest are dropped."""
COMPLETE: Final = -1
PATIENCE_MS: Final = 1500
"""How long a commit waits for another process's."""
MIGRATIONS: Final = (
    """
    CREATE TABLE span(
        id INTEGER PRIMARY KEY,
        writer INTEGER NOT NULL,  -- lives while it holds its lease
        trace_id TEXT NOT NULL,
        span_id TEXT NOT NULL,
        parent_id TEXT NOT NULL,  -- empty for none; a root may have a parent outside this store
        root INTEGER NOT NULL,    -- 1 for the first span of a run
        run_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER,           -- NULL while the span is open
        status TEXT NOT NULL,     -- open, ok or error
        error_type TEXT NOT NULL,
        message TEXT NOT NULL,
        attributes TEXT NOT NULL, -- a JSON object
        links TEXT NOT NULL       -- a JSON array of [trace_id, span_id]
    );
    CREATE INDEX span_trace ON span(trace_id);
    CREATE INDEX span_root_start ON span(start_ns) WHERE root;
    CREATE INDEX span_root_tenant ON span(tenant, start_ns) WHERE root;
    CREATE INDEX span_root_run ON span(run_id) WHERE root;
    """,
)
_COLUMNS = (
    "id, trace_id, span_id, parent_id, root, run_id, tenant, name, kind, start_ns, "
    "end_ns, status, error_type, message, attributes, links, writer"
)
_TOGETHER: Final = 64
"""Rows of one insert at most. A statement gives up the interpreter's lock once however many rows it
has; a row at a time, the writer and a busy run would hand it to each other for every span."""
_UPDATE = "UPDATE span SET end_ns=?, status=?, error_type=?, message=?, attributes=? WHERE id=?"


@dataclass(slots=True, kw_only=True, eq=False)
class SpanRecord:
    """What a span is so far. Its owner fills it in; the store reads it when it writes."""

    trace_id: str
    span_id: str
    parent_id: str
    root: bool
    run_id: str
    tenant: str
    name: str
    kind: str
    start_ns: int
    end_ns: int | None = None
    status: str = "open"
    error_type: str = ""
    message: str = ""
    attributes: dict[str, AttributeValue]
    links: Sequence[tuple[str, str]] = ()
    row: int | None = None
    """Its place in the file once it is there; `COMPLETE` when nothing more is to be written."""
    cells: tuple[object, ...] | None = None
    """The whole row, for a record that ended before it was written."""


def lease_name(writer: int) -> str:
    """The lease that a writer holds as long as its process lives and has not closed."""
    return f"writer {writer}"


def leases_of(path: Path) -> Leases:
    """The leases of the writers of the span store at `path`."""
    return Leases.at(path.with_suffix(".lock"))


class SpanStore:
    """Writes span records to one SQLite file. Usable from any thread; open it after forking.

    Raises what `open_database` raises; after that, trouble with the file is logged, never raised.
    """

    def __init__(self, path: Path) -> None:
        self.dropped = 0
        """Records that were lost since this store was opened."""
        self._path = path
        self._pid = os.getpid()
        self._connection = open_database(path, MIGRATIONS)
        self._connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
        self._writer = secrets.randbits(62)
        leases_of(path).take(lease_name(self._writer))
        self._queue: deque[SpanRecord] = deque()
        self._writing = threading.Lock()
        self._waiting = threading.Event()
        self._closed = threading.Event()
        atexit.register(self.close)
        threading.Thread(target=self._write, name="fairlead-spans", daemon=True).start()

    def put(self, record: SpanRecord) -> None:
        """Hands over a record that started, changed or ended; never waits for the disk."""
        if record.end_ns is not None and record.row is None:
            record.cells = _row(record, self._writer)  # here: the writer should seldom need the GIL
        self._queue.append(record)
        if not self._waiting.is_set():
            self._waiting.set()

    def flush(self, *, ended: bool = False) -> None:
        """Returns when every record handed over is committed; with `ended`, every complete one.

        An open span that is left to the writer is often complete by then, and written once.
        Where the file cannot be written it returns too: after one try, at most `PATIENCE_MS` later.
        """
        if self._queue or self._writing.locked():
            with self._writing:
                self._commit(ended=ended)

    def close(self) -> None:
        """Commits what is left and closes the file; records that come later are lost."""
        atexit.unregister(self.close)
        with self._writing:
            if self._closed.is_set() or os.getpid() != self._pid:
                return
            self._commit()
            self._lost(list(self._queue), "the file was locked until the end")
            self._closed.set()
            self._connection.close()
            leases_of(self._path).give(lease_name(self._writer))
        self._waiting.set()

    def _write(self) -> None:
        while not self._closed.is_set():
            self._waiting.wait()
            self._closed.wait(INTERVAL)
            self._waiting.clear()
            with self._writing:
                self._commit()

    def _commit(self, *, ended: bool = False) -> None:
        """Writes the queue in one transaction. The caller holds the lock."""
        batch = self._taken(ended=ended)
        if not batch:
            return
        if self._closed.is_set() or os.getpid() != self._pid:
            self._lost(list(batch), "the store was closed, or opened before a fork")
            return
        try:
            for record, place in self._stored(batch):
                record.row = place
        except sqlite3.OperationalError as error:
            self._retry(list(batch), str(error))
        except Exception as error:  # telemetry never breaks a run
            self._lost(list(batch), str(error))

    def _taken(self, *, ended: bool) -> dict[SpanRecord, None]:
        """What waits, each record once; with `ended`, open ones stay where they are."""
        batch: dict[SpanRecord, None] = {}
        later: list[SpanRecord] = []
        while self._queue:
            record = self._queue.popleft()
            if ended and record.end_ns is None:
                later.append(record)
            else:
                batch[record] = None
        if later:
            self._queue.extendleft(reversed(later))
            self._waiting.set()
        return batch

    def _stored(self, batch: Iterable[SpanRecord]) -> list[tuple[SpanRecord, int]]:
        """Inserts and updates the records; returns the place of each that is new."""
        whole: list[SpanRecord] = []
        begun: list[SpanRecord] = []
        changed: list[SpanRecord] = []
        for record in batch:
            if record.row is None:
                (begun if record.end_ns is None else whole).append(record)
            elif record.row != COMPLETE:
                changed.append(record)
        if begun or changed or len(whole) > _TOGETHER:
            return self._in_one_transaction(begun, whole, changed)
        self._insert(whole)  # a statement is a transaction of its own
        return [(record, COMPLETE) for record in whole]

    def _in_one_transaction(
        self,
        begun: Sequence[SpanRecord],
        whole: Sequence[SpanRecord],
        changed: Sequence[SpanRecord],
    ) -> list[tuple[SpanRecord, int]]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            (last,) = connection.execute("SELECT ifnull(max(id), 0) FROM span").fetchone()
            self._insert(begun, first=last + 1)
            self._insert(whole)
            if changed:
                updates = [(*_outcome(r), _json(r.attributes), r.row) for r in changed]
                connection.executemany(_UPDATE, updates)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        places = [(record, place) for place, record in enumerate(begun, start=last + 1)]
        return [*places, *((record, COMPLETE) for record in whole)]

    def _insert(self, records: Sequence[SpanRecord], *, first: int | None = None) -> None:
        """Inserts rows, from place `first` on, or where SQLite likes."""
        for at in range(0, len(records), _TOGETHER):
            some = records[at : at + _TOGETHER]
            cells: list[object] = []
            for number, record in enumerate(some, start=at):
                cells.append(None if first is None else first + number)
                cells += record.cells or _row(record, self._writer)
            self._connection.execute(_insertion(len(some)), cells)

    def _retry(self, batch: Sequence[SpanRecord], why: str) -> None:
        """Queues the batch again while another process holds the file, else drops it."""
        room = KEPT - len(self._queue)
        if "locked" not in why or room <= 0:
            self._lost(batch, why)
            return
        self._queue.extendleft(reversed(batch[-room:]))
        self._waiting.set()
        self._lost(batch[:-room], why)

    def _lost(self, batch: Sequence[SpanRecord], why: str) -> None:
        if batch and not self.dropped:
            log.warning("spans are not stored in %r: %s", str(self._path), why)
        self.dropped += len(batch)


@cache
def _insertion(rows: int) -> str:
    row = f"({', '.join('?' * 17)})"
    return f"INSERT INTO span({_COLUMNS}) VALUES {', '.join([row] * rows)}"


def _outcome(record: SpanRecord) -> tuple[object, ...]:
    return (record.end_ns, record.status, _text(record.error_type), _text(record.message))


def _row(record: SpanRecord, writer: int) -> tuple[object, ...]:
    return (
        record.trace_id,
        record.span_id,
        record.parent_id,
        record.root,
        _text(record.run_id),
        _text(record.tenant),
        _text(record.name),
        record.kind,
        record.start_ns,
        *_outcome(record),
        _json(record.attributes),
        orjson.dumps(record.links).decode() if record.links else "[]",
        writer,
    )


def _json(attributes: Mapping[str, AttributeValue]) -> str:
    try:
        return orjson.dumps(attributes).decode()
    except TypeError:  # lone surrogates, integers beyond 64 bits, a value of another type
        plain = {_text(name): _plain(value) for name, value in dict(attributes).items()}
        return orjson.dumps(plain).decode()


def _plain(value: object) -> AttributeValue:
    if isinstance(value, (list, tuple)):
        return [_text(each) for each in value]
    if isinstance(value, (bool, float)) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    return _text(value)


def _text(value: object) -> str:
    """Text that UTF-8 can hold."""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
