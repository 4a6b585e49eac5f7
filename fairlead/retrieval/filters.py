"""Typed conditions on a document's metadata."""

from collections.abc import Callable, Mapping
from datetime import date, datetime

from fairlead.errors import InputError
from fairlead.schema import Json

OPERATORS = ("eq", "ne", "gte", "lte", "in", "exists")
Condition = Callable[[Mapping[str, Json]], bool]


def condition(filters: Mapping[str, Json]) -> Condition:
    """Whether a document's metadata satisfies every filter.

    A plain value means equality; a mapping holds operators: `{"year": {"gte": 2020, "lte": 2022}}`.
    Numbers compare as numbers, also where one side is written as text; a list satisfies a
    condition when one of its members does. Raises `InputError` for an unknown operator.
    """
    tests = [
        (key, operator, operand)
        for key, wanted in filters.items()
        for operator, operand in _operators(key, wanted)
    ]
    return lambda metadata: all(
        _holds(metadata.get(key), operator, operand) for key, operator, operand in tests
    )


def _operators(key: str, wanted: Json) -> list[tuple[str, Json]]:
    if not isinstance(wanted, dict):
        return [("eq", wanted)]
    for operator, operand in wanted.items():
        if operator not in OPERATORS:
            raise InputError(
                f"unknown operator {operator!r} in the filter on {key!r}",
                hint=f"Use one of {', '.join(OPERATORS)}.",
            )
        if operator == "in" and not isinstance(operand, list):
            raise InputError(f"'in' wants a list in the filter on {key!r}")
        if operator == "exists" and not isinstance(operand, bool):
            raise InputError(f"'exists' wants true or false in the filter on {key!r}")
    return list(wanted.items())


def _holds(value: Json, operator: str, operand: Json) -> bool:
    if operator == "exists":
        return (value is not None) == operand
    if operator == "ne":
        return not _holds(value, "eq", operand)
    if operator == "in" and isinstance(operand, list):
        return any(_holds(value, "eq", each) for each in operand)
    if isinstance(value, list) and not isinstance(operand, list):
        return any(_holds(each, operator, operand) for each in value)
    if operator == "eq":
        return _equal(value, operand)
    return _ordered(value, operand, operator)


def _equal(value: Json, operand: Json) -> bool:
    if isinstance(value, bool) or isinstance(operand, bool):
        return str(value).lower() == str(operand).lower() and value is not None
    left, right = _number(value), _number(operand)
    if left is not None and right is not None:
        return left == right
    return value == operand


def _ordered(value: Json, operand: Json, operator: str) -> bool:
    """`gte` or `lte`: numbers by size, times by moment, other text by its letters."""
    for reading in (_number, _moment, _word):
        left, right = reading(value), reading(operand)
        if left is not None and right is not None:
            return left >= right if operator == "gte" else left <= right  # type: ignore[operator]  # both come from one reading
    return False


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _moment(value: Json) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    day = date(found.year, found.month, found.day).toordinal()
    offset = found.utcoffset()
    seconds = found.hour * 3600 + found.minute * 60 + found.second + found.microsecond / 1e6
    return day * 86400 + seconds - (offset.total_seconds() if offset else 0)


def _word(value: Json) -> str | None:
    return value if isinstance(value, str) else None
