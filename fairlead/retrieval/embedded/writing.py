"""Storing and retiring whole documents, a transaction for each batch."""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from fairlead.retrieval.embedded.database import (
    CollectionFile,
    Transaction,
    index_version,
    set_state,
    state,
)
from fairlead.retrieval.embedded.matrix import quantized
from fairlead.retrieval.filters import OWN_FIELDS, readings
from fairlead.retrieval.pieces import Piece
from fairlead.retrieval.records import Record
from fairlead.retrieval.store import other_embedder
from fairlead.retrieval.stored import Entry, Origin, Tally, Vectors
from fairlead.retrieval.texts import deflated
from fairlead.retrieval.times import stamp, until


def commit(
    file: CollectionFile,
    entries: Sequence[Entry],
    vectors: Vectors,
    *,
    embedder: str,
    run: str,
    reason: str = "ingest",
) -> Tally:
    """Stores the entries in place of what their ids have now, all of them or nothing."""
    tally = Tally()
    if not entries and not vectors:
        return tally
    with file.writing() as made:
        build = _build(made, entries, embedder)
        pieces = [piece for entry in entries for piece in entry.pieces]
        packed = iter(made.terms.packed(made.connection, pieces, str(made.epoch)))
        for entry in entries:
            tally += _replaced(made, entry, build, packed, run, reason)
        if vectors:
            insert_vectors(made.connection, embedder, wanted(made.connection, vectors))
    return tally


def retire(file: CollectionFile, ids: Collection[str], *, run: str, reason: str) -> Tally:
    """Makes live documents not live from a new version on; what they said stays readable."""
    tally = Tally()
    with file.writing() as made:
        for id_ in ids:
            row = _live(made.connection, id_)
            if row is None:
                continue
            number = version_number(made.connection, run, reason)
            removed = retire_row(made, row, number)
            made.connection.execute(
                "DELETE FROM origin WHERE source = (SELECT origin FROM document WHERE row = ?)"
                " OR source = (SELECT source FROM document WHERE row = ?)",
                (row, row),
            )
            count_documents(made.connection, number, -1)
            tally += Tally(deleted=1, chunks_removed=removed)
    return tally


def renew(file: CollectionFile, ids: Collection[str], at: str) -> None:
    """Notes that the documents were seen unchanged at their source."""
    with file.writing() as made:
        made.connection.executemany(
            "UPDATE document SET seen_at = ?, generation = ? WHERE id = ? AND removed_in IS NULL",
            [(at, made.generation, id_) for id_ in ids],
        )


def remember(
    file: CollectionFile, origins: Iterable[Origin], forgotten: Iterable[str] = ()
) -> None:
    """What is known of sources that were read whole."""
    rows = [tuple(asdict(each).values()) for each in origins]
    with file.writing() as made:
        made.connection.executemany("INSERT OR REPLACE INTO origin VALUES (?, ?, ?, ?, ?)", rows)
        made.connection.executemany(
            "DELETE FROM origin WHERE source = ?", [(source,) for source in forgotten]
        )


# --- versions ------------------------------------------------------------------------------------


def version_number(connection: sqlite3.Connection, run: str, reason: str) -> int:
    """The index version of a run: made at its first change, another one if somebody else's came."""
    newest = index_version(connection)
    now = stamp(datetime.now(UTC))
    held = connection.execute("SELECT run FROM version WHERE number = ?", (newest,)).fetchone()
    if held and held[0] == run:
        connection.execute("UPDATE version SET at = ? WHERE number = ?", (now, newest))
        return newest
    connection.execute(
        "INSERT INTO version SELECT ?, ?, ?, ?,"
        " coalesce((SELECT documents FROM version WHERE number = ?), 0)",
        (newest + 1, now, reason, run, newest),
    )
    return newest + 1


def count_documents(connection: sqlite3.Connection, number: int, more: int) -> None:
    connection.execute(
        "UPDATE version SET documents = documents + ? WHERE number = ?", (more, number)
    )


# --- one document --------------------------------------------------------------------------------


def _replaced(
    made: Transaction,
    entry: Entry,
    build: int,
    packed: Iterator[tuple[int, bytes]],
    run: str,
    reason: str,
) -> Tally:
    connection = made.connection
    terms = [next(packed) for _ in entry.pieces]
    before = connection.execute(
        "SELECT row, digest FROM document WHERE id = ? AND removed_in IS NULL", (entry.record.id,)
    ).fetchone()
    if before and before[1] == entry.digest:  # by another process, since we looked
        return Tally(unchanged=1)
    number = version_number(connection, run, reason)
    was: Counter[bytes] = Counter()
    if before:
        held = "SELECT embedded FROM chunk WHERE document = ? AND build = ?"
        was = Counter(row[0] for row in connection.execute(held, (before[0], build)))
        retire_row(made, before[0], number)
    row = insert_document(made, entry, number, version_name(connection, entry))
    insert_chunks(connection, row, build, entry, terms)
    connection.execute("DELETE FROM quarantine WHERE document = ?", (entry.record.id,))
    count_documents(connection, number, 0 if before else 1)
    now = Counter(piece.embedded for piece in entry.pieces)
    return Tally(
        added=0 if before else 1,
        changed=1 if before else 0,
        chunks_added=(now - was).total(),
        chunks_removed=(was - now).total(),
    )


def insert_document(made: Transaction, entry: Entry, number: int, version: str) -> int:
    """The row of a new document version, live from an index version on; without its chunks."""
    record = entry.record
    connection = made.connection
    row = connection.execute(
        "INSERT INTO document (id, version, source, origin, title, url, published_at, fetched_at,"
        " seen_at, expires, language, metadata, acl, label, findings, markup, body, run, digest,"
        " content, added_in, generation, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            version,
            record.source,
            record.origin,
            record.title,
            record.url,
            record.published_at,
            record.fetched_at,
            until(record.fetched_at) if record.fetched_at else stamp(datetime.now(UTC)),
            record.valid_until,
            record.language,
            json.dumps(dict(record.metadata), ensure_ascii=False),
            json.dumps(record.acl, ensure_ascii=False) if record.acl else "",
            "untrusted",
            json.dumps([asdict(finding) for finding in record.findings]),
            record.markup,
            record.body,
            entry.run,
            entry.digest,
            entry.content,
            number,
            made.generation,
            deflated(record.text),
        ),
    ).lastrowid
    assert row is not None
    _insert_fields(connection, row, record, version)
    connection.executemany(
        "INSERT OR IGNORE INTO band VALUES (?, ?)", [(key, row) for key in entry.bands]
    )
    return row


def _insert_fields(connection: sqlite3.Connection, row: int, record: Record, version: str) -> None:
    own = {name: getattr(record, name, "") for name in OWN_FIELDS}
    own |= {"document_id": record.id, "version": version}
    values = {name: value for name, value in own.items() if value} | dict(record.metadata)
    connection.executemany(
        "INSERT INTO field VALUES (?, ?, ?, ?, ?)",
        [
            (row, name, read.word, read.number, read.moment)
            for name, value in values.items()
            for read in readings(value)
        ],
    )


def insert_chunks(
    connection: sqlite3.Connection,
    document: int,
    build: int,
    entry: Entry,
    terms: Sequence[tuple[int, bytes]],
) -> None:
    for at, (piece, (tokens, blob)) in enumerate(zip(entry.pieces, terms, strict=True)):
        row = connection.execute(
            "INSERT INTO chunk (id, document, build, ordinal, kind, start, stop, read_start,"
            " read_stop, headings, lead, carried, body, digest, embedded, titled, tokens, terms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _chunk(piece, document, build, tokens, blob),
        ).lastrowid
        if entry.entities:
            connection.executemany(
                "INSERT OR IGNORE INTO entity VALUES (?, ?)",
                [(name, row) for name in entry.entities[at]],
            )


def _chunk(
    piece: Piece, document: int, build: int, tokens: int, terms: bytes
) -> tuple[str | int | bytes, ...]:
    chunk = piece.chunk
    return (
        piece.passage_id,
        document,
        build,
        piece.ordinal,
        chunk.kind,
        chunk.start,
        chunk.end,
        chunk.read_start,
        chunk.read_end,
        json.dumps(chunk.headings, ensure_ascii=False),
        json.dumps(chunk.lead),
        piece.carried,
        piece.body,
        piece.digest,
        piece.embedded,
        piece.titled,
        tokens,
        terms,
    )


def retire_row(made: Transaction, row: int, number: int) -> int:
    """Makes a document not live from a version on; how many chunks are found no longer."""
    made.connection.execute(
        "UPDATE document SET removed_in = ?, generation = ? WHERE row = ?",
        (number, made.generation, row),
    )
    build = int(state(made.connection, "build") or 0)
    held = "SELECT count(*) FROM chunk WHERE document = ? AND build = ?"
    return int(made.connection.execute(held, (row, build)).fetchone()[0])


def version_name(connection: sqlite3.Connection, entry: Entry) -> str:
    """The document's own version, made distinct where it stands for another text already."""
    record = entry.record
    if not record.version:
        return entry.digest[:12]
    taken = connection.execute(
        "SELECT text FROM document WHERE id = ? AND version = ?", (record.id, record.version)
    ).fetchall()
    text = deflated(record.text)
    other = any(bytes(row[0]) != text for row in taken)
    return f"{record.version}+{entry.digest[:8]}" if other else record.version


# --- vectors -------------------------------------------------------------------------------------


def insert_vectors(connection: sqlite3.Connection, embedder: str, vectors: Vectors) -> None:
    import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

    if not vectors:
        return
    row = embedder_row(connection, embedder)
    planes = quantized(np.stack(list(vectors.values())))
    connection.executemany(
        "INSERT OR IGNORE INTO vector (embedder, embedded, scale, data) VALUES (?, ?, ?, ?)",
        [(row, key, *plane) for key, plane in zip(vectors, planes, strict=True)],
    )


def wanted(connection: sqlite3.Connection, vectors: Vectors) -> Vectors:
    """Without those whose text was erased while they were made."""
    held = "SELECT 1 FROM chunk WHERE embedded = ? LIMIT 1"
    return {
        key: vector
        for key, vector in vectors.items()
        if connection.execute(held, (key,)).fetchone()
    }


def embedder_row(connection: sqlite3.Connection, identity: str) -> int:
    connection.execute("INSERT OR IGNORE INTO embedder (identity) VALUES (?)", (identity,))
    found = connection.execute("SELECT row FROM embedder WHERE identity = ?", (identity,))
    return int(found.fetchone()[0])


def _live(connection: sqlite3.Connection, id_: str) -> int | None:
    row = connection.execute(
        "SELECT row FROM document WHERE id = ? AND removed_in IS NULL", (id_,)
    ).fetchone()
    return int(row[0]) if row else None


def _build(made: Transaction, entries: Sequence[Entry], embedder: str) -> int:
    """The active build, made with the first documents. Its embedder is the first one used."""
    connection = made.connection
    number = int(state(connection, "build") or 0)
    if number:
        held = connection.execute("SELECT embedder FROM build WHERE number = ?", (number,))
        identity = held.fetchone()[0]
        if embedder and identity and embedder != identity:
            raise other_embedder(made_by=identity, configured=embedder)
        if embedder and not identity:
            connection.execute("UPDATE build SET embedder = ? WHERE number = ?", (embedder, number))
        return number
    number = 1 + int(connection.execute("SELECT max(number) FROM build").fetchone()[0] or 0)
    connection.execute(
        "INSERT INTO build VALUES (?, ?, ?, ?)",
        (number, entries[0].chunker if entries else "", embedder, stamp(datetime.now(UTC))),
    )
    set_state(connection, "build", str(number))
    return number
