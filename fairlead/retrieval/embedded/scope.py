"""Which documents a reader may see: by reader, expiry, filters and moment."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fairlead.errors import NotFound
from fairlead.retrieval.embedded.database import index_version, shown_version
from fairlead.retrieval.embedded.frame import LIVE, Documents
from fairlead.retrieval.filters import Filter, Kind, Reading, as_flag, is_flag, unknown_field
from fairlead.retrieval.stored import Scope
from fairlead.retrieval.times import parse_time, stamp
from fairlead.schema import Principal

if TYPE_CHECKING:  # 60 ms to import
    import numpy as np
    from numpy.typing import NDArray


def wanted_version(connection: sqlite3.Connection, as_of: datetime | str | None) -> int | None:
    """The index version meant by a moment or a version; None for the present one.

    Raises `NotFound` for a version that does not exist; 0 is the time before the first.
    """
    if as_of is None:
        return None
    newest = index_version(connection)
    if isinstance(as_of, str) and as_of.isdecimal() and len(as_of) <= 8:
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
    connection: sqlite3.Connection, documents: Documents, scope: Scope
) -> "NDArray[np.bool_] | None":
    """Which of the documents may be found; None for all of them."""
    import numpy as np  # noqa: PLC0415 - see above

    now = scope.now.timestamp()
    seen = (documents.removed == LIVE) & (documents.expires > now)
    if scope.max_age_days is not None:
        seen &= documents.seen > now - scope.max_age_days * 86400
    allowed = [_readable(acl, scope.principal) for acl in documents.acls]
    if not all(allowed):
        seen &= np.array(allowed)[documents.readers]
    open_ = documents.rows[seen]
    for each in scope.filters:
        rows = np.fromiter(_matching(connection, each), dtype=np.int64)
        held = np.isin(documents.rows, rows)
        if not each.known and not np.isin(open_, rows).any():
            _check_known(connection, each.field, open_)
        negative = each.operator == "ne" or (each.operator == "exists" and not each.wanted)
        seen &= ~held if negative else held
    return None if seen.all() else seen


def _readable(acl: frozenset[str], principal: Principal) -> bool:
    return not acl or not acl.isdisjoint((principal.subject, *principal.groups))


def _matching(connection: sqlite3.Connection, wanted: Filter) -> "list[int]":
    """Documents of any version that satisfy the condition, or for a negative one that do not."""
    tests: list[str] = []
    values: list[str | float] = []
    for operand in wanted.readings:
        test, value = _test(wanted, operand)
        tests.append(f"({test})")
        values += value
    where = f" AND ({' OR '.join(tests)})" if tests else ""
    if wanted.operator == "in" and not tests:
        return []
    rows = connection.execute(
        f"SELECT DISTINCT document FROM field WHERE name = ?{where}", (wanted.field, *values)
    )
    return [row[0] for row in rows]


def _check_known(connection: sqlite3.Connection, name: str, open_: "NDArray[np.int64]") -> None:
    """Where the reader may see documents, one of them has the field; a misspelt one is an error.

    No other document's fields are told of, not even whether there are any.
    """
    names = [row[0] for row in connection.execute("SELECT DISTINCT name FROM field")]
    if name in names and _has(connection, name, open_):
        return
    known = [each for each in names if _has(connection, each, open_)]
    if known:
        raise unknown_field(name, known)


def _has(connection: sqlite3.Connection, name: str, open_: "NDArray[np.int64]") -> bool:
    """Whether one of the documents has the field."""
    import numpy as np  # noqa: PLC0415 - see above

    rows = connection.execute("SELECT DISTINCT document FROM field WHERE name = ?", (name,))
    return bool(np.isin(open_, np.fromiter((row[0] for row in rows), dtype=np.int64)).any())


def _test(wanted: Filter, operand: Reading) -> tuple[str, Sequence[str | float]]:
    """SQL that compares a stored value with the operand, and its parameters."""
    sign = {"gte": ">=", "lte": "<="}.get(wanted.operator, "=")
    way = wanted.compares(operand)
    if way == "word":
        assert operand.word is not None, "a scalar has a word"
        return _spelt(wanted.kind, operand.word, sign)
    value = operand.number if way == "number" else operand.moment
    assert value is not None, "that is why it is compared so"
    return f"{way} {sign} ?", (value,)


def _spelt(kind: Kind, word: str, sign: str) -> tuple[str, Sequence[str | float]]:
    """The comparison with a word. True and false are in no order, and equal to what spells them."""
    if sign != "=":
        if is_flag(word):
            return "0", ()
        plain = f"word {sign} ? AND word >= char(2)"
        return plain if kind == "string" else f"{plain} AND number IS NULL AND moment IS NULL", (
            word,
        )
    if is_flag(word):
        return "word = ? OR lower(word) = ?", (word, word[1:])
    flag = as_flag(word)
    if kind == "any" and flag != word:
        return "word = ? OR word = ?", (word, flag)
    return "word = ?", (word,)
