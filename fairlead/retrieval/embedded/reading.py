"""What an ingest and an operator ask of a collection's file, as functions of a connection."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fairlead.reports import CollectionInfo
from fairlead.retrieval.embedded.database import head_of, index_version, shown_version
from fairlead.retrieval.embedded.matrix import restored
from fairlead.retrieval.pieces import embedded_text
from fairlead.retrieval.records import unpacked_record
from fairlead.retrieval.stored import (
    AuditRow,
    Origin,
    Pending,
    Quarantined,
    Spec,
    StoredDocument,
    Twin,
    Vectors,
    Version,
)
from fairlead.retrieval.texts import inflated

_AT_ONCE = 500
_DOCUMENT = (
    "id, version, source, title, text, url, published_at, fetched_at, expires, language, metadata,"
    " acl, run, added_in, removed_in, erased"
)


def chosen(
    connection: sqlite3.Connection, query: str, values: Collection[Any], *before: Any
) -> Iterator[tuple[Any, ...]]:
    """Rows of a query with `{}` for the marks of so many values, some hundreds at a time."""
    listed = list(values)
    for at in range(0, len(listed), _AT_ONCE):
        some = listed[at : at + _AT_ONCE]
        yield from connection.execute(query.format(", ".join("?" * len(some))), (*before, *some))


def information(connection: sqlite3.Connection, tenant: str, name: str) -> CollectionInfo:
    head = head_of(connection)
    chunks, vectors = counts(connection)
    live = "SELECT count(*) FROM document WHERE removed_in IS NULL"
    return CollectionInfo(
        name=name,
        tenant=tenant,
        documents=connection.execute(live).fetchone()[0],
        chunks=chunks,
        vectors=vectors,
        index_version=shown_version(index_version(connection)),
        embedder=head.embedder,
        chunker=spec(connection, head.build).chunker,
        quarantined=connection.execute("SELECT count(*) FROM quarantine").fetchone()[0],
    )


def spec(connection: sqlite3.Connection, build: int) -> Spec:
    """How a build is cut and embedded."""
    row = connection.execute(
        "SELECT chunker, embedder FROM build WHERE number = ?", (build,)
    ).fetchone()
    return Spec(chunker=row[0], embedder=row[1]) if row else Spec()


def facts(connection: sqlite3.Connection) -> dict[str, str]:
    """What was learned of the collection."""
    rows = connection.execute("SELECT key, value FROM state WHERE key LIKE 'fact %'")
    return {key.removeprefix("fact "): value for key, value in rows}


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """Live chunks, and how many of them have a vector."""
    head = head_of(connection)
    row = connection.execute(
        "SELECT count(*), count(vector.row) FROM document"
        " JOIN chunk ON chunk.document = document.row AND build = ?"
        " LEFT JOIN embedder ON embedder.identity = ?"
        " LEFT JOIN vector ON vector.embedded = chunk.embedded AND vector.embedder = embedder.row"
        " WHERE removed_in IS NULL",
        (head.build, head.embedder),
    ).fetchone()
    return int(row[0]), int(row[1])


def document(
    connection: sqlite3.Connection, document_id: str, version: str | None
) -> StoredDocument | None:
    """One version, or without `version` the live one, else the newest."""
    which = "" if version is None else " AND version = ?"
    values = (document_id,) if version is None else (document_id, version)
    row = connection.execute(
        f"SELECT {_DOCUMENT} FROM document WHERE id = ?{which}"
        " ORDER BY removed_in IS NULL DESC, erased = '' DESC, row DESC LIMIT 1",
        values,
    ).fetchone()
    if row is None:
        return None
    erased = json.loads(row[15]) if row[15] else {}
    return StoredDocument(
        id=row[0],
        version=row[1],
        source=row[2],
        status="erased" if erased else "live" if row[14] is None else "superseded",
        title=row[3],
        text=inflated(row[4]),
        url=row[5],
        published_at=row[6],
        fetched_at=row[7],
        valid_until=row[8],
        language=row[9],
        metadata=json.loads(row[10]),
        acl=tuple(json.loads(row[11])) if row[11] else (),
        run=row[12],
        added_in=shown_version(row[13]),
        removed_in=shown_version(row[14] or 0),
        erased_at=erased.get("at", ""),
        why=erased.get("why", ""),
    )


def versions(connection: sqlite3.Connection) -> list[Version]:
    """Oldest first."""
    rows = connection.execute("SELECT number, at, documents, reason FROM version ORDER BY number")
    return [Version(version=shown_version(n), at=at, documents=d, reason=r) for n, at, d, r in rows]


# --- what an ingest asks -------------------------------------------------------------------------


def stored(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, str]:
    query = "SELECT id, digest FROM document WHERE removed_in IS NULL AND id IN ({})"
    return dict(chosen(connection, query, ids))


def origins(connection: sqlite3.Connection) -> dict[str, Origin]:
    rows = connection.execute("SELECT * FROM origin")
    return {
        source: Origin(
            source=source, digest=digest, documents=number, etag=etag, last_modified=changed
        )
        for source, digest, number, etag, changed in rows
    }


def below(connection: sqlite3.Connection, roots: Sequence[str]) -> dict[str, str]:
    """Live documents whose origin is one of the roots or below it: id to origin."""
    found: dict[str, str] = {}
    for root in roots:
        rows = connection.execute(
            "SELECT id, origin FROM document WHERE removed_in IS NULL"
            " AND (origin = ? OR (origin >= ? AND origin < ?))",
            (root, f"{root}/", f"{root}0"),  # "0" follows "/"
        )
        found.update((id_, origin) for id_, origin in rows)
    return found


_TWIN = "SELECT {}, id, source, published_at, text, body, acl, expires, seen_at FROM document"
_NEIGHBOURS = 16


def twins(connection: sqlite3.Connection, contents: Collection[bytes]) -> dict[bytes, list[Twin]]:
    found: dict[bytes, list[Twin]] = {}
    query = _TWIN.format("content") + " WHERE removed_in IS NULL AND content IN ({})"
    for row in chosen(connection, query, contents):
        found.setdefault(bytes(row[0]), []).append(_twin(row))
    return found


def neighbours(connection: sqlite3.Connection, bands: Collection[int]) -> list[Twin]:
    """Live documents that share a band, those that share the most first, at most 16."""
    marks = ", ".join("?" * len(bands))
    rows = connection.execute(
        "SELECT document FROM band JOIN document ON document.row = band.document"
        f" WHERE key IN ({marks}) AND removed_in IS NULL"
        f" GROUP BY document ORDER BY count(*) DESC, document LIMIT {_NEIGHBOURS}",
        tuple(bands),
    ).fetchall()
    query = _TWIN.format("row") + " WHERE row IN ({})"
    return [_twin(row) for row in chosen(connection, query, [row for (row,) in rows])]


def _twin(row: tuple[Any, ...]) -> Twin:
    return Twin(
        document_id=row[1],
        source=row[2],
        published_at=row[3],
        text=inflated(row[4])[row[5] :],
        acl=tuple(json.loads(row[6])) if row[6] else (),
        valid_until=row[7],
        seen_at=row[8],
    )


# --- vectors -------------------------------------------------------------------------------------


def pending(connection: sqlite3.Connection, embedder: str, build: int) -> list[Pending]:
    """Texts of live chunks without a vector, shortest first."""
    rows = connection.execute(
        "SELECT embedded, count(*), length(chunk.body) AS size FROM chunk"
        " JOIN document ON document.row = chunk.document AND removed_in IS NULL"
        " WHERE build = ? AND NOT EXISTS (SELECT 1 FROM vector"
        "  WHERE vector.embedded = chunk.embedded AND vector.embedder ="
        "  (SELECT row FROM embedder WHERE identity = ?))"
        " GROUP BY embedded ORDER BY size, embedded",
        (build, embedder),
    )
    return [Pending(key=bytes(key), text="", chunks=count) for key, count, _ in rows]


def pending_texts(connection: sqlite3.Connection, keys: Collection[bytes]) -> dict[bytes, str]:
    """What is to be embedded, by its hash; absent where the chunk went meanwhile."""
    query = (
        "SELECT embedded, title, headings, chunk.body, carried FROM chunk"
        " JOIN document ON document.row = chunk.document WHERE embedded IN ({})"
    )
    return {
        bytes(row[0]): embedded_text(row[1], json.loads(row[2]), row[3], row[4])
        for row in chosen(connection, query, keys)
    }


def vectors(connection: sqlite3.Connection, keys: Collection[bytes]) -> Vectors:
    """Vectors of the active build's embedder."""
    query = (
        "SELECT embedded, scale, data FROM vector JOIN embedder ON embedder.row = vector.embedder"
        " WHERE identity = ? AND embedded IN ({})"
    )
    rows = list(chosen(connection, query, keys, head_of(connection).embedder))
    if not rows:
        return {}
    found = restored([(scale, data) for _, scale, data in rows])
    return {bytes(row[0]): vector for row, vector in zip(rows, found, strict=True)}


# --- audit and quarantine ------------------------------------------------------------------------


def audit(connection: sqlite3.Connection, limit: int) -> list[AuditRow]:
    """Newest first."""
    rows = connection.execute(
        "SELECT at, actor, action, target, detail FROM audit ORDER BY row DESC LIMIT ?", (limit,)
    )
    return [
        AuditRow(at=at, actor=actor, action=action, target=target, detail=json.loads(detail))
        for at, actor, action, target, detail in rows
    ]


_HELD = "id, at, gate, reason, document, source, origin, digest, run, expires"


def quarantine(connection: sqlite3.Connection) -> list[Quarantined]:
    """Oldest first."""
    rows = connection.execute(f"SELECT {_HELD} FROM quarantine ORDER BY at, id")
    return [_held(row) for row in rows]


def quarantined(connection: sqlite3.Connection, id_: str) -> Quarantined | None:
    """With the document."""
    row = connection.execute(f"SELECT {_HELD}, record FROM quarantine WHERE id = ?", (id_,))
    found = row.fetchone()
    return replace(_held(found), record=unpacked_record(found[10])) if found else None


def _held(row: tuple[Any, ...]) -> Quarantined:
    names = (
        "id",
        "at",
        "gate",
        "reason",
        "document_id",
        "source",
        "origin",
        "digest",
        "run",
        "expires",
    )
    return Quarantined(**dict(zip(names, row, strict=False)))
