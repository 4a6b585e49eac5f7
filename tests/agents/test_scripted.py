from collections.abc import Callable
from typing import Any

import pytest

from fairlead.agents import ScriptedPlanner
from fairlead.decisions import AnswerNow, Retrieve, Stop
from fairlead.errors import InputError

Make = Callable[..., Any]


async def test_a_list_is_followed_to_its_end(view: Make) -> None:
    planner = ScriptedPlanner([{"kind": "retrieve", "queries": ["tent"]}, AnswerNow(reason="done")])
    assert await planner.plan(view("x")) == Retrieve(queries=("tent",))
    assert await planner.plan(view("x")) == AnswerNow(reason="done")
    with pytest.raises(InputError, match="script of 2 decisions is used up") as raised:
        await planner.plan(view("x"))
    assert "stop" in raised.value.hint


async def test_a_function_sees_the_view(view: Make) -> None:
    planner = ScriptedPlanner(lambda seen: {"kind": "stop", "why": seen.question})
    for question in ("a", "b"):
        assert await planner.plan(view(question)) == Stop(why=question)


def test_what_is_no_decision_is_refused_before_anything_runs() -> None:
    with pytest.raises(InputError, match="not a decision"):
        ScriptedPlanner([{"kind": "dance"}])
