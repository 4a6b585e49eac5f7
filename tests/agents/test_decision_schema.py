import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from fairlead.agents.decision_schema import arguments_schema, as_json, decision_schema
from fairlead.decisions import Budget
from fairlead.forms import check_schema
from fairlead.schema import ToolSpec
from fairlead.tools import BUILTINS, Toolbox

Make = Callable[..., Any]
KNOWN = {
    "additionalProperties", "anyOf", "const", "enum", "items", "maxItems", "maxLength", "minItems",
    "properties", "required", "type",
}  # fmt: skip
"""What grammars of structured output are known to hold."""


def keywords(schema: Any) -> Iterator[str]:
    """Every keyword of a schema, at any depth."""
    for key, value in schema.items():
        yield key
        if key == "properties":
            for inner in value.values():
                yield from keywords(inner)
        elif key == "items":
            yield from keywords(value)
        elif key == "anyOf":
            for inner in value:
                yield from keywords(inner)


def kinds(schema: Any) -> list[str]:
    return [branch["properties"]["kind"]["const"] for branch in schema["anyOf"]]


def fits(schema: Any, value: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


def test_kind_and_reason_come_first_and_nothing_may_be_added(view: Make, tools: Any) -> None:
    schema = decision_schema(view("x", tools=tools, agents=("billing",)))
    check_schema(schema)
    for branch in schema["anyOf"]:
        assert list(branch["properties"])[:2] == ["kind", "reason"]
        assert branch["required"] == list(branch["properties"])
        assert branch["additionalProperties"] is False
    assert kinds(schema) == ["call", "retrieve", "delegate", "answer", "ask", "stop"]
    assert set(keywords(schema)) <= KNOWN


def test_only_what_the_view_allows_is_offered(view: Make, tools: Any) -> None:
    assert kinds(decision_schema(view("x", collections=()))) == ["answer", "ask", "stop"]
    spent = view("x", tools=tools, budget=Budget(hops=3, tool_calls=0, tokens=9, seconds=9))
    assert kinds(decision_schema(spent)) == ["retrieve", "answer", "ask", "stop"]


def test_a_call_is_held_to_the_arguments_of_its_tool(view: Make, tools: Any) -> None:
    schema = decision_schema(view("x", tools=tools))

    def call(tool: str, **arguments: Any) -> bool:
        value = {"kind": "call", "reason": "r", "calls": [{"tool": tool, "arguments": arguments}]}
        return fits(schema, value)

    assert call("find_order", order_id=7) and call("clock") and call("clock", zone="UTC")
    assert not call("find_order") and not call("find_order", order_id="7")
    assert not call("clock", order_id=7) and not call("nothing")
    assert not fits(schema, {"kind": "call", "reason": "r", "calls": []})


def test_filters_belong_to_a_collection_that_declares_them(view: Make) -> None:
    fields = {"rules": {"land": "string", "from": "date", "size": "number", "open": "boolean"}}
    schema = decision_schema(view("x", collections=("rules", "notes", "mails")), fields)

    def search(**more: Any) -> bool:
        return fits(schema, {"kind": "retrieve", "reason": "r", "queries": ["q"], **more})

    assert search() and search(collection="notes") and search(collection="rules", filters={})
    wanted = {"land": "NO", "from": {"gte": "2026-01-01"}, "size": 3, "open": True}
    assert search(collection="rules", filters=wanted)
    assert not search(collection="notes", filters={}) and not search(filters={"land": "NO"})
    assert not search(collection="rules", filters={"colour": "red"})
    assert not search(collection="rules", filters={"land": {"gte": "A"}})
    assert not search(collection="other")
    assert set(keywords(schema)) <= KNOWN


def test_parameters_are_reduced_to_what_grammars_know() -> None:
    spec = ToolSpec(
        name="t",
        description="d",
        effect="read",
        parameters={
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": "^a", "maxLength": 9, "title": "Name"},
                "long": {"type": "string", "format": "email", "maxLength": 9_000_000},
                "when": {"type": ["string", "null"], "default": None},
                "one": {"allOf": [{"type": "integer", "minimum": 1}]},
                "way": {"enum": ["a", 2]},
                "fixed": {"const": 3},
                "tree": {"$ref": "#/$defs/Tree"},
                "free": {"type": "object", "additionalProperties": {"type": "string"}},
                "list": {"type": "array", "items": {"oneOf": [{"type": "number"}]}, "minItems": 1},
                "bare": {"type": "array"},
                "any": {},
                "odd": True,
            },
            "required": ["name", "absent"],
            "$defs": {"Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}},
        },
    )
    schema = arguments_schema(spec)
    assert schema["required"] == ["name"]
    held = schema["properties"]
    assert held["name"] == {"type": "string", "maxLength": 9}
    assert held["long"] == {"type": "string", "maxLength": 2000}
    assert held["when"] == {"anyOf": [{"type": "string", "maxLength": 2000}, {"type": "null"}]}
    assert held["one"] == {"type": "integer"} and held["way"] == {"enum": ["a", 2]}
    assert held["fixed"] == {"const": 3} and held["free"] == {"type": "object"}
    assert held["list"] == {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}]},
        "minItems": 1,
    }
    assert held["bare"] == {"type": "array"} and held["any"] == {} and held["odd"] == {}
    assert "left" in held["tree"]["properties"]  # followed, and not for ever
    assert len(json.dumps(schema)) < 2500
    assert set(keywords(schema)) <= KNOWN


def test_a_tool_without_parameters_takes_none() -> None:
    spec = ToolSpec(name="t", description="d", effect="read")
    assert fits(arguments_schema(spec), {}) and not fits(arguments_schema(spec), {"a": 1})


@pytest.mark.parametrize("tool", Toolbox(BUILTINS).specs(), ids=lambda spec: str(spec.name))
def test_the_tools_that_come_along_lose_nothing(tool: ToolSpec) -> None:
    schema = arguments_schema(tool)
    assert list(schema["properties"]) == list(tool.parameters["properties"])  # type: ignore[arg-type]  # JSON


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_as_json_is_one_line_of_the_same_json(value: Any) -> None:
    said = as_json({"a": value})
    assert json.loads(said) == {"a": value} and "\n" not in said
