"""Whole document versions, read out to be moved or cut anew, and put back as they were."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from fairlead.errors import InputError
from fairlead.retrieval.chunkers import Chunk
from fairlead.retrieval.embedded.database import CollectionFile, Transaction, set_state
from fairlead.retrieval.embedded.database import state as held_state
from fairlead.retrieval.embedded.writing import insert_chunks, insert_document
from fairlead.retrieval.pieces import Place, pieces
from fairlead.retrieval.records import Record
from fairlead.retrieval.stored import Archived, Entry, Spec, Version
from fairlead.retrieval.texts import inflated
from fairlead.schema import Finding

_COLUMNS = (
    "id version source origin title url published_at fetched_at seen_at expires language metadata"
    " acl findings markup body run digest content added_in removed_in erased text"
).split()
_AT_ONCE = 100


def archived(
    file: CollectionFile, connection: sqlite3.Connection, row: int, *, with_pieces: bool
) -> Archived:
    """One document version; `with_pieces` as the active build cut it."""
    found = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM document WHERE row = ?", (row,)
    ).fetchone()
    held = dict(zip(_COLUMNS, found, strict=True))
    bands = connection.execute("SELECT key FROM band WHERE document = ?", (row,))
    erased = json.loads(held["erased"]) if held["erased"] else None
    entry = Entry(
        record=_record(held),
        digest=held["digest"],
        content=bytes(held["content"]),
        bands=tuple(key for (key,) in bands),
        run=held["run"],
    )
    if with_pieces and not erased:
        entry = _with_pieces(file, connection, row, entry, held["version"])
    return Archived(
        entry=entry,
        version=held["version"],
        added_in=held["added_in"],
        removed_in=held["removed_in"],
        seen_at=held["seen_at"],
        erased=(erased["at"], erased["why"]) if erased else None,
        key=row,
    )


def archive(file: CollectionFile) -> Iterator[Archived]:
    """Every document version, in the order they came, some at a time."""
    after = 0
    while True:
        with file.reading() as connection:
            if connection is None:
                return
            rows = connection.execute(
                "SELECT row FROM document WHERE row > ? ORDER BY row LIMIT ?", (after, _AT_ONCE)
            ).fetchall()
            found = [archived(file, connection, row, with_pieces=True) for (row,) in rows]
        if not found:
            return
        yield from found
        after = rows[-1][0]


def restore(
    file: CollectionFile, versions: Sequence[Version], documents: Iterator[Archived], spec: Spec
) -> None:
    """Fills a collection that is empty. Raises `InputError` where it is not."""
    with file.writing() as made:
        connection = made.connection
        if connection.execute("SELECT 1 FROM version LIMIT 1").fetchone():
            raise InputError(
                f"collection {file.name!r} is not empty there",
                hint="Copy into one that does not exist, or delete it first.",
            )
        connection.executemany(
            "INSERT INTO version VALUES (?, ?, ?, '', ?)",
            [(int(v.version), v.at, v.reason, v.documents) for v in versions],
        )
        connection.execute(
            "INSERT OR REPLACE INTO build VALUES (1, ?, ?, ?)",
            (spec.chunker, spec.embedder, versions[-1].at if versions else ""),
        )
        set_state(connection, "build", "1")
        while some := list(islice(documents, _AT_ONCE)):
            _restore(made, some)


def _restore(made: Transaction, documents: Sequence[Archived]) -> None:
    pieces_ = [piece for each in documents for piece in each.entry.pieces]
    packed = iter(made.terms.packed(made.connection, pieces_, str(made.epoch)))
    build = int(held_state(made.connection, "build"))
    for each in documents:
        row = insert_document(made, each.entry, each.added_in, each.version)
        erased = (
            json.dumps(dict(zip(("at", "why"), each.erased, strict=True))) if each.erased else ""
        )
        made.connection.execute(
            "UPDATE document SET removed_in = ?, seen_at = ?, erased = ? WHERE row = ?",
            (each.removed_in, each.seen_at, erased, row),
        )
        if erased:
            made.connection.execute("DELETE FROM field WHERE document = ?", (row,))
        terms = [next(packed) for _ in each.entry.pieces]
        insert_chunks(made.connection, row, build, each.entry, terms)


def _record(held: Mapping[str, Any]) -> Record:
    return Record(
        id=held["id"],
        source=held["source"],
        origin=held["origin"],
        title=held["title"],
        text=inflated(held["text"]),
        body=held["body"],
        markup=held["markup"],
        url=held["url"],
        published_at=held["published_at"],
        fetched_at=held["fetched_at"],
        valid_until=held["expires"],
        language=held["language"],
        metadata=json.loads(held["metadata"]),
        acl=tuple(json.loads(held["acl"])) if held["acl"] else (),
        findings=tuple(Finding(**finding) for finding in json.loads(held["findings"])),
    )


def _with_pieces(
    file: CollectionFile, connection: sqlite3.Connection, row: int, entry: Entry, version: str
) -> Entry:
    build, chunker = connection.execute(
        "SELECT number, chunker FROM build WHERE number ="
        " (SELECT CAST(value AS INTEGER) FROM state WHERE key = 'build')"
    ).fetchone()
    rows = connection.execute(
        "SELECT start, stop, read_start, read_stop, kind, headings, lead FROM chunk"
        " WHERE document = ? AND build = ? ORDER BY ordinal",
        (row, build),
    )
    chunks = [
        Chunk(
            start=start,
            end=stop,
            read_start=read_start,
            read_end=read_stop,
            kind=kind,
            headings=tuple(json.loads(headings)),
            lead=tuple((start, end) for start, end in json.loads(lead)),
        )
        for start, stop, read_start, read_stop, kind, headings, lead in rows
    ]
    place = Place(
        tenant=file.tenant,
        collection=file.name,
        document_id=entry.record.id,
        version=version,
        chunker=chunker,
    )
    return replace(
        entry,
        pieces=pieces(entry.record, chunks, place),
        entities=_entities(connection, row, build),
        chunker=chunker,
    )


def _entities(
    connection: sqlite3.Connection, document: int, build: int
) -> tuple[tuple[str, ...], ...]:
    """Of each chunk in order; nothing where the collection links none."""
    rows = connection.execute(
        "SELECT ordinal, name FROM chunk LEFT JOIN entity ON entity.chunk = chunk.row"
        " WHERE document = ? AND build = ? ORDER BY ordinal, name",
        (document, build),
    )
    found: dict[int, list[str]] = {}
    for ordinal, name in rows:
        found.setdefault(ordinal, []).extend([name] if name is not None else [])
    return tuple(map(tuple, found.values())) if any(found.values()) else ()
