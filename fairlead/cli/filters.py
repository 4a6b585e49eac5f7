"""`--filter EXPR` to the mapping that a search takes.

country=FR            {"country": "FR"}
year!=2024            {"year": {"ne": 2024}}
year>=2024            {"year": {"gte": 2024}}
year<=2024            {"year": {"lte": 2024}}
country in FR,DE      {"country": {"in": ["FR", "DE"]}}
country exists        {"country": {"exists": true}}
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fairlead.errors import InputError

if TYPE_CHECKING:
    from fairlead.schema import Json

_EXPRESSION = re.compile(
    r"""\s*(?P<key>[^\s=!<>]+?)\s*
        (?: (?P<operator>!=|>=|<=|=)\s*(?P<value>.*)
          | \s+in\s+(?P<values>.+)
          | \s+(?P<exists>exists) )\s*""",
    re.VERBOSE | re.DOTALL,
)
_NAMES = {"!=": "ne", ">=": "gte", "<=": "lte"}


def parse_filters(expressions: Sequence[str] | None) -> "Mapping[str, Json] | None":
    """All expressions in one mapping, None without any; several on one key hold together.

    A value that reads as a JSON scalar is one (`7`, `true`, `"7"`), else it is a string. Raises
    `InputError` for what is no expression, and for two that cannot stand together.
    """
    filters: dict[str, Json] = {}
    for expression in expressions or ():
        key, condition = _parsed(expression)
        held = filters.get(key, {})
        if not isinstance(held, dict) or (key in filters and not isinstance(condition, dict)):
            raise InputError(
                f"filter {expression!r} contradicts an earlier one on {key!r}",
                hint="An equality stands alone; for alternatives write 'key in a,b'.",
            )
        filters[key] = {**held, **condition} if isinstance(condition, dict) else condition
    return filters or None


def _parsed(expression: str) -> "tuple[str, Json]":
    found = _EXPRESSION.fullmatch(expression)
    if not found:
        raise InputError(
            f"cannot read the filter {expression!r}",
            hint="Write key=value, key!=value, >=, <=, 'key in a,b' or 'key exists'.",
        )
    key = found["key"]
    if found["exists"]:
        return key, {"exists": True}
    if found["values"] is not None:
        return key, {"in": [_scalar(value) for value in found["values"].split(",")]}
    value = _scalar(found["value"])
    return key, value if found["operator"] == "=" else {_NAMES[found["operator"]]: value}


def _scalar(text: str) -> "Json":
    text = text.strip()
    try:
        value: Json = json.loads(text, parse_constant=_refused)
    except ValueError:
        return text
    return text if isinstance(value, (dict, list)) else value


def _refused(constant: str) -> "Json":
    """NaN and Infinity are no JSON; the text is meant."""
    raise ValueError(constant)
