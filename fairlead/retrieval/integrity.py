"""Whether what one collection's file holds agrees with itself."""

import sqlite3
from dataclasses import dataclass

from fairlead.retrieval.collection import CollectionFile, index_version, shown_version


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """The counts of a collection, and in words what is wrong with it."""

    documents: int = 0
    chunks: int = 0
    vectors: int = 0
    index_version: str = ""
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


_FAULTS = {
    "chunks of a removed document are still live, or the reverse": (
        "SELECT count(*) FROM chunk JOIN document ON document.row = chunk.document"
        " WHERE chunk.live <> (document.removed_in IS NULL)"
    ),
    "documents have no chunk": (
        "SELECT count(*) FROM document WHERE NOT EXISTS"
        " (SELECT 1 FROM chunk WHERE chunk.document = document.row)"
    ),
    "chunks have no document": (
        "SELECT count(*) FROM chunk WHERE document NOT IN (SELECT row FROM document)"
    ),
    "live chunks are not in the lexical index": (
        "SELECT count(*) FROM chunk WHERE live = 1 AND row NOT IN (SELECT id FROM fts_docsize)"
    ),
    "entries of the lexical index have no live chunk": (
        "SELECT count(*) FROM fts_docsize WHERE id NOT IN (SELECT row FROM chunk WHERE live = 1)"
    ),
    "embedders have vectors of several lengths": (
        "SELECT count(*) FROM (SELECT 1 FROM vector GROUP BY embedder"
        " HAVING min(length(data)) <> max(length(data)))"
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
        for fault, query in _FAULTS.items():
            if count := connection.execute(query).fetchone()[0]:
                problems.append(f"{count} {fault}")
        problems += _misplaced(connection)
        counts = [
            connection.execute(query).fetchone()[0]
            for query in (
                "SELECT count(*) FROM document WHERE removed_in IS NULL",
                "SELECT count(*) FROM chunk WHERE live = 1",
                "SELECT count(*) FROM vector",
            )
        ]
        version = shown_version(index_version(connection))
    problems += _lexical(file)
    return Integrity(
        documents=counts[0],
        chunks=counts[1],
        vectors=counts[2],
        index_version=version,
        problems=tuple(problems),
    )


def _misplaced(connection: sqlite3.Connection) -> list[str]:
    """Chunks that are not the slice of their document that they say they are."""
    wrong = 0
    for row, text in connection.execute("SELECT row, text FROM document").fetchall():
        chunks = connection.execute(
            "SELECT start, stop, body FROM chunk WHERE document = ?", (row,)
        )
        wrong += sum(text[start:stop] != body for start, stop, body in chunks)
    return [f"{wrong} chunks differ from their document's text"] if wrong else []


def _lexical(file: CollectionFile) -> list[str]:
    """FTS5's own comparison of the index with the live chunks."""
    with file.writing() as connection:
        try:
            connection.execute("INSERT INTO fts(fts, rank) VALUES ('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            return [f"the lexical index differs from the chunks: {error}"]
    return []
