"""Which documents a search may see: by reader, expiry, filters and moment."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime

from fairlead.errors import NotFound
from fairlead.retrieval.collection import index_version, shown_version
from fairlead.retrieval.filters import Condition, condition
from fairlead.retrieval.times import parse_time, stamp
from fairlead.schema import Json, Principal

_FIELDS = ("source", "title", "url", "published_at", "language", "version")


def wanted_version(connection: sqlite3.Connection, as_of: datetime | str | None) -> int | None:
    """The index version meant by a moment or a version; None for the present one.

    Raises `NotFound` for a version that does not exist; 0 is the time before the first.
    """
    if as_of is None:
        return None
    newest = index_version(connection)
    if isinstance(as_of, str) and as_of.isdigit() and len(as_of) <= 8:
        number = int(as_of)
        if not 0 < number <= newest:
            raise NotFound(
                f"there is no index version {as_of!r}",
                hint=f"The newest is {shown_version(newest)!r}." if newest else "",
            )
    else:
        moment = parse_time(as_of) if isinstance(as_of, str) else as_of
        row = connection.execute(
            "SELECT max(number) FROM version WHERE at <= ?", (stamp(moment),)
        ).fetchone()
        number = int(row[0] or 0)
    return None if number == newest else number


def visible(
    connection: sqlite3.Connection,
    principal: Principal,
    filters: Mapping[str, Json] | None,
    version: int | None,
) -> set[int] | None:
    """The documents that may be found; None for every live one."""
    accepts = condition(filters) if filters else None
    if version is None and accepts is None:
        return _unless_limited(connection, principal)
    span = "removed_in IS NULL"
    values: tuple[int, ...] = ()
    if version is not None:
        span = "added_in <= ? AND (removed_in IS NULL OR removed_in > ?)"
        values = version, version
    rows = connection.execute(
        f"SELECT row, acl, expires, metadata, id, {', '.join(_FIELDS)} FROM document WHERE {span}",
        values,
    )
    now = stamp(datetime.now(UTC))
    return {
        row[0]
        for row in rows
        if _readable(row[1], row[2], principal, now) and (accepts is None or _fits(row, accepts))
    }


def allow(connection: sqlite3.Connection, documents: set[int]) -> None:
    """Puts the documents where SQL can join them, for the length of the transaction."""
    connection.executemany(
        "INSERT INTO temp.allowed VALUES (?)", [(row,) for row in sorted(documents)]
    )


def _unless_limited(connection: sqlite3.Connection, principal: Principal) -> set[int] | None:
    """None when nothing live is kept from this reader: then no search pays for limits."""
    now = stamp(datetime.now(UTC))
    hidden = {
        row[0]
        for row in connection.execute(
            "SELECT row, acl, expires FROM document"
            " WHERE (acl <> '' OR expires <> '') AND removed_in IS NULL"
        )
        if not _readable(row[1], row[2], principal, now)
    }
    if not hidden:
        return None
    live = connection.execute("SELECT row FROM document WHERE removed_in IS NULL")
    return {row[0] for row in live} - hidden


def _readable(acl: str, expires: str, principal: Principal, now: str) -> bool:
    if expires and expires <= now:
        return False
    return not acl or not {principal.subject, *principal.groups}.isdisjoint(json.loads(acl))


def _fits(row: tuple[str, ...], accepts: Condition) -> bool:
    """Metadata goes before a document's own fields of the same name."""
    own = {name: value for name, value in zip(_FIELDS, row[5:], strict=True) if value}
    return accepts({"document_id": row[4], **own, **json.loads(row[3])})
