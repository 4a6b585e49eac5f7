"""Values that cross borders are frozen and keyword-only."""

import dataclasses
import inspect

import pytest

from fairlead import decisions, protocols, schema

VALUES = [
    kind
    for module in (schema, decisions, protocols)
    for kind in vars(module).values()
    if inspect.isclass(kind)
    and dataclasses.is_dataclass(kind)
    and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: str(kind.__name__))
def test_values_are_frozen_and_keyword_only(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]  # every dataclass has it
    assert all(field.kw_only for field in dataclasses.fields(kind))
