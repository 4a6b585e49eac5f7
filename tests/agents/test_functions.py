from collections.abc import Callable
from typing import Any

import pytest

from fairlead.agents.decision_reading import Unusable
from fairlead.agents.decision_schema import decision_schema
from fairlead.agents.functions import function_names, functions, read_calls
from fairlead.decisions import (
    AnswerNow,
    AnyDecision,
    Ask,
    Budget,
    Call,
    Delegate,
    Retrieve,
    Stop,
    View,
)
from fairlead.protocols import Completion
from fairlead.schema import ToolCall, ToolSpec

Make = Callable[..., Any]
FIELDS = {"rules": {"land": "string"}}


def read(view: View, *calls: tuple[str, dict[str, Any]], text: str = "") -> AnyDecision:
    made = tuple(ToolCall(tool=name, arguments=arguments) for name, arguments in calls)
    completion = Completion(text=text, tool_calls=made)
    return read_calls(completion, decision_schema(view, FIELDS), view, FIELDS)


def test_the_tools_come_first_then_a_function_for_each_kind(view: Make, tools: Any) -> None:
    offered = functions(view("x", tools=tools), {})
    assert offered[: len(tools)] == tools
    assert [spec.name for spec in offered[len(tools) :]] == ["retrieve", "answer", "ask", "stop"]
    bare = functions(view("x", collections=(), agents=("billing",)), {})
    assert [spec.name for spec in bare] == ["delegate", "answer", "ask", "stop"]


def test_the_same_is_offered_at_every_hop(view: Make, tools: Any) -> None:
    spent = view("y", tools=tools, budget=Budget(hops=2, tool_calls=0, tokens=1, seconds=1))
    assert functions(view("x", tools=tools), {}) == functions(spent, {})


def test_one_function_searches_every_collection(view: Make) -> None:
    search = functions(view("x", collections=("rules", "notes")), FIELDS)[0]
    assert list(search.parameters["properties"]) == ["queries", "collection", "filters"]  # type: ignore[arg-type]  # JSON
    assert search.parameters["required"] == ["queries"]


def test_a_tool_of_the_same_name_goes_first(view: Make) -> None:
    tool = ToolSpec(name="answer", description="d", effect="read")
    assert function_names([tool])["answer"] == "answer_step"
    asked = view("x", tools=(tool,))
    assert isinstance(read(asked, ("answer", {})), Call)
    assert isinstance(read(asked, ("answer_step", {})), AnswerNow)


def test_calls_become_decisions(view: Make, tools: Any) -> None:
    asked = view("x", tools=tools, agents=("billing",), collections=("rules", "notes"))
    two = read(
        asked, ("find_order", {"order_id": 7}), ("clock", {}), ("answer", {}), text="Look.\nNow."
    )
    assert isinstance(two, Call) and two.reason == "“Look. Now.”"
    assert [(c.tool, c.arguments) for c in two.calls] == [
        ("find_order", {"order_id": 7}),
        ("clock", {}),
    ]
    search = read(asked, ("retrieve", {"queries": ["a"]}), ("retrieve", {"queries": ["b"]}))
    assert isinstance(search, Retrieve) and search.queries == ("a", "b")
    apart = read(
        asked,
        ("retrieve", {"queries": ["a"], "collection": "rules", "filters": {"land": "NO"}}),
        ("retrieve", {"queries": ["b"]}),
    )
    assert isinstance(apart, Retrieve) and apart.queries == ("a",) and apart.collection == "rules"
    handed = read(asked, ("delegate", {"tasks": [{"agent": "billing", "task": "t"}]}))
    assert isinstance(handed, Delegate)
    assert isinstance(read(asked, ("answer", {}), ("ask", {"question": "Which?"})), Ask)
    assert isinstance(read(asked, ("stop", {"why": "no"})), Stop)


def test_a_text_without_a_call_means_that_the_model_is_ready(view: Make) -> None:
    assert read(view("x"), text="The window is 30 days.") == AnswerNow(
        reason="“the model began to answer”"
    )


@pytest.mark.parametrize(
    ("calls", "text", "why"),
    [
        ([("rm", {})], "", "no function 'rm', only"),
        ([], " ", "no function was called"),
        ([], '<tool_call>{"name": "clo', "no function was called"),
        ([("clock", {"zone": 3})], "", "arguments of clock: zone: 3 is not"),
        ([("retrieve", {"queries": "all"})], "", 'queries: "all" is not'),
        ([("answer", {"route": "x"})], "", "unexpected"),
    ],
)
def test_what_cannot_be_carried_out_is_named(
    view: Make, tools: Any, calls: list[Any], text: str, why: str
) -> None:
    with pytest.raises(Unusable, match=why):
        read(view("x", tools=tools), *calls, text=text)
