"""Taking back: earlier states, expired documents, and erasure, which leaves only tombstones."""

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from fairlead.errors import NotFound
from fairlead.retrieval.embedded.database import (
    CollectionFile,
    Transaction,
    index_version,
    set_state,
    shown_version,
    state,
)
from fairlead.retrieval.embedded.terms import unpacked
from fairlead.retrieval.embedded.writing import count_documents, retire_row, version_number
from fairlead.retrieval.stored import Tally
from fairlead.retrieval.times import stamp

_COPIED = (
    "id, version, source, origin, title, url, published_at, fetched_at, seen_at, expires, language,"
    " metadata, acl, label, findings, markup, body, digest, content, erased, text"
)
_CHUNK = (
    "id, build, ordinal, kind, start, stop, read_start, read_stop, headings, lead, carried, body,"
    " digest, embedded, titled, tokens, terms"
)


def rolled_back(file: CollectionFile, version: int, *, run: str) -> tuple[Tally, int]:
    """Makes a new version with the documents of an old one; how many were erased since then.

    Raises `NotFound` where there is no such version.
    """
    with file.writing() as made:
        connection = made.connection
        newest = index_version(connection)
        if not 0 < version <= newest:
            raise NotFound(
                f"there is no index version {shown_version(version) or version!r}",
                hint="`fairlead index versions` lists them.",
            )
        then, now = _documents(connection, version), _documents(connection, newest)
        kept = set(then.values()) & set(now.values())
        gone = [row for row, key in now.items() if key not in kept]
        missing = [row for row, key in then.items() if key not in kept]
        back = [row for row in missing if not _is_erased(connection, row)]
        lost = len(missing) - len(back)
        if not gone and not back:
            return Tally(), lost
        number = version_number(connection, run, f"rollback to {shown_version(version)}")
        removed = sum(retire_row(made, row, number) for row in gone)
        added = sum(_copied(made, row, number, run) for row in back)
        count_documents(connection, number, len(back) - len(gone))
        connection.execute("DELETE FROM origin")
    changed = len({now[row][0] for row in gone} & {then[row][0] for row in back})
    return Tally(
        added=len(back) - changed,
        changed=changed,
        deleted=len(gone) - changed,
        chunks_added=added,
        chunks_removed=removed,
    ), lost


def expired(connection: sqlite3.Connection, now: datetime, max_age_days: float | None) -> list[int]:
    """Rows of documents whose time is over, with the older versions of each."""
    rows = connection.execute(
        "SELECT row FROM document WHERE erased = '' AND expires <> '' AND expires <= ?",
        (stamp(now),),
    ).fetchall()
    if max_age_days is not None:
        oldest = datetime.fromtimestamp(now.timestamp() - max_age_days * 86400, tz=now.tzinfo)
        rows += connection.execute(
            "SELECT row FROM document WHERE erased = '' AND seen_at <= ?", (stamp(oldest),)
        ).fetchall()
    older = {
        each[0]
        for row in rows
        for each in connection.execute(
            "SELECT row FROM document WHERE erased = '' AND row <= ?"
            " AND id = (SELECT id FROM document WHERE row = ?)",
            (row[0], row[0]),
        )
    }
    return sorted(older)


def erase(
    file: CollectionFile,
    wanted: Callable[[sqlite3.Connection], Sequence[int]],
    *,
    why: str,
    now: datetime,
    run: str,
) -> Tally:
    """Leaves nothing of document versions but tombstones: ids, version, source, when and why.

    `wanted` finds them, and again inside the transaction: another process may add one meanwhile.

    Text, metadata, chunks, words that nobody else has, vectors that nobody else has and what is
    quarantined under the same ids go, from the file's free pages and its log too.
    """
    with file.reading() as before:
        if before is None or not wanted(before):
            return Tally()
    tally = Tally()
    with file.writing() as made:
        connection = made.connection
        for row in wanted(connection):
            tally += _erased(made, row, why, now, run)
        _forget_words(connection)
        connection.execute(
            "DELETE FROM vector WHERE embedded NOT IN (SELECT embedded FROM chunk)"
            " AND embedded NOT IN (SELECT titled FROM chunk)"
        )
        set_state(connection, "epoch", str(made.epoch + 1))
    file.forget_frame()
    file.truncate_log()
    return tally


def _erased(made: Transaction, row: int, why: str, now: datetime, run: str) -> Tally:
    connection = made.connection
    id_, origin, removed = connection.execute(
        "SELECT id, origin, removed_in FROM document WHERE row = ?", (row,)
    ).fetchone()
    tally = Tally()
    if removed is None:
        number = version_number(connection, run, why)
        tally = Tally(deleted=1, chunks_removed=retire_row(made, row, number))
        count_documents(connection, number, -1)
    connection.execute("DELETE FROM chunk WHERE document = ?", (row,))
    connection.execute("DELETE FROM field WHERE document = ?", (row,))
    connection.execute("DELETE FROM band WHERE document = ?", (row,))
    connection.execute("DELETE FROM quarantine WHERE document = ?", (id_,))
    connection.execute("DELETE FROM origin WHERE source = ?", (origin,))
    connection.execute(
        "UPDATE document SET erased = ?, generation = ?, title = '', url = '', published_at = '',"
        " language = '', metadata = '{}', findings = '[]', digest = '', content = x'', text = x'00'"
        " WHERE row = ?",
        (json.dumps({"at": stamp(now), "why": why}), made.generation, row),
    )
    return tally


def _forget_words(connection: sqlite3.Connection) -> None:
    """Deletes the stems that no chunk holds."""
    import numpy as np  # noqa: PLC0415 - 60 ms that only erasing needs

    used = np.zeros(0, dtype=np.uint32)
    cursor = connection.execute("SELECT terms FROM chunk")
    while rows := cursor.fetchmany(20_000):
        used = np.union1d(used, unpacked([row[0] for row in rows])[1])
    known = {row[0] for row in connection.execute("SELECT id FROM term")}
    connection.executemany(
        "DELETE FROM term WHERE id = ?", [(number,) for number in known.difference(used.tolist())]
    )


def _documents(connection: sqlite3.Connection, version: int) -> dict[int, tuple[str, str]]:
    """Rows that were live in a version, with id and digest."""
    rows = connection.execute(
        "SELECT row, id, digest FROM document"
        " WHERE added_in <= ? AND (removed_in IS NULL OR removed_in > ?)",
        (version, version),
    )
    return {row: (id_, digest) for row, id_, digest in rows}


def _is_erased(connection: sqlite3.Connection, row: int) -> bool:
    return bool(
        connection.execute("SELECT erased <> '' FROM document WHERE row = ?", (row,)).fetchone()[0]
    )


def _copied(made: Transaction, row: int, number: int, run: str) -> int:
    """Makes a removed document version live again, as a new row; how many chunks it has."""
    connection = made.connection
    copy = connection.execute(
        f"INSERT INTO document ({_COPIED}, run, added_in, generation)"
        f" SELECT {_COPIED}, ?, ?, ? FROM document WHERE row = ?",
        (run, number, made.generation, row),
    ).lastrowid
    connection.execute(
        "INSERT INTO field SELECT ?, name, word, number, moment FROM field WHERE document = ?",
        (copy, row),
    )
    connection.execute("INSERT INTO band SELECT key, ? FROM band WHERE document = ?", (copy, row))
    connection.execute(
        f"INSERT INTO chunk (document, {_CHUNK}) SELECT ?, {_CHUNK} FROM chunk WHERE document = ?",
        (copy, row),
    )
    connection.execute(
        "INSERT INTO entity SELECT name, new.row FROM entity"
        " JOIN chunk AS old ON old.row = entity.chunk AND old.document = ?"
        " JOIN chunk AS new ON new.document = ? AND new.build = old.build"
        " AND new.ordinal = old.ordinal",
        (row, copy),
    )
    build = int(state(connection, "build") or 0)
    held = "SELECT count(*) FROM chunk WHERE document = ? AND build = ?"
    return int(connection.execute(held, (copy, build)).fetchone()[0])


def rows_of(connection: sqlite3.Connection, names: Collection[str]) -> list[int]:
    """Rows that are not erased, whose document id or else whose source is among the names."""
    found: set[int] = set()
    for name in names:
        for column in ("id", "source"):
            rows = connection.execute(
                f"SELECT row FROM document WHERE {column} = ? AND erased = ''", (name,)
            ).fetchall()
            if rows:
                found.update(row[0] for row in rows)
                break
    return sorted(found)
