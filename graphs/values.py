"""How values are written into checkpoints.

Fairlead's own values go as JSON through pydantic's serialiser, under a tag that names their type:
one call for a whole tree, and only types listed here are ever read back. Everything else goes the
LangGraph way, msgpack in strict mode with our types allowed.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import TypeAdapter

from fairlead import decisions, schema
from fairlead.graphs import state

_PREFIX = "fairlead/"


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


def _allowed() -> Sequence[tuple[str, str]]:
    return [(kind.__module__, kind.__name__) for kind in own_types().values()]


class Values(JsonPlusSerializer):
    """LangGraph's strict serialiser with a short way for our own values."""

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=_allowed())

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        own = _writers().get(type(obj))
        if own is not None:
            tag, write = own
            return tag, write(obj)
        return super().dumps_typed(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        tag, value = data
        return (
            _adapter(tag).validate_json(value) if tag in own_types() else super().loads_typed(data)
        )


@cache
def _adapter(tag: str) -> TypeAdapter[Any]:
    return TypeAdapter(own_types()[tag])


@cache
def _writers() -> dict[type[Any], tuple[str, Callable[[Any], bytes]]]:
    return {kind: (tag, _adapter(tag).dump_json) for tag, kind in own_types().items()}
