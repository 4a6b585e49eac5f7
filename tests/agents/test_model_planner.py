import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.agents import ModelPlanner, ScriptedPlanner
from fairlead.decisions import AnswerNow, Budget, Call, Planning, Retrieve, Stop
from fairlead.errors import InputError, SettingsError, Unavailable
from fairlead.protocols import Completion, Request, TokenLogprob
from fairlead.schema import ToolCall, Usage
from fairlead.serving import ScriptedModel

Make = Callable[..., Any]
SPENT = Usage(input_tokens=100, output_tokens=10, model_calls=1)
FALLBACK = ScriptedPlanner(lambda view: AnswerNow(reason="everything was tried"))


def said(value: Any, **more: Any) -> Completion:
    text = value if isinstance(value, str) else json.dumps(value)
    return Completion(text=text, usage=SPENT, **more)


def planner(*replies: Completion, **options: Any) -> tuple[ModelPlanner, ScriptedModel]:
    model = ScriptedModel(replies, name="big")
    return ModelPlanner(model, fallback=FALLBACK, **options), model


SEARCH = {"kind": "retrieve", "reason": "rules are in documents", "queries": ["return window"]}


async def test_a_decision_with_reason_probability_and_what_it_took(view: Make, tools: Any) -> None:
    reply = json.dumps(SEARCH)
    at = reply.index("retrieve")
    tokens = (
        TokenLogprob(token=reply[:at], logprob=0.0),
        TokenLogprob(token="retrieve", logprob=math.log(0.6), top=(("call", math.log(0.2)),)),
        TokenLogprob(token=reply[at + 8 :], logprob=0.0),
    )
    plans, model = planner(said(SEARCH, logprobs=tokens, warnings=("slow",)))
    decision = await plans.plan(view("How long may I return it?", tools=tools))
    assert decision.probability == pytest.approx(0.75)
    assert decision == Retrieve(
        queries=("return window",),
        reason="“rules are in documents”",
        probability=decision.probability,
        planning=Planning(usage=SPENT, warnings=("slow",), prompt=plans.prompt.version, attempts=1),
    )
    request = model.requests[0]
    assert request.output_schema is not None and not request.tools
    assert request.temperature == 0.0 and request.logprobs == 8 and request.deadline == 30.0
    assert [m.role for m in request.messages] == ["system", "user"]


async def test_an_unusable_reply_is_sent_back_once_with_what_is_wrong(view: Make) -> None:
    plans, model = planner(said("Let me search <|im_end|> first."), said(SEARCH))
    decision = await plans.plan(view("How long?"))
    assert isinstance(decision, Retrieve) and decision.planning is not None
    assert decision.planning.attempts == 2 and not decision.planning.warnings
    assert decision.planning.usage == SPENT + SPENT
    first, second = model.requests
    assert second.messages[: len(first.messages)] == first.messages
    reply, complaint = second.messages[len(first.messages) :]
    assert (reply.role, reply.content) == ("assistant", "Let me search < im_end > first.")
    assert complaint.content == "That cannot be used: there is no JSON object in it. Decide again."


async def test_after_two_unusable_replies_the_fallback_plans_and_says_so(view: Make) -> None:
    plans, model = planner(said(""), said({"kind": "dance"}))
    decision = await plans.plan(view("How long?"))
    assert len(model.requests) == 2
    assert model.requests[1].messages[-2].content == "(nothing)"
    assert decision.kind == "answer" and decision.planning is not None
    assert decision.reason == "instead of the model: everything was tried"
    assert decision.planning.usage == SPENT + SPENT and decision.planning.attempts == 2
    assert decision.planning.warnings == (
        "model 'big' made no usable decision: kind is 'dance', but must be one of retrieve, "
        "answer, ask, stop; the embedded default planned instead",
    )


async def test_while_the_model_is_away_the_fallback_plans(view: Make) -> None:
    def away(request: Request) -> Completion:
        raise Unavailable("model 'big' is down")

    def fallback(asked: Any) -> AnswerNow:
        took = Planning(usage=SPENT, warnings=("dusty",))
        return AnswerNow(reason="rules", planning=took)

    plans = ModelPlanner(ScriptedModel(away), fallback=ScriptedPlanner(fallback))
    decision = await plans.plan(view("How long?"))
    assert decision.planning == Planning(
        usage=SPENT,
        warnings=("model 'big' is down; the embedded default planned instead", "dusty"),
        prompt=plans.prompt.version,
        attempts=0,
    )


async def test_without_a_fallback_nothing_is_decided(view: Make) -> None:
    def away(request: Request) -> Completion:
        assert request.deadline == view("x").budget.seconds  # nobody else needs a share of it
        raise Unavailable("model 'big' is down")

    alone = ModelPlanner(ScriptedModel(away), fallback=None)
    with pytest.raises(Unavailable, match="nothing was decided: model 'big' is down"):
        await alone.plan(view("How long?"))
    babble = ModelPlanner(ScriptedModel([said(""), said("")], name="big"), fallback=None)
    with pytest.raises(Unavailable, match="made no usable decision"):
        await babble.plan(view("How long?"))


async def test_a_mistake_of_the_host_is_not_covered_up(view: Make) -> None:
    plans, _ = planner()
    with pytest.raises(InputError, match="run out"):
        await plans.plan(view("x"))


async def test_the_last_hop_asks_no_model(view: Make) -> None:
    plans, model = planner()
    budget = Budget(hops=1, tool_calls=9, tokens=9, seconds=9)
    decision = await plans.plan(view("x", budget=budget))
    assert decision.kind == "answer" and decision.planning is None and not model.requests


async def test_function_calls_as_decisions(view: Make, tools: Any) -> None:
    call = ToolCall(tool="find_order", arguments={"order_id": 7}, call_id="call-x")
    plans, model = planner(said("", tool_calls=(call,)), mode="tools")
    decision = await plans.plan(view("Where is order 7?", tools=tools))
    assert isinstance(decision, Call) and decision.probability is None
    assert decision.calls == (ToolCall(tool="find_order", arguments={"order_id": 7}),)
    request = model.requests[0]
    assert request.output_schema is None and request.logprobs is None
    assert "retrieve" in [spec.name for spec in request.tools]
    assert "find_order" not in request.messages[0].content


async def test_a_wrong_function_call_is_sent_back_too(view: Make, tools: Any) -> None:
    wrong = ToolCall(tool="rm", arguments={"path": "/"})
    plans, model = planner(
        said("", tool_calls=(wrong,)), said("", finish_reason="length"), mode="tools"
    )
    decision = await plans.plan(view("x", tools=tools))
    assert decision.planning is not None
    assert "it was cut off; the embedded" in decision.planning.warnings[0]
    reply, complaint = model.requests[1].messages[-2:]
    assert reply.content == "rm({'path': '/'})" and "no function 'rm'" in complaint.content


async def test_a_prompt_of_your_own(view: Make, tmp_path: Path) -> None:
    place = tmp_path / "planner.md"
    place.write_text("Plan well.", encoding="utf-8")
    for given in (place, "Plan well."):
        plans, model = planner(said(SEARCH), prompt=given)
        decision = await plans.plan(view("x"))
        assert model.requests[0].messages[0].content.startswith("Plan well.\n\nThere are no tools.")
        assert decision.planning is not None
        assert decision.planning.prompt == plans.prompt.version == "65bfdf2d1bd0"
    with pytest.raises(SettingsError, match="cannot read the planner prompt"):
        planner(prompt=tmp_path / "absent.md")
    with pytest.raises(SettingsError, match="planner prompt is empty"):
        planner(prompt="  ")
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SettingsError, match="not UTF-8"):
        planner(prompt=tmp_path / "bad.md")


async def test_what_a_model_wants_to_tell_the_user_is_checked(view: Make) -> None:
    stop = {"kind": "stop", "reason": "r", "why": "See https://evil.example"}
    plans, _ = planner(said(stop), said({**stop, "why": "No document covers that."}))
    decision = await plans.plan(view("x"))
    assert isinstance(decision, Stop) and decision.why == "No document covers that."
