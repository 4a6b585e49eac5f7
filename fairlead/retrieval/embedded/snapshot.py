"""What one reader sees of a collection's file: a read transaction and the frame that fits it."""

import asyncio
import copy
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fairlead.edits import within_edits
from fairlead.errors import Unavailable
from fairlead.retrieval.analysis import STEMMER
from fairlead.retrieval.embedded import postings, reading
from fairlead.retrieval.embedded.database import (
    CollectionFile,
    head_of,
    index_version,
    shown_version,
)
from fairlead.retrieval.embedded.frame import LIVE, Frame, loaded
from fairlead.retrieval.embedded.matrix import restored
from fairlead.retrieval.embedded.postings import Field
from fairlead.retrieval.embedded.scope import visible, wanted_version
from fairlead.retrieval.embedded.terms import term_numbers
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Candidate, Ref, Scope, Scores, Spec
from fairlead.retrieval.texts import inflated
from fairlead.retrieval.times import ending
from fairlead.schema import Hit, Provenance

if TYPE_CHECKING:  # 60 ms to import
    import numpy as np
    from numpy.typing import NDArray

_COMPARED_AGAIN = 2
"""How many times the wanted number are compared with both planes."""
_ATTEMPTS = 20


@asynccontextmanager
async def snapshot(file: CollectionFile, scope: Scope) -> AsyncIterator[Snapshot]:
    """What the scope may see of the file; of one that was never written, nothing."""
    with ExitStack() as opened:
        yield await asyncio.to_thread(_opened, file, scope, opened)


def _opened(file: CollectionFile, scope: Scope, opened: ExitStack) -> Snapshot:
    for _ in range(_ATTEMPTS):
        attempt = ExitStack()
        with attempt:
            connection = attempt.enter_context(file.reading())
            if connection is None:
                return EmptySnapshot()
            view = _view(file, connection, scope)
            if view is not None:
                opened.push(attempt.pop_all())
                return FileSnapshot(file, connection, view)
    raise Unavailable(f"{str(file.path)!r} changes faster than it can be read", hint="Try again.")


@dataclass(frozen=True, kw_only=True)
class _View:
    frame: Frame
    field: Field
    version: int
    max_age_days: float | None


def _view(file: CollectionFile, connection: sqlite3.Connection, scope: Scope) -> _View | None:
    version = wanted_version(connection, scope.as_of)
    if version is None:
        frame = file.frame(connection)
        version = index_version(connection)
    else:
        frame = _past(connection, version)
    if frame is None:
        return None
    documents = visible(connection, frame.documents, scope)
    chunks = None if documents is None else documents[frame.document]
    return _View(
        frame=frame,
        field=Field.of(frame.lengths, chunks),
        version=version,
        max_age_days=scope.max_age_days,
    )


def _past(connection: sqlite3.Connection, version: int) -> Frame:
    """The documents of a past version, as if they were live."""
    span = f"added_in <= {version:d} AND (removed_in IS NULL OR removed_in > {version:d})"
    import numpy as np  # noqa: PLC0415 - see above

    frame = loaded(connection, head_of(connection), f"erased = '' AND {span}")
    live = np.full_like(frame.documents.removed, LIVE)
    return replace(frame, documents=replace(frame.documents, removed=live))


class EmptySnapshot:
    """Of a collection that was never written."""

    version = ""
    state = ""
    spec = Spec()
    facts: Mapping[str, str] = MappingProxyType({})
    chunks = 0
    vectors = 0

    def narrowed(self, documents: Collection[Ref]) -> Snapshot:
        return self

    async def sparse(self, terms: Sequence[str], n: int) -> Scores:
        return {}

    async def dense(self, vector: "NDArray[np.float32]", n: int) -> Scores:
        return {}

    async def frequencies(self, stems: Sequence[str]) -> Mapping[str, int]:
        return {}

    async def similar_stems(self, stem: str, edits: int) -> Mapping[str, int]:
        return {}

    async def vectors_of(self, refs: Sequence[Ref]) -> "NDArray[np.float32]":
        import numpy as np  # noqa: PLC0415 - see above

        return np.zeros((0, 0), dtype=np.float32)

    async def candidates(self, refs: Sequence[Ref]) -> Mapping[Ref, Candidate]:
        return {}

    async def sample(self, n: int) -> Sequence[Ref]:
        return ()

    async def linked(self, entities: Sequence[str], n: int) -> Mapping[Ref, Sequence[str]]:
        return {}

    async def entities_of(self, refs: Sequence[Ref]) -> Mapping[Ref, Sequence[str]]:
        return {}


class FileSnapshot:
    """Of a file: its transaction is used by one thread at a time."""

    def __init__(self, file: CollectionFile, connection: sqlite3.Connection, view: _View) -> None:
        self._file = file
        self._connection = connection
        self._lock = threading.Lock()
        self._frame = view.frame
        self._field = view.field
        self._shown = view.field.visible
        """Which chunks may be found; None for all."""
        self._max_age_days = view.max_age_days
        self.version = shown_version(view.version)
        self.state = f"{view.frame.key} {view.frame.generation} {view.version}"
        self.chunks = view.field.count
        self.spec = reading.spec(connection, head_of(connection).build)
        self.facts = reading.facts(connection)

    @property
    def vectors(self) -> int:
        slots = self._frame.slots
        visible = self._field.visible
        return int(((slots if visible is None else slots[visible]) >= 0).sum())

    def narrowed(self, documents: Collection[Ref]) -> Snapshot:
        import numpy as np  # noqa: PLC0415 - see above

        frame, rows = self._frame, [int(document) for document in documents]
        held = np.isin(frame.documents.rows, np.array(rows, dtype=np.int64))[frame.document]
        found = copy.copy(self)
        found._shown = held if self._shown is None else held & self._shown
        return found

    # --- the two rankings ------------------------------------------------------------------------

    async def sparse(self, terms: Sequence[str], n: int) -> Scores:
        return await asyncio.to_thread(self._sparse, terms, n)

    def _sparse(self, terms: Sequence[str], n: int) -> Scores:
        stems = [stem for term in terms for stem in STEMMER.stems([term])[term]]
        with self._lock:
            numbers = term_numbers(self._connection, set(stems))
        times: dict[int, int] = {}
        for stem in stems:
            if stem in numbers:
                times[numbers[stem]] = times.get(numbers[stem], 0) + 1
        found = postings.scores(self._frame.segments, self._field, times)
        if self._shown is not None and self._shown is not self._field.visible:
            found[~self._shown] = 0.0
        return {int(self._frame.chunks[at]): float(found[at]) for at in postings.best(found, n)}

    async def dense(self, vector: "NDArray[np.float32]", n: int) -> Scores:
        return await asyncio.to_thread(self._dense, vector, n)

    def _dense(self, vector: "NDArray[np.float32]", n: int) -> Scores:
        import numpy as np  # noqa: PLC0415 - see above

        frame, visible = self._frame, self._shown
        if not len(frame.matrix):
            return {}
        cosines = np.append(frame.matrix.cosines(vector), np.float32(-9))[frame.slots]
        if visible is not None:
            cosines = np.where(visible, cosines, np.float32(-9))
        first = postings.best(cosines, _COMPARED_AGAIN * n, above=-2.0)
        if not len(first):
            return {}
        exact = self._vectors(frame.slots[first]) @ vector
        order = np.argsort(-exact, kind="stable")[:n]
        return {int(frame.chunks[first[at]]): float(exact[at]) for at in order}

    def _vectors(self, slots: "NDArray[np.int32]") -> "NDArray[np.float32]":
        """The stored vectors at the slots, to full precision; zeros for −1."""
        import numpy as np  # noqa: PLC0415 - see above

        rows = [int(self._frame.matrix.rows[slot]) for slot in slots if slot >= 0]
        held: dict[int, tuple[float, bytes]] = {}
        with self._lock:
            for at in range(0, len(rows), 500):
                some = rows[at : at + 500]
                marks = ", ".join("?" * len(some))
                held.update(
                    (row, (scale, data))
                    for row, scale, data in self._connection.execute(
                        f"SELECT row, scale, data FROM vector WHERE row IN ({marks})", some
                    )
                )
        if not held:
            return np.zeros((len(slots), 0), dtype=np.float32)
        known = restored([held[row] for row in rows])
        found = np.zeros((len(slots), known.shape[1]), dtype=np.float32)
        found[slots >= 0] = known
        return found

    # --- what ranking needs beyond ---------------------------------------------------------------

    async def frequencies(self, stems: Sequence[str]) -> Mapping[str, int]:
        return await asyncio.to_thread(self._frequencies, stems)

    def _frequencies(self, stems: Sequence[str]) -> Mapping[str, int]:
        with self._lock:
            numbers = term_numbers(self._connection, set(stems))
        return postings.frequencies(self._frame.segments, self._field, numbers)

    async def similar_stems(self, stem: str, edits: int) -> Mapping[str, int]:
        return await asyncio.to_thread(self._similar, stem, edits)

    def _similar(self, stem: str, edits: int) -> Mapping[str, int]:
        found: list[str] = []
        with self._lock:
            for letter in dict.fromkeys(stem[:2]):
                rows = self._connection.execute(
                    "SELECT stem FROM term WHERE stem >= ? AND stem < ?"
                    " AND length(stem) BETWEEN ? AND ?",
                    (letter, chr(ord(letter) + 1), len(stem) - edits, len(stem) + edits),
                )
                found += [row[0] for row in rows if within_edits(stem, row[0], edits)]
        return self._frequencies(found)

    async def vectors_of(self, refs: Sequence[Ref]) -> "NDArray[np.float32]":
        return await asyncio.to_thread(self._vectors_of, refs)

    def _vectors_of(self, refs: Sequence[Ref]) -> "NDArray[np.float32]":
        return self._vectors(self._frame.slots[self._frame.at([int(ref) for ref in refs])])

    async def candidates(self, refs: Sequence[Ref]) -> Mapping[Ref, Candidate]:
        return await asyncio.to_thread(self._candidates, refs)

    def _candidates(self, refs: Sequence[Ref]) -> Mapping[Ref, Candidate]:
        found: dict[Ref, Candidate] = {}
        wanted = [int(ref) for ref in refs]
        with self._lock:
            for at in range(0, len(wanted), 500):
                some = wanted[at : at + 500]
                marks = ", ".join("?" * len(some))
                rows = self._connection.execute(_CANDIDATE.format(marks), some).fetchall()
                found.update((row[0], self._candidate(row)) for row in rows)
        return found

    async def sample(self, n: int) -> Sequence[Ref]:
        visible = self._shown
        rows = self._frame.chunks if visible is None else self._frame.chunks[visible]
        return [int(row) for row in rows[:: max(1, len(rows) // max(1, n))][:n]]

    # --- entities --------------------------------------------------------------------------------

    async def linked(self, entities: Sequence[str], n: int) -> Mapping[Ref, Sequence[str]]:
        return await asyncio.to_thread(self._linked, entities, n)

    def _linked(self, entities: Sequence[str], n: int) -> Mapping[Ref, Sequence[str]]:
        found: dict[Ref, list[str]] = {}
        for name in entities:
            with self._lock:
                rows = self._connection.execute(
                    "SELECT chunk FROM entity WHERE name = ? ORDER BY chunk LIMIT ?", (name, 50 * n)
                ).fetchall()
            for ref in self._seen([row for (row,) in rows])[:n]:
                found.setdefault(ref, []).append(name)
        return found

    async def entities_of(self, refs: Sequence[Ref]) -> Mapping[Ref, Sequence[str]]:
        return await asyncio.to_thread(self._entities_of, refs)

    def _entities_of(self, refs: Sequence[Ref]) -> Mapping[Ref, Sequence[str]]:
        found: dict[Ref, list[str]] = {}
        query = "SELECT chunk, name FROM entity WHERE chunk IN ({})"
        with self._lock:
            for row, name in reading.chosen(self._connection, query, list(refs)):
                found.setdefault(row, []).append(name)
        return found

    def _seen(self, rows: Sequence[int]) -> list[int]:
        """Those of the chunks that are in the frame and may be found."""
        frame, visible = self._frame, self._shown
        kept = []
        for row, at in zip(rows, frame.at(rows), strict=True):
            known = at < len(frame.chunks) and frame.chunks[at] == row
            if known and (visible is None or visible[at]):
                kept.append(row)
        return kept

    def _candidate(self, row: Sequence[Any]) -> Candidate:
        _, passage_id, start, stop, read_start, read_stop, headings, lead, body, digest = row[:10]
        document, number, version, source, title, text, metadata, acl, published_at = row[10:19]
        url, fetched_at, expires, seen_at, language, run, content = row[19:]
        read = (
            body
            if (start, stop) == (read_start, read_stop)
            else inflated(text)[read_start:read_stop]
        )
        acl_ = tuple(json.loads(acl)) if acl else ()
        return Candidate(
            hit=Hit(
                passage_id=passage_id,
                document_id=document,
                version=version,
                source=source,
                title=title,
                text=read,
                score=0.0,
                rank=0,
                start=read_start,
                end=read_stop,
                tenant=self._file.tenant,
                collection=self._file.name,
                metadata=json.loads(metadata),
                headings=tuple(json.loads(headings)),
                published_at=datetime.fromisoformat(published_at) if published_at else None,
                lead=lead,
                provenance=Provenance(
                    url=url,
                    content_hash=bytes(content).hex(),
                    fetched_at=fetched_at,
                    valid_until=ending(expires, seen_at, self._max_age_days),
                    readers=acl_,
                    language=language,
                    chunker=self.spec.chunker,
                    embedder=self.spec.embedder,
                    run_id=run,
                ),
            ),
            body=body,
            title=" › ".join(dict.fromkeys((title, *json.loads(headings)))),
            read=(number, read_start, read_stop),
            digest=digest,
        )


_CANDIDATE = (
    "SELECT chunk.row, chunk.id, start, stop, read_start, read_stop, headings, carried, chunk.body,"
    " chunk.digest, document.id, document.row, version, source, document.title,"
    " CASE WHEN start = read_start AND stop = read_stop THEN x'' ELSE text END,"
    " metadata, acl, published_at, url, fetched_at, expires, seen_at, language, document.run,"
    " content"
    " FROM chunk JOIN document ON document.row = chunk.document WHERE chunk.row IN ({})"
)
