"""Decisions and values that cross borders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from fairlead import Decision
from fairlead.decisions import AnswerNow, Ask, Call, Delegate, Retrieve, Stop
from fairlead.errors import InputError
from fairlead.schema import Passage, Usage

ALL = [
    ({"kind": "retrieve", "queries": ["a"]}, Retrieve(queries=("a",))),
    ({"kind": "answer", "reason": "known"}, AnswerNow(reason="known")),
    ({"kind": "ask", "question": "which?"}, Ask(question="which?")),
    ({"kind": "stop", "why": "no"}, Stop(why="no")),
]


@pytest.mark.parametrize(("fields", "member"), ALL)
def test_a_decision_is_built_by_kind(fields: dict[str, object], member: Decision) -> None:
    assert Decision(**fields) == member
    assert Decision.parse(fields) == member  # type: ignore[arg-type]  # JSON of several shapes
    assert TypeAdapter(Decision).validate_python(fields) == member
    assert isinstance(member, Decision)


def test_calls_and_tasks_are_nested_values() -> None:
    made = Decision.parse({"kind": "call", "calls": [{"tool": "x", "arguments": {"n": 1}}]})
    assert isinstance(made, Call) and made.calls[0].arguments == {"n": 1}
    assert isinstance(
        Decision.parse({"kind": "delegate", "tasks": [{"agent": "a", "task": "t"}]}), Delegate
    )


@pytest.mark.parametrize(
    "wrong", [{}, {"kind": "fly"}, {"kind": "retrieve"}, {"kind": "retrieve", "queries": []}]
)
def test_what_is_no_decision_says_so(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="not a decision"):
        Decision.parse(wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_usage_adds_up() -> None:
    assert Usage(input_tokens=1, cost=0.5) + Usage(input_tokens=2, tool_calls=1) == Usage(
        input_tokens=3, tool_calls=1, cost=0.5
    )


@given(st.text(min_size=1, max_size=40), st.sets(st.integers(0, 39)), st.data())
def test_a_span_of_the_clean_text_maps_to_the_stored_text(
    stored: str, gone: set[int], data: st.DataObject
) -> None:
    removed = tuple(sorted(at for at in gone if at < len(stored)))
    clean = "".join(c for at, c in enumerate(stored) if at not in removed)
    if not clean:
        return
    passage = Passage(
        passage_id="p", document_id="d", version="1", source="s", title="", text=clean, score=0,
        rank=1, start=100, end=100 + len(stored), tenant="t", collection="c", removed=removed,
    )  # fmt: skip
    start = data.draw(st.integers(0, len(clean) - 1))
    end = data.draw(st.integers(start + 1, len(clean)))
    first, last = passage.stored_span(start, end)
    inside = [(at, stored[at]) for at in range(first - 100, last - 100) if at not in removed]
    assert "".join(c for _, c in inside) == clean[start:end]
    assert inside[0][0] == first - 100 and inside[-1][0] == last - 101
