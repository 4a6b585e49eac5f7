"""Whether what one collection's file holds agrees with itself."""

import sqlite3
import zlib
from collections import Counter

from fairlead.retrieval.embedded.database import (
    CollectionFile,
    head_of,
    index_version,
    shown_version,
    state,
)
from fairlead.retrieval.embedded.reading import counts
from fairlead.retrieval.embedded.terms import ENTRY, unpacked
from fairlead.retrieval.pieces import content_hash
from fairlead.retrieval.stored import Integrity
from fairlead.retrieval.texts import inflated

_FAULTS = {
    "documents that are not erased have no chunk": (
        "SELECT count(*) FROM document WHERE erased = '' AND NOT EXISTS"
        " (SELECT 1 FROM chunk WHERE chunk.document = document.row AND build ="
        "  (SELECT CAST(value AS INTEGER) FROM state WHERE key = 'build'))"
    ),
    "erased documents have chunks, fields or text left": (
        "SELECT count(*) FROM document WHERE erased <> '' AND (removed_in IS NULL"
        " OR length(text) > 1 OR EXISTS (SELECT 1 FROM chunk WHERE document = document.row)"
        " OR EXISTS (SELECT 1 FROM field WHERE document = document.row))"
    ),
    "chunks have no document": (
        "SELECT count(*) FROM chunk WHERE document NOT IN (SELECT row FROM document)"
    ),
    "chunks have the place of another chunk": (
        "SELECT count(*) FROM (SELECT 1 FROM chunk GROUP BY document, build, ordinal"
        " HAVING count(*) > 1)"
    ),
    "embedders have vectors of several lengths": (
        "SELECT count(*) FROM (SELECT 1 FROM vector GROUP BY embedder"
        " HAVING min(length(data)) <> max(length(data)))"
    ),
    "vectors belong to no chunk": (
        "SELECT count(*) FROM vector WHERE embedded NOT IN (SELECT embedded FROM chunk)"
        " AND embedded NOT IN (SELECT titled FROM chunk)"
    ),
    "documents belong to an index version that does not exist": (
        "SELECT count(*) FROM document WHERE added_in NOT IN (SELECT number FROM version)"
        " OR removed_in NOT IN (SELECT number FROM version)"
    ),
    "newest versions miscount their documents": (
        "SELECT count(*) FROM version WHERE number = (SELECT max(number) FROM version)"
        " AND documents <> (SELECT count(*) FROM document WHERE removed_in IS NULL)"
    ),
}


def examined(file: CollectionFile) -> Integrity:
    """Reads everything: seconds for 100,000 chunks. A file never written is sound and empty."""
    with file.reading() as connection:
        if connection is None:
            return Integrity()
        problems = [
            str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"
        ]
        if problems:  # what else is asked of a broken file may be answered wrong, or not at all
            return Integrity(problems=tuple(problems))
        lost = Counter(row[0] for row in connection.execute("PRAGMA foreign_key_check"))
        problems = [f"{count} rows of {table!r} refer to nothing" for table, count in lost.items()]
        for fault, query in _FAULTS.items():
            if count := connection.execute(query).fetchone()[0]:
                problems.append(f"{count} {fault}")
        problems += [*_texts(connection), *_words(connection)]
        chunks, vectors = counts(connection)
        documents = "SELECT count(*) FROM document WHERE removed_in IS NULL"
        return Integrity(
            documents=connection.execute(documents).fetchone()[0],
            chunks=chunks,
            vectors=vectors,
            index_version=shown_version(index_version(connection)),
            problems=tuple(problems),
            notes=tuple(_notes(connection, chunks, vectors)),
        )


def _texts(connection: sqlite3.Connection) -> list[str]:
    """Texts that are not what was stored, and chunks that are not the slice that they say."""
    wrong: Counter[str] = Counter()
    for (row,) in connection.execute("SELECT row FROM document WHERE erased = ''").fetchall():
        packed, body, content = connection.execute(
            "SELECT text, body, content FROM document WHERE row = ?", (row,)
        ).fetchone()
        try:
            text = inflated(packed)
        except (zlib.error, ValueError):
            wrong["documents have a text that cannot be read"] += 1
            continue
        wrong["documents have a text of another hash"] += content_hash(text[body:]) != content
        chunks = connection.execute(
            "SELECT start, stop, read_start, read_stop, body FROM chunk WHERE document = ?", (row,)
        )
        for start, stop, read_start, read_stop, said in chunks:
            wrong["chunks differ from their document's text"] += text[start:stop] != said
            outside = not 0 <= read_start <= start <= stop <= read_stop <= len(text)
            wrong["chunks are read from outside their document's text"] += outside
    return [f"{count} {fault}" for fault, count in wrong.items() if count]


def _words(connection: sqlite3.Connection) -> list[str]:
    """Lists of words that cannot be read, and numbers in them that stand for no word."""
    known = {row[0] for row in connection.execute("SELECT id FROM term")}
    used: set[int] = set()
    damaged = 0
    cursor = connection.execute("SELECT terms FROM chunk")
    while rows := cursor.fetchmany(10_000):
        whole = [terms for (terms,) in rows if len(terms) % ENTRY == 0]
        damaged += len(rows) - len(whole)
        used.update(unpacked(whole)[1].tolist())
    found = [f"{damaged} chunks have a damaged list of words"] if damaged else []
    lost = len(used - known)
    return [*found, f"{lost} words of the lexical index are unknown"] if lost else found


def _notes(connection: sqlite3.Connection, chunks: int, vectors: int) -> list[str]:
    found = []
    if vectors < chunks and head_of(connection).embedder:
        found.append(f"{chunks - vectors} of {chunks} chunks have no vector yet")
    if state(connection, "building"):
        found.append("a rebuild was begun and is not finished")
    return found
