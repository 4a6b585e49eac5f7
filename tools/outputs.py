"""What a tool returned, as JSON and as text."""

import json
import re
from typing import Any, Final

import orjson
from pydantic_core import PydanticSerializationError, to_jsonable_python

from fairlead.errors import InputError
from fairlead.schema import Json

NOTHING: Final = "no output"
"""The text of a tool that returns None."""
_surrogate: Final = re.compile("[\ud800-\udfff]")


def rendered(value: object) -> tuple[str, Json]:
    """The text and the JSON of `value`; the same value has the same text every time.

    A string is its own text; all else is compact JSON in the order given, the sets in it sorted.
    Halves of surrogate pairs become U+FFFD. Raises `InputError` for what JSON cannot express.
    """
    if value is None:
        return NOTHING, None
    try:
        data: Json = to_jsonable_python(_plain(value), inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InputError(
            f"a {type(value).__name__} cannot be shown: {str(error).splitlines()[0]}",
            hint="Return text, numbers, lists, dicts, dataclasses or pydantic models.",
        ) from error
    return (data, data) if isinstance(data, str) else (_dumped(data), data)


def _dumped(data: Json) -> str:
    try:
        return orjson.dumps(data).decode()
    except orjson.JSONEncodeError:  # integers beyond 64 bits
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """`value` with its sets sorted and without halves of surrogate pairs; the rest as it is."""
    if isinstance(value, str):
        return _surrogate.sub("\ufffd", value) if not value.isascii() else value
    if isinstance(value, dict):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return _sorted([_plain(inner) for inner in value])
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:  # of several types
        return sorted(items, key=lambda item: f"{type(item).__name__} {item!r}")
