"""What a search needs of a whole collection, as arrays: loaded once, then kept up to date.

A frame belongs to one generation of the file. Bringing it to a later one reads what changed since:
new chunks are a new segment, removed documents are masked until a frame is loaded anew.
"""

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fairlead.retrieval.embedded.matrix import Matrix
from fairlead.retrieval.embedded.postings import Postings
from fairlead.retrieval.embedded.terms import unpacked
from fairlead.retrieval.times import seconds

if TYPE_CHECKING:  # 60 ms to import
    import numpy as np
    from numpy.typing import NDArray

LIVE = 2**31 - 1
"""`removed` of a document that is live."""
_SEGMENTS = 8


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Columns of document versions; rows rising."""

    rows: "NDArray[np.int64]"
    removed: "NDArray[np.int32]"
    expires: "NDArray[np.float64]"
    """Seconds since 1970, infinite for never."""
    seen: "NDArray[np.float64]"
    readers: "NDArray[np.int32]"
    """Position in `acls`; 0 is everybody."""
    acls: tuple[frozenset[str], ...]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One collection in memory, at one generation. Immutable: readers share it."""

    key: tuple[int, str, int]
    """Build, embedder and epoch: with another one the frame is of no use."""
    generation: int
    documents: Documents
    chunks: "NDArray[np.int64]"
    """Rows, rising."""
    document: "NDArray[np.int32]"
    """Of each chunk the position of its document."""
    lengths: "NDArray[np.float32]"
    slots: "NDArray[np.int32]"
    """Of each chunk the position of its vector, −1 without one."""
    segments: tuple[Postings, ...]
    matrix: Matrix

    @property
    def wasted(self) -> bool:
        """Whether so much was removed that loading anew pays."""
        gone = int((self.documents.removed != LIVE).sum())
        return gone > 64 and gone * 3 > len(self.documents.rows)

    def at(self, rows: Sequence[int]) -> "NDArray[np.int64]":
        """The positions of chunks by row."""
        import numpy as np  # noqa: PLC0415 - see above

        return np.searchsorted(self.chunks, np.asarray(rows, dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the file says of itself in one transaction."""

    generation: int
    epoch: int
    build: int
    embedder: str
    kept: str = ""
    """The mark of the frame that was last kept in a file."""

    @property
    def key(self) -> tuple[int, str, int]:
        return self.build, self.embedder, self.epoch


def loaded(
    connection: sqlite3.Connection, head: Head, documents: str = "removed_in IS NULL"
) -> Frame:
    """A frame of the documents that satisfy a condition in SQL: the live ones by default."""
    return _extended(connection, _empty(head), head, documents)


def refreshed(connection: sqlite3.Connection, frame: Frame, head: Head) -> Frame:
    """The frame as of `head`, the same object where nothing changed."""
    if frame.generation == head.generation:
        return frame
    changed = _changed(connection, frame)
    found = _extended(connection, changed, head, "removed_in IS NULL")
    return loaded(connection, head) if found.wasted else found


def _empty(head: Head) -> Frame:
    import numpy as np  # noqa: PLC0415 - see above

    return Frame(
        key=head.key,
        generation=0,
        documents=Documents(
            rows=np.zeros(0, dtype=np.int64),
            removed=np.zeros(0, dtype=np.int32),
            expires=np.zeros(0),
            seen=np.zeros(0),
            readers=np.zeros(0, dtype=np.int32),
            acls=(frozenset(),),
        ),
        chunks=np.zeros(0, dtype=np.int64),
        document=np.zeros(0, dtype=np.int32),
        lengths=np.zeros(0, dtype=np.float32),
        slots=np.zeros(0, dtype=np.int32),
        segments=(),
        matrix=Matrix.of([]),
    )


def _changed(connection: sqlite3.Connection, frame: Frame) -> Frame:
    """With the known documents as they are now."""
    import numpy as np  # noqa: PLC0415 - see above

    held = frame.documents
    if not len(held.rows):
        return frame
    rows = connection.execute(
        "SELECT row, removed_in, expires, seen_at FROM document WHERE generation > ? AND row <= ?",
        (frame.generation, int(held.rows[-1])),
    ).fetchall()
    if not rows:
        return frame
    at = np.searchsorted(held.rows, np.array([row[0] for row in rows], dtype=np.int64))
    known = [
        n for n, place in enumerate(at) if held.rows[min(place, len(held.rows) - 1)] == rows[n][0]
    ]
    removed, expires, seen = held.removed.copy(), held.expires.copy(), held.seen.copy()
    for n in known:
        _, gone, until, seen_at = rows[n]
        removed[at[n]] = LIVE if gone is None else gone
        expires[at[n]] = _seconds(until, math.inf)
        seen[at[n]] = _seconds(seen_at, math.inf)
    return replace(frame, documents=replace(held, removed=removed, expires=expires, seen=seen))


def _extended(connection: sqlite3.Connection, frame: Frame, head: Head, which: str) -> Frame:
    """With the documents, chunks and vectors that came since."""
    import numpy as np  # noqa: PLC0415 - see above

    documents = _more_documents(connection, frame.documents, frame.generation, which)
    matrix = _more_vectors(connection, frame.matrix, head)
    after = int(frame.chunks[-1]) if len(frame.chunks) else 0
    rows = connection.execute(
        "SELECT chunk.row, chunk.document, tokens, terms, vector.row FROM chunk"
        " JOIN document ON document.row = chunk.document"
        " LEFT JOIN embedder ON embedder.identity = ?"
        " LEFT JOIN vector ON vector.embedded = chunk.embedded AND vector.embedder = embedder.row"
        f" WHERE build = ? AND chunk.row > ? AND {which} ORDER BY chunk.row",
        (head.embedder, head.build, after),
    ).fetchall()
    slots = _filled(connection, frame, matrix, head)
    segments = frame.segments
    if rows:
        packed = unpacked([row[3] for row in rows])
        segments = _settled((*segments, Postings.inverted(*packed, base=len(frame.chunks))))
    vectors = np.array([row[4] or 0 for row in rows], dtype=np.int64)
    fresh = np.where(vectors > 0, np.searchsorted(matrix.rows, vectors), -1).astype(np.int32)
    found = np.array([row[1] for row in rows], dtype=np.int64)
    return replace(
        frame,
        generation=head.generation,
        documents=documents,
        chunks=np.concatenate([frame.chunks, np.array([r[0] for r in rows], dtype=np.int64)]),
        document=np.concatenate(
            [frame.document, np.searchsorted(documents.rows, found).astype(np.int32)]
        ),
        lengths=np.concatenate(
            [frame.lengths, np.array([row[2] for row in rows], dtype=np.float32)]
        ),
        slots=np.concatenate([slots, fresh]),
        segments=segments,
        matrix=matrix,
    )


def _more_documents(
    connection: sqlite3.Connection, held: Documents, generation: int, which: str
) -> Documents:
    import numpy as np  # noqa: PLC0415 - see above

    after = int(held.rows[-1]) if len(held.rows) else 0
    rows = connection.execute(
        "SELECT row, removed_in, expires, seen_at, acl FROM document"
        f" WHERE generation > ? AND row > ? AND {which} ORDER BY row",
        (generation, after),
    ).fetchall()
    if not rows:
        return held
    acls = list(held.acls)
    places = {acl: at for at, acl in enumerate(acls)}
    readers = []
    for row in rows:
        acl = frozenset(json.loads(row[4])) if row[4] else acls[0]
        if acl not in places:
            places[acl] = len(acls)
            acls.append(acl)
        readers.append(places[acl])

    def column(held: "NDArray[Any]", values: list[Any]) -> "NDArray[Any]":
        return np.concatenate([held, np.array(values, dtype=held.dtype)])

    return Documents(
        rows=column(held.rows, [row[0] for row in rows]),
        removed=column(held.removed, [LIVE if row[1] is None else row[1] for row in rows]),
        expires=column(held.expires, [_seconds(row[2], math.inf) for row in rows]),
        seen=column(held.seen, [_seconds(row[3], math.inf) for row in rows]),
        readers=column(held.readers, readers),
        acls=tuple(acls),
    )


def _more_vectors(connection: sqlite3.Connection, held: Matrix, head: Head) -> Matrix:
    after = int(held.rows[-1]) if len(held) else 0
    rows = connection.execute(
        "SELECT vector.row, scale, data FROM vector"
        " JOIN embedder ON embedder.row = vector.embedder AND identity = ?"
        " WHERE vector.row > ? ORDER BY vector.row",
        (head.embedder, after),
    ).fetchall()
    return held.joined(Matrix.of(rows)) if rows else held


def _filled(
    connection: sqlite3.Connection, frame: Frame, matrix: Matrix, head: Head
) -> "NDArray[np.int32]":
    """The slots of the chunks that were there before, with the vectors that came since."""
    import numpy as np  # noqa: PLC0415 - see above

    if matrix is frame.matrix or not len(frame.chunks):
        return frame.slots
    after = int(frame.matrix.rows[-1]) if len(frame.matrix) else 0
    rows = connection.execute(
        "SELECT chunk.row, vector.row FROM vector"
        " JOIN embedder ON embedder.row = vector.embedder AND identity = ?"
        " JOIN chunk ON chunk.embedded = vector.embedded"
        " WHERE vector.row > ? AND build = ? AND chunk.row <= ?",
        (head.embedder, after, head.build, int(frame.chunks[-1])),
    ).fetchall()
    if not rows:
        return frame.slots
    slots = frame.slots.copy()
    chunks = np.array([row[0] for row in rows], dtype=np.int64)
    at = np.searchsorted(frame.chunks, chunks)
    known = (at < len(frame.chunks)) & (
        frame.chunks[np.minimum(at, len(frame.chunks) - 1)] == chunks
    )
    vectors = np.array([row[1] for row in rows], dtype=np.int64)
    slots[at[known]] = np.searchsorted(matrix.rows, vectors[known])
    return slots


def _settled(segments: tuple[Postings, ...]) -> tuple[Postings, ...]:
    """Few segments: small ones are merged, into the first when they come to a quarter of it."""
    if len(segments) <= _SEGMENTS:
        return segments
    rest = Postings.merged(segments[1:])
    if len(rest.chunks) * 4 > len(segments[0].chunks):
        return (Postings.merged([segments[0], rest]),)
    return (segments[0], rest)


def _seconds(stamped: str, missing: float) -> float:
    return seconds(stamped) if stamped else missing
