"""The changes that one ingest makes to one collection, a batch of whole documents at a time."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fairlead.retrieval.analysis import split_identifiers
from fairlead.retrieval.chunkers import Chunk, Markup, open_chunker
from fairlead.retrieval.collection import CollectionFile, index_version
from fairlead.retrieval.records import Record, stamp

_CHUNKER = open_chunker("recursive")
_HEADER_FROM = 400
"""Characters of a passage from which its heading is embedded with it: a header longer than its
passage drowns it."""


@dataclass(kw_only=True)
class Tally:
    """What changed so far."""

    documents: Counter[str] = field(default_factory=Counter)
    chunks: Counter[str] = field(default_factory=Counter)


class Changes:
    """Writes records; everything that one ingest changes belongs to one new index version.

    `count` measures chunks in tokens, `expires` is the moment from which the documents are gone.
    """

    def __init__(
        self, file: CollectionFile, *, reason: str, count: Callable[[str], int], expires: str
    ) -> None:
        self.tally = Tally()
        self._file = file
        self._reason = reason
        self._count = count
        self._expires = expires
        self._number = 0

    def write(self, records: Sequence[Record]) -> None:
        """Stores what is new or changed, all of it or nothing."""
        changed = [(each, _digest(each, self._expires)) for each in records]
        with self._file.reading() as connection:
            if connection is not None:
                changed = [pair for pair in changed if not _stored(connection, *pair)]
        self.tally.documents["unchanged"] += len(records) - len(changed)
        prepared = [(each, digest, _chunks(each, self._count)) for each, digest in changed]
        if not prepared:
            return
        tally = Tally()
        with self._file.writing() as connection:
            for each, digest, chunks in prepared:
                self._replace(connection, each, digest, chunks, tally)
        self._add(tally)

    def remove(self, roots: Sequence[str], seen: set[str], spared: Iterable[str]) -> None:
        """Removes the live documents below `roots` that were not seen, except below `spared`."""
        with self._file.reading() as connection:
            gone = [] if connection is None else _vanished(connection, roots, seen, set(spared))
        if not gone:
            return
        tally = Tally()
        with self._file.writing() as connection:
            for row in gone:
                number = self._version(connection)
                if self._retire(connection, row, number, tally):
                    tally.documents["deleted"] += 1
                    _count_documents(connection, number, -1)
        self._add(tally)

    # --- one document ----------------------------------------------------------------------------

    def _replace(
        self,
        connection: sqlite3.Connection,
        record: Record,
        digest: str,
        chunks: Sequence[Chunk],
        tally: Tally,
    ) -> None:
        if _stored(connection, record, digest):  # by another process, since we looked
            tally.documents["unchanged"] += 1
            return
        number = self._version(connection)
        before = connection.execute(
            "SELECT row FROM document WHERE id = ? AND removed_in IS NULL", (record.id,)
        ).fetchone()
        was: Counter[bytes] = Counter()
        if before:
            was = Counter(
                row[0]
                for row in connection.execute(
                    "SELECT embedded FROM chunk WHERE document = ?", (before[0],)
                )
            )
            self._retire(connection, before[0], number, Tally())
        now = self._insert(connection, record, digest, chunks, number)
        tally.documents["changed" if before else "added"] += 1
        tally.chunks["added"] += (now - was).total()
        tally.chunks["removed"] += (was - now).total()
        _count_documents(connection, number, 0 if before else 1)

    def _insert(
        self,
        connection: sqlite3.Connection,
        record: Record,
        digest: str,
        chunks: Sequence[Chunk],
        number: int,
    ) -> Counter[bytes]:
        version = _version_name(connection, record, digest)
        row = connection.execute(
            "INSERT INTO document (id, version, source, origin, title, url, published_at, language,"
            " metadata, acl, expires, digest, added_in, text)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.id,
                version,
                record.source,
                record.origin,
                record.title,
                record.url,
                record.published_at,
                record.language,
                json.dumps(dict(record.metadata), ensure_ascii=False),
                json.dumps(record.acl, ensure_ascii=False) if record.acl else "",
                self._expires,
                digest,
                number,
                record.text,
            ),
        ).lastrowid
        place = (self._file.tenant, self._file.name, record.id, version)
        meta = _meta(record)
        rows = [_chunk_row(record, each, at, row, place, meta) for at, each in enumerate(chunks)]
        connection.executemany(
            "INSERT INTO chunk (id, document, ordinal, start, stop, headings, title, body, meta,"
            " digest, embedded, live) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            rows,
        )
        return Counter(bytes(each[-1]) for each in rows if isinstance(each[-1], bytes))

    def _retire(self, connection: sqlite3.Connection, row: int, number: int, tally: Tally) -> bool:
        """Makes a document not live from this version on; False when it already was not."""
        done = connection.execute(
            "UPDATE document SET removed_in = ? WHERE row = ? AND removed_in IS NULL", (number, row)
        )
        if done.rowcount:
            gone = connection.execute("UPDATE chunk SET live = 0 WHERE document = ?", (row,))
            tally.chunks["removed"] += gone.rowcount
        return bool(done.rowcount)

    def _version(self, connection: sqlite3.Connection) -> int:
        """This ingest's version; another one when somebody else's began in between."""
        newest = index_version(connection)
        now = stamp(datetime.now(UTC))
        if self._number and newest == self._number:
            connection.execute("UPDATE version SET at = ? WHERE number = ?", (now, newest))
            return newest
        self._number = newest + 1
        connection.execute(
            "INSERT INTO version SELECT ?, ?, ?,"
            " coalesce((SELECT documents FROM version WHERE number = ?), 0)",
            (self._number, now, self._reason, newest),
        )
        return self._number

    def _add(self, tally: Tally) -> None:
        self.tally.documents += tally.documents
        self.tally.chunks += tally.chunks


def embedded_text(title: str, headings: Sequence[str], body: str) -> str:
    """What is embedded of a chunk: its nearest heading before it, where it is long enough."""
    heading = headings[-1] if headings else title
    if len(body) < _HEADER_FROM or not heading or heading in body[: len(heading) + 8]:
        return body
    return f"{heading}\n{body}"


def _chunks(record: Record, count: Callable[[str], int]) -> Sequence[Chunk]:
    markup: Markup = "markdown" if record.markdown else "plain"
    return _CHUNKER.chunk(
        record.text, start=record.body, markup=markup, count=count, source=record.source
    )


def _chunk_row(
    record: Record,
    each: Chunk,
    ordinal: int,
    document: int | None,
    place: tuple[str, ...],
    meta: str,
) -> tuple[str | int | bytes | None, ...]:
    body = record.text[each.start : each.end]
    identifiers = split_identifiers(body)
    return (
        "p" + _sha(*place, str(ordinal), _CHUNKER.identity, body).hex()[:20],
        document,
        ordinal,
        each.start,
        each.end,
        json.dumps(each.headings, ensure_ascii=False),
        " › ".join(dict.fromkeys((record.title, *each.headings))),
        body,
        f"{meta} {identifiers}" if identifiers else meta,
        _sha(" ".join(body.split()))[:16],
        _sha(embedded_text(record.title, each.headings, body))[:16],
    )


def _meta(record: Record) -> str:
    """What the lexical index knows of a document beyond its words."""
    values = [v for value in record.metadata.values() for v in _scalars(value)]
    return " ".join((record.source, record.published_at[:10], record.url, *values)).strip()


def _scalars(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _scalars(inner)


def _sha(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def _digest(record: Record, expires: str) -> str:
    return record.digest(_CHUNKER.identity, expires)


def _stored(connection: sqlite3.Connection, record: Record, digest: str) -> bool:
    found = connection.execute(
        "SELECT digest FROM document WHERE id = ? AND removed_in IS NULL", (record.id,)
    ).fetchone()
    return found is not None and found[0] == digest


def _version_name(connection: sqlite3.Connection, record: Record, digest: str) -> str:
    """The document's own version, made distinct where it stands for another text already."""
    if not record.version:
        return digest[:12]
    taken = connection.execute(
        "SELECT 1 FROM document WHERE id = ? AND version = ? AND text <> ?",
        (record.id, record.version, record.text),
    ).fetchone()
    return f"{record.version}+{digest[:8]}" if taken else record.version


def _vanished(
    connection: sqlite3.Connection, roots: Sequence[str], seen: set[str], spared: set[str]
) -> list[int]:
    gone = []
    for root in roots:
        rows = connection.execute(
            "SELECT row, id, origin FROM document WHERE removed_in IS NULL"
            " AND (origin = ? OR (origin >= ? AND origin < ?))",
            (root, f"{root}/", f"{root}0"),  # "0" follows "/"
        )
        gone += [row for row, id_, origin in rows if id_ not in seen and not _below(origin, spared)]
    return gone


def _below(origin: str, places: set[str]) -> bool:
    parts = origin.split("/")
    return any("/".join(parts[:n]) in places for n in range(1, len(parts) + 1))


def _count_documents(connection: sqlite3.Connection, number: int, more: int) -> None:
    connection.execute(
        "UPDATE version SET documents = documents + ? WHERE number = ?", (more, number)
    )
