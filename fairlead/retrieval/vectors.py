"""Gives live chunks their vectors, in batches that can be interrupted at any moment."""

import json
import sqlite3
from collections.abc import Callable

from fairlead.protocols import Embedder
from fairlead.retrieval.changes import embedded_text
from fairlead.retrieval.collection import CollectionFile, index_version, state
from fairlead.retrieval.confidence import measured_scale, store_scale
from fairlead.retrieval.matrix import quantized

_BATCH = 64

Progress = Callable[[str, int, int], None]
"""Called with a stage (`text` or `vectors`), how many are done, and of how many."""


def embed_pending(
    file: CollectionFile, embedder: Embedder, progress: Progress, stopped: Callable[[], bool]
) -> int:
    """Embeds the live chunks without a vector of this embedder; how many chunks got one.

    Vectors of other embedders are deleted once every live chunk has one of this.
    """
    identity = embedder.identity
    with file.reading() as connection:
        if connection is None:
            return 0
        rows = _pending(connection, identity)
    chunks = sum(count for _, count in rows)
    done = 0
    if rows:
        progress("vectors", 0, chunks)
    for at in range(0, len(rows), _BATCH):
        if stopped():
            return done
        batch = rows[at : at + _BATCH]
        with file.reading() as connection:
            texts = _texts(connection, [row for row, _ in batch]) if connection else {}
        if texts:
            vectors = quantized(embedder.embed(list(texts.values())))
            with file.writing() as connection:
                _insert(connection, identity, list(texts), vectors)
        done += sum(count for _, count in batch)
        progress("vectors", done, chunks)
    _settle(file, embedder)
    return done


def vector_counts(connection: sqlite3.Connection, identity: str) -> tuple[int, int]:
    """Live chunks, and how many of them have a vector of this embedder."""
    row = connection.execute(
        "SELECT count(*), count(vector.embedded) FROM chunk"
        " LEFT JOIN vector ON vector.embedded = chunk.embedded"
        " AND vector.embedder = (SELECT row FROM embedder WHERE identity = ?)"
        " WHERE chunk.live = 1",
        (identity,),
    ).fetchone()
    return int(row[0]), int(row[1])


def stored_embedder(connection: sqlite3.Connection) -> str:
    """The identity of the embedder with the most vectors here, empty without any."""
    row = connection.execute(
        "SELECT identity FROM embedder JOIN vector ON vector.embedder = embedder.row"
        " GROUP BY embedder.row ORDER BY count(*) DESC LIMIT 1"
    ).fetchone()
    return str(row[0]) if row else ""


def _pending(connection: sqlite3.Connection, identity: str) -> list[tuple[int, int]]:
    """One chunk per text that has no vector, shortest first, with how many chunks share it."""
    rows = connection.execute(
        "SELECT min(row), count(*) FROM chunk WHERE live = 1 AND NOT EXISTS ("
        " SELECT 1 FROM vector WHERE vector.embedded = chunk.embedded"
        " AND vector.embedder = (SELECT row FROM embedder WHERE identity = ?))"
        " GROUP BY embedded ORDER BY length(body), min(row)",
        (identity,),
    )
    return [(int(row), int(count)) for row, count in rows]


def _texts(connection: sqlite3.Connection, rows: list[int]) -> dict[bytes, str]:
    """What is to be embedded, by its hash."""
    found = {}
    for row in rows:
        held = connection.execute(
            "SELECT chunk.embedded, document.title, chunk.headings, chunk.body FROM chunk"
            " JOIN document ON document.row = chunk.document WHERE chunk.row = ?",
            (row,),
        ).fetchone()
        if held:
            found[held[0]] = embedded_text(held[1], json.loads(held[2]), held[3])
    return found


def _insert(
    connection: sqlite3.Connection,
    identity: str,
    hashes: list[bytes],
    vectors: list[tuple[float, bytes]],
) -> None:
    connection.execute("INSERT OR IGNORE INTO embedder (identity) VALUES (?)", (identity,))
    row = connection.execute("SELECT row FROM embedder WHERE identity = ?", (identity,)).fetchone()
    connection.executemany(
        "INSERT OR IGNORE INTO vector VALUES (?, ?, ?, ?)",
        [(row[0], each, *vector) for each, vector in zip(hashes, vectors, strict=True)],
    )


def _settle(file: CollectionFile, embedder: Embedder) -> None:
    """Every live chunk has a vector: measures the scale anew, forgets other embedders."""
    identity = embedder.identity
    with file.reading() as connection:
        if connection is None or _settled(connection, identity):
            return
        matrix = file.matrix(connection, identity)
        newest = index_version(connection)
        scale = measured_scale(connection, matrix, embedder)
    with file.writing() as connection:
        connection.execute(
            "DELETE FROM vector WHERE embedder IN (SELECT row FROM embedder WHERE identity <> ?)",
            (identity,),
        )
        connection.execute("DELETE FROM embedder WHERE identity <> ?", (identity,))
        store_scale(connection, identity, scale)
        connection.execute("INSERT OR REPLACE INTO state VALUES ('settled', ?)", (newest,))


def _settled(connection: sqlite3.Connection, identity: str) -> bool:
    """Whether this was done for the newest version and this embedder."""
    others = connection.execute(
        "SELECT 1 FROM embedder WHERE identity <> ? LIMIT 1", (identity,)
    ).fetchone()
    return not others and state(connection, "settled") == str(index_version(connection))
