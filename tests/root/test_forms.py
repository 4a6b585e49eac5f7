"""JSON Schema, compiled once and held to."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.forms import check_schema, complaint

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"name": "Ada", "age": 36}, ""),
        ({}, '"name" is a required property'),
        ({"name": 5}, "name: 5 is not of type"),
        ({"name": "Ada", "age": -1}, "age: -1 is less than the minimum"),
        ({"name": "Ada", "x": 1}, "x"),
        ([], "is not of type"),
    ],
)
def test_what_is_wrong_is_said(value: Any, said: str) -> None:
    found = complaint(value, PERSON)
    assert said in found and bool(found) == bool(said)


def test_of_alternatives_the_one_that_was_meant() -> None:
    def branch(kind: str, **more: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"kind": {"const": kind}, **more},
            "required": ["kind", *more],
        }

    schema = {"anyOf": [branch("a", n={"type": "integer"}), branch("b", s={"type": "string"})]}
    assert complaint({"kind": "a", "n": "x"}, schema) == 'n: "x" is not of type "integer"'
    assert complaint({"kind": "b"}, schema) == '"s" is a required property'
    assert complaint({"kind": "c"}, schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "https://nowhere.example/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"properties": 5},
        [],
        {"const": object()},
        {"pattern": "("},
    ],
)
def test_what_is_no_schema(schema: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_schema(schema)


def test_no_pattern_runs_away() -> None:
    began = time.monotonic()
    for pattern in (r"^(a+)+$", r"^(?=(a+)+$)(a+)+$"):
        assert complaint("a" * 5000 + "!", {"type": "string", "pattern": pattern})
    assert time.monotonic() - began < 5


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_value_gets_an_answer(value: Any) -> None:
    assert isinstance(complaint(value, PERSON), str)


def test_half_a_character_is_no_json() -> None:
    assert complaint("\ud800", {"type": "string"})
