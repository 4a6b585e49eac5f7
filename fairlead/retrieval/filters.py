"""Typed conditions on documents' metadata, and how a stored value is read for them.

A value is read three ways: as a number, as a moment, as a word. What a condition compares with says
which of them counts: a number (also one written as text), else a moment, else a word. A field whose
type is declared is compared in that way only. A list satisfies a condition when one of its members
does. `ne` is the opposite of `eq`, so it holds where the field is missing.
"""

import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, cast

from fairlead.errors import InputError
from fairlead.schema import Json

Operator: TypeAlias = Literal["eq", "ne", "gte", "lte", "in", "exists"]
Kind: TypeAlias = Literal["any", "string", "number", "boolean", "date"]
Way: TypeAlias = Literal["number", "moment", "word"]

OPERATORS: Final = ("eq", "ne", "gte", "lte", "in", "exists")
OWN_FIELDS: Final = ("document_id", "language", "published_at", "source", "title", "url", "version")
"""Fields that every document has; metadata of the same name goes first."""
_FLAG: Final = "\x01"
"""Before the word of a JSON true or false: `"false"` as a text is not the same."""
_LISTED: Final = 1000
_EXACT: Final = 2.0**53
"""Up to here a float holds every whole number."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One scalar as it can be compared; None where it cannot be read that way."""

    word: str | None = None
    number: float | None = None
    moment: float | None = None
    """Seconds since 1970 in UTC."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One condition. `readings` has one for `eq`, `ne`, `gte`, `lte`, several for `in`."""

    field: str
    operator: Operator
    readings: tuple[Reading, ...] = ()
    wanted: bool = True
    """Of `exists`."""
    kind: Kind = "any"

    @property
    def known(self) -> bool:
        """Whether the field is one whatever documents hold: declared, or every document's own."""
        return self.kind != "any" or self.field in OWN_FIELDS

    def compares(self, operand: Reading) -> Way:
        """How values are compared with one of `readings`.

        Whole numbers that a float cannot tell from their neighbours are equal by their digits.
        """
        if operand.number is not None and self.kind in ("any", "number"):
            exact = abs(operand.number) < _EXACT or self.operator in ("gte", "lte")
            return "number" if exact or not _digits(operand.word) else "word"
        if operand.moment is not None and self.kind in ("any", "date"):
            return "moment"
        return "word"


def parsed_filters(
    filters: Mapping[str, Json] | None, declared: Mapping[str, Kind]
) -> tuple[Filter, ...]:
    """The conditions in a mapping, which all have to hold.

    A plain value means equality; a mapping holds operators: `{"year": {"gte": 2020, "lte": 2022}}`.
    Raises `InputError` for an unknown operator, an operand of the wrong type, and, where fields are
    declared, for one that is not.
    """
    found = []
    for name, wanted in (filters or {}).items():
        if declared and name not in declared and name not in OWN_FIELDS:
            raise unknown_field(name, [*declared, *OWN_FIELDS])
        kind = declared.get(name, "any")
        for operator, operand in _operators(name, wanted):
            found.append(_filter(name, operator, operand, kind))
    return tuple(found)


def unknown_field(name: str, known: Collection[str]) -> InputError:
    """The error for a filter on a field that the collection does not have."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    listed = ", ".join(sorted(known)[:20])
    return InputError(
        f"cannot filter on {name!r}: the collection has no such field",
        hint=f"Did you mean {near[0]!r}?" if near else f"Fields: {listed}.",
    )


def readings(value: Json) -> Iterator[Reading]:
    """How a stored value is compared: one for a scalar, one per member for a list.

    Something that can only exist, such as a mapping or an empty list, gives one without readings;
    null gives none.
    """
    if value is None:
        return
    members = value if isinstance(value, list) else [value]
    scalars = [each for each in members if isinstance(each, (str, int, float))]
    if not scalars:
        yield Reading()
    for each in scalars[:_LISTED]:
        yield reading(each)


def reading(value: str | int | float) -> Reading:
    """A scalar in every way that it can be read."""
    if isinstance(value, bool):
        return Reading(word=_FLAG + str(value).lower())
    if not isinstance(value, str):
        whole = isinstance(value, float) and value.is_integer()
        return Reading(word=str(int(value) if whole else value), number=_finite(value))
    return Reading(word=value, number=_number(value), moment=_moment(value))


def _operators(name: str, wanted: Json) -> list[tuple[str, Json]]:
    if isinstance(wanted, list):
        raise InputError(
            f"the filter on {name!r} is a list",
            hint=f'Write {{"{name}": {{"in": [...]}}}} for any of several values.',
        )
    if not isinstance(wanted, Mapping):
        return [("eq", wanted)]
    if not wanted:
        raise InputError(f"the filter on {name!r} holds no operator")
    return list(wanted.items())


def _filter(name: str, operator: str, operand: Json, kind: Kind) -> Filter:
    if operator not in OPERATORS:
        raise InputError(
            f"unknown operator {operator!r} in the filter on {name!r}",
            hint=f"Use one of {', '.join(OPERATORS)}.",
        )
    known = cast(Operator, operator)
    if operator == "exists":
        if not isinstance(operand, bool):
            raise InputError(f"'exists' wants true or false in the filter on {name!r}")
        return Filter(field=name, operator=known, wanted=operand, kind=kind)
    operands = [operand]
    if operator == "in":
        if not isinstance(operand, list) or len(operand) > _LISTED:
            raise InputError(f"'in' wants a list in the filter on {name!r}, of at most {_LISTED}")
        operands = operand
    read = tuple(_operand(name, each, kind) for each in operands)
    return Filter(field=name, operator=known, readings=read, kind=kind)


def _operand(name: str, operand: Json, kind: Kind) -> Reading:
    if operand is None or not isinstance(operand, (str, int, float)):
        raise InputError(
            f"the filter on {name!r} compares with {operand!r}",
            hint="Compare with a text, a number, true or false; for presence use 'exists'.",
        )
    found = reading(operand)
    if kind == "boolean" and isinstance(operand, str):
        found = Reading(word=_FLAG + operand.lower())
    fits = {
        "number": found.number is not None,
        "date": found.moment is not None,
        "boolean": found.word in (f"{_FLAG}true", f"{_FLAG}false"),
    }
    if not fits.get(kind, True):
        raise InputError(f"{name!r} is a {kind}, and {operand!r} is none")
    return found


def is_flag(word: str | None) -> bool:
    """Whether a word stands for a JSON true or false."""
    return word is not None and word.startswith(_FLAG)


def as_flag(word: str) -> str:
    """The word of the JSON true or false that a text spells; itself where it spells none."""
    return _FLAG + word.lower() if word.lower() in ("true", "false") else word


def fits_kind(value: Json, kind: Kind) -> bool:
    """Whether a stored value, or each member of a list, is of a declared type; null is."""
    for found in readings(value):
        if kind == "boolean" and not is_flag(found.word):
            return False
        if kind == "number" and found.number is None:
            return False
        if kind == "date" and found.moment is None:
            return False
        if kind == "string" and (found.word is None or is_flag(found.word)):
            return False
    return True


def _digits(word: str | None) -> bool:
    return word is not None and word.removeprefix("-").isdecimal()


def _number(text: str) -> float | None:
    try:
        return _finite(float(text))
    except ValueError:
        return None


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _moment(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
