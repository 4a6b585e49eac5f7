"""Which JSON is a training example, and what becomes of it."""

from typing import Any

import pytest

from fairlead.serving.training.forms import Example, Malformed, example_of, strict_json
from tests.serving.training.conftest import chat

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}


def example(value: object) -> Example:
    return example_of(value, line=1)


def test_a_prompt_and_its_completion_are_a_chat() -> None:
    found = example({"prompt": "Where?", "completion": "Here."})
    assert found.plain
    assert found.messages == (
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "Here."},
    )


def test_the_form_of_openai_with_tools_is_taken() -> None:
    found = example(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Where is"},
                                             {"type": "text", "text": "order 7?"}]},
                {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
                {"role": "tool", "tool_call_id": "c1", "content": "shipped"},
                {"role": "assistant", "content": "Wrong.", "weight": 0},
                {"role": "user", "content": "Sure?"},
                {"role": "assistant", "content": "On its way.", "weight": 1},
            ],
            "tools": [TOOL],
            "parallel_tool_calls": False,
            "source": "desk",
        }
    )  # fmt: skip
    assert found.messages[1]["content"] == "Where is\norder 7?"
    made = {"type": "function", "id": "c1", "function": {"name": "find", "arguments": {"id": 7}}}
    assert found.messages[2] == {"role": "assistant", "content": "", "tool_calls": [made]}
    assert found.messages[4]["weight"] == 0 and "weight" not in found.messages[6]
    assert found.ignored == ("source",) and not found.plain and found.tools == (TOOL,)


def test_equal_examples_have_equal_content() -> None:
    one = {"messages": [{"role": "user", "content": "a"}, {"content": "b", "role": "assistant"}]}
    assert example(one).content() == example({**chat("a", "b"), "id": 9}).content()
    assert example(one).content() != example(chat("a", "c")).content()


USER = {"role": "user", "content": "x"}
SAID = {"role": "assistant", "content": "y"}
BAD: list[tuple[object, str, str]] = [
    ([1], "form", "a JSON list, not an object"),
    ({}, "form", "neither 'messages' nor 'prompt'"),
    ({"prompt": "a", **chat("a", "b")}, "form", "both"),
    ({"prompt": "a"}, "form", "'completion' is null"),
    ({"prompt": 3, "completion": "b"}, "form", "'prompt' is number"),
    ({"prompt": "a", "completion": "b", "tools": [TOOL]}, "form", "'tools' belong"),
    ({"prompt": "a", "completion": "  "}, "empty", "an answer is empty"),
    ({"prompt": " ", "completion": "b"}, "empty", "nothing was asked"),
    ({"messages": []}, "form", "no list"),
    ({"messages": [SAID]}, "empty", "nothing was asked"),
    ({"messages": [{"role": "system", "content": "s"}, SAID]}, "empty", "nothing was asked"),
    ({"messages": [USER]}, "form", "last message is not the assistant's"),
    ({"messages": [USER, {**SAID, "weight": 0}]}, "form", "weight 0"),
    ({"messages": [{**USER, "weight": 1}, SAID]}, "form", "'weight' is 0 or 1"),
    ({"messages": [USER, {**SAID, "weight": 0.5}]}, "form", "'weight' is 0 or 1"),
    ({"messages": ["hello", SAID]}, "form", "message 1: is text"),
    ({"messages": [{"role": "bot", "content": "x"}, SAID]}, "form", "the role is 'bot'"),
    ({"messages": [{"role": "user"}, SAID]}, "form", "'content' is null"),
    ({"messages": [{**USER, "name": 7}, SAID]}, "form", "message 1: 'name' is number"),
    ({"messages": [{"role": "user", "contents": "x"}, SAID]}, "form", "'contents' is no part"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, SAID]}, "form", "no text"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}, SAID]}, "form", "no 'text'"),
    ({"messages": [{**USER, "tool_calls": [CALL]}, SAID]}, "form", "only the assistant"),
    ({"messages": [USER, {**SAID, "tool_calls": {}}, SAID], "functions": [1]}, "form", "old form"),
    ({"messages": [USER, {**SAID, "tool_calls": "x"}]}, "form", "'tool_calls' is text"),
    (
        {"messages": [USER, {**SAID, "tool_calls": [{"type": "x"}]}]},
        "form",
        "no call of a function",
    ),
    ({"messages": [USER, {**SAID, "tool_calls": [{"function": {}}]}]}, "form", "has no name"),
    ({"messages": [{"role": "tool", "content": "x"}, SAID]}, "form", "needs the 'tool_call_id'"),
    (
        {"messages": [USER, {"role": "tool", "tool_call_id": "c9", "content": "x"}, SAID]},
        "form",
        "message 2 answers the call 'c9', which nobody made",
    ),
    ({**chat("a", "b"), "tools": {}}, "form", "'tools' is object"),
    ({**chat("a", "b"), "tools": [{}]}, "form", "no function with a name"),
    (chat("a", "\ud800"), "json", "surrogate"),
]


@pytest.mark.parametrize(("value", "code", "said"), BAD)
def test_what_is_no_example_is_refused_with_the_reason(value: object, code: str, said: str) -> None:
    with pytest.raises(Malformed, match=said.replace("(", r"\(")) as caught:
        example(value)
    assert caught.value.code == code


@pytest.mark.parametrize("arguments", ["{", "[1]", '{"a": NaN}', '{"a": 1, "a": 2}', [1]])
def test_arguments_of_a_call_are_an_object(arguments: Any) -> None:
    call = {"function": {"name": "find", "arguments": arguments}}
    with pytest.raises(Malformed, match="the arguments of 'find'"):
        example({"messages": [USER, {**SAID, "tool_calls": [call]}]})


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[NaN]", "[Infinity]", "[" * 100_000, "{"])
def test_json_is_read_strictly(text: str) -> None:
    with pytest.raises(ValueError):
        strict_json(text)
