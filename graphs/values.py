"""How values are written into checkpoints.

Fairlead's own values, and tuples of one type of them, go as JSON through pydantic's serialiser,
under a tag that names their type: one call for a whole tree, and only types listed here are ever
read back. Everything else goes the LangGraph way, msgpack in strict mode with our types allowed.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import TypeAdapter

from fairlead import decisions, schema
from fairlead.graphs import state

_PREFIX = "fairlead/"
_MANY = "[]"
"""Ends the tag of a tuple."""


@cache
def own_types() -> dict[str, type[Any]]:
    """Every value type of ours, by its tag."""
    return {
        f"{_PREFIX}{kind.__name__}": kind
        for module in (schema, decisions, state)
        for kind in vars(module).values()
        if isinstance(kind, type) and hasattr(kind, "__pydantic_fields__")
        if kind.__module__ == module.__name__
    }


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    """What writes and reads a value, by its tag."""
    many: Any = tuple
    single = {tag: TypeAdapter[Any](kind) for tag, kind in own_types().items()}
    several = {f"{t}{_MANY}": TypeAdapter[Any](many[k, ...]) for t, k in own_types().items()}
    return {**single, **several}


@cache
def _tags() -> dict[type[Any], str]:
    return {kind: tag for tag, kind in own_types().items()}


def _allowed() -> Sequence[tuple[str, str]]:
    return [(kind.__module__, kind.__name__) for kind in own_types().values()]


class Values(JsonPlusSerializer):
    """LangGraph's strict serialiser with a short way for our own values."""

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=_allowed())

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        own = _tags().get(type(obj))
        if own is None and type(obj) is tuple and len({*map(type, obj)}) == 1:
            own = _tags().get(type(obj[0]))
            own = own and f"{own}{_MANY}"
        if own is not None:
            return own, _adapters()[own].dump_json(obj)
        return super().dumps_typed(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        tag, value = data
        own = _adapters().get(tag)
        return super().loads_typed(data) if own is None else own.validate_json(value)
