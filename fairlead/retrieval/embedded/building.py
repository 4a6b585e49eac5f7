"""Another way of cutting or embedding, made beside the present one and put in its place at once.

The chunks of the new build lie in the same tables under its number. Ingests go on with the present
build meanwhile; what they add is missing from the new one until the next look.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from fairlead.errors import InputError
from fairlead.retrieval.embedded import reading
from fairlead.retrieval.embedded.archive import archived
from fairlead.retrieval.embedded.database import CollectionFile, set_state, state
from fairlead.retrieval.embedded.writing import insert_chunks, insert_vectors, wanted
from fairlead.retrieval.stored import Archived, Entry, Pending, Ref, Spec, Vectors
from fairlead.retrieval.times import stamp

_UNBUILT = (
    "erased = '' AND NOT EXISTS"
    " (SELECT 1 FROM chunk WHERE chunk.document = document.row AND chunk.build = {:d})"
)
_DELETED_AT_ONCE = 5000


def begin(file: CollectionFile, spec: Spec) -> None:
    """Goes on with a build of that kind if one was begun; another one begun before is dropped."""
    with file.writing() as made:
        connection = made.connection
        row = connection.execute(
            "SELECT chunker, embedder FROM build WHERE number = ?", (_building(connection),)
        ).fetchone()
        if row and Spec(chunker=row[0], embedder=row[1]) == spec:
            return
        number = 1 + int(connection.execute("SELECT max(number) FROM build").fetchone()[0] or 0)
        connection.execute(
            "INSERT INTO build VALUES (?, ?, ?, ?)",
            (number, spec.chunker, spec.embedder, stamp(datetime.now(UTC))),
        )
        set_state(connection, "building", str(number))
    drop_unused(file)


def unbuilt(file: CollectionFile, connection: sqlite3.Connection, limit: int) -> list[Archived]:
    """Document versions that the build does not have yet, live ones first."""
    where = _UNBUILT.format(_building(connection))
    rows = connection.execute(
        f"SELECT row FROM document WHERE {where} ORDER BY removed_in IS NOT NULL, row LIMIT ?",
        (limit,),
    )
    return [archived(file, connection, row, with_pieces=False) for (row,) in rows.fetchall()]


def build(file: CollectionFile, entries: Sequence[tuple[Ref, Entry]], vectors: Vectors) -> None:
    """Stores the pieces of document versions for the build."""
    with file.writing() as made:
        number = _building(made.connection)
        _, spec = _spec(made.connection, number)
        pieces = [piece for _, entry in entries for piece in entry.pieces]
        packed = iter(made.terms.packed(made.connection, pieces, str(made.epoch)))
        for row, entry in entries:
            terms = [next(packed) for _ in entry.pieces]
            missing = made.connection.execute(
                f"SELECT 1 FROM document WHERE row = ? AND {_UNBUILT.format(number)}", (row,)
            ).fetchone()
            if missing:  # not erased meanwhile, nor built by another process
                insert_chunks(made.connection, int(row), number, entry, terms)
        insert_vectors(made.connection, spec.embedder, wanted(made.connection, vectors))


def build_pending(connection: sqlite3.Connection) -> list[Pending]:
    """Texts of the build's live chunks without a vector."""
    number, spec = _spec(connection, _building(connection))
    return reading.pending(connection, spec.embedder, number)


def swap(file: CollectionFile) -> bool:
    """Puts the build in the present one's place; False while documents are missing from it."""
    with file.writing() as made:
        connection = made.connection
        number = _building(connection)
        missing = connection.execute(
            f"SELECT 1 FROM document WHERE {_UNBUILT.format(number)} LIMIT 1"
        ).fetchone()
        if missing:
            return False
        set_state(connection, "build", str(number))
        connection.execute("DELETE FROM state WHERE key = 'building'")
        connection.execute("DELETE FROM origin")  # the next ingest compares each document
    drop_unused(file)
    return True


def drop_unused(file: CollectionFile) -> None:
    """Deletes what belongs to no build in use, a few thousand chunks at a time."""
    while True:
        with file.writing() as made:
            used = "(SELECT value FROM state WHERE key IN ('build', 'building'))"
            gone = made.connection.execute(
                "DELETE FROM chunk WHERE row IN (SELECT row FROM chunk"
                f" WHERE CAST(build AS TEXT) NOT IN {used} LIMIT {_DELETED_AT_ONCE})"
            ).rowcount
            if gone:
                continue
            made.connection.execute(f"DELETE FROM build WHERE CAST(number AS TEXT) NOT IN {used}")
            vectors = made.connection.execute(
                "DELETE FROM vector WHERE embedder IN (SELECT row FROM embedder"
                " WHERE identity NOT IN (SELECT embedder FROM build))"
                " OR (embedded NOT IN (SELECT embedded FROM chunk)"
                " AND embedded NOT IN (SELECT titled FROM chunk))"
            ).rowcount
            if vectors:  # their rows are given to others, which no frame may take for them
                set_state(made.connection, "epoch", str(made.epoch + 1))
            return


def _building(connection: sqlite3.Connection) -> int:
    return int(state(connection, "building") or 0)


def _spec(connection: sqlite3.Connection, number: int) -> tuple[int, Spec]:
    row = connection.execute("SELECT chunker, embedder FROM build WHERE number = ?", (number,))
    found = row.fetchone()
    if not found:
        raise InputError("no rebuild was begun", hint="Run `fairlead index rebuild`.")
    return number, Spec(chunker=found[0], embedder=found[1])
