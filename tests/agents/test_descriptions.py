from typing import Any

from fairlead.agents.descriptions import described, worded
from fairlead.schema import ToolSpec


def test_a_tool_reads_as_lines(tools: tuple[ToolSpec, ...]) -> None:
    order, _, _, refund, _, clock = tools
    assert described(order) == (
        "- find_order: Find an order by its number: product, country, dates.\n"
        "    order_id (integer): Number of the order, for example 1042."
    )
    assert described(refund).startswith("- refund_order (send): ")
    assert described(clock).endswith("zone (string, optional): IANA name.")


def test_types_are_said_in_words() -> None:
    shape: dict[str, Any] = {
        "type": "object",
        "properties": {"sku": {"type": "string"}, "count": {"enum": [1, "x"]}},
        "required": ["sku"],
    }
    assert worded(shape) == '{sku: string, count?: 1 or "x"}'
    assert worded({"type": "array", "items": {"type": "integer"}}) == "list of integer"
    assert worded({"anyOf": [{"type": "string"}, {"type": "null"}]}) == "string or null"
    assert worded({"const": True}) == "true" and worded({}) == "any"


def test_a_long_description_is_cut_and_a_missing_one_left_out() -> None:
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": True},
    }
    spec = ToolSpec(name="t", description="word " * 99, effect="read", parameters=parameters)
    lines = described(spec).splitlines()
    assert lines[0].endswith(" …") and len(lines[0]) < 320
    assert lines[1:] == ["    a (string, optional)", "    b (any, optional)"]
