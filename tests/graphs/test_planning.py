"""A model plans inside the machine: what it costs, what it says, and what the run shows of it."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead import Principal, tool
from fairlead.agents import EmbeddedPlanner, ModelAnswerer, ModelPlanner
from fairlead.graphs import Checkpoints, Parts, build_machine
from fairlead.protocols import Completion, TokenLogprob
from fairlead.reports import CollectionInfo, SearchResult
from fairlead.schema import Hit, Usage
from fairlead.serving import ScriptedModel
from fairlead.settings import Settings
from fairlead.tools import Toolbox
from fairlead.tracing import SpanStore, TraceReader, Tracing

PLACE = {"thread_id": "t", "fairlead_principal": Principal(tenant="acme")}
TEXT = "Orders to Norway may be returned within 21 days."
HIT = Hit(
    passage_id="p", document_id="d", version="1", source="d.md", title="D", text=TEXT,
    score=1.0, rank=1, start=0, end=len(TEXT), tenant="acme", collection="default",
)  # fmt: skip
SPENT = Usage(input_tokens=100, output_tokens=10, model_calls=1)


class Shelf:
    async def search(self, query: str, **options: Any) -> SearchResult:
        return SearchResult(hits=(HIT,), confidence=0.9)

    async def collections(self, tenant: str) -> tuple[Any, ...]:
        return (CollectionInfo(name="default", tenant=tenant),)

    async def text(self, **place: Any) -> str:
        return TEXT[place["start"] : place["end"]]


@tool(effect="read")
async def find_order(order_id: int) -> str:
    """Finds an order."""
    return f"Order {order_id} went to Norway."


def decided(kind: str, **fields: Any) -> Completion:
    text = json.dumps({"kind": kind, "reason": f"I say {kind} for Jane", **fields})
    return Completion(text=text, usage=SPENT)


CALL = decided("call", calls=[{"tool": "find_order", "arguments": {"order_id": 7}}])
SEARCH = decided("retrieve", queries=["return Norway"])
SAID = "Orders to Norway may be returned within 21 days. [1]"


def made(
    folder: Path, replies: Iterable[Completion], *, said: Any = SAID, **budgets: Any
) -> tuple[Parts, ScriptedModel]:
    model = ScriptedModel(replies, name="big")
    parts = Parts(
        planner=ModelPlanner(model, fallback=EmbeddedPlanner()),
        answerer=ModelAnswerer(ScriptedModel(lambda request: Completion(text=said, usage=SPENT))),
        searcher=Shelf(),
        tools=Toolbox([find_order]),
        tracing=Tracing(store=SpanStore(folder / "traces.db")),
        settings=Settings(budgets=budgets),
    )
    return parts, model


async def asked(parts: Parts, folder: Path, said: str = "How long may I return order 7?") -> Any:
    checkpoints = Checkpoints(folder / "runs.db")
    try:
        config: Any = {"configurable": PLACE}
        machine = build_machine(parts, checkpoints)
        return (await machine.ainvoke({"question": said}, config))["answer"]
    finally:
        checkpoints.close()
        parts.tracing.close()


async def test_a_turn_planned_by_a_model(tmp_path: Path) -> None:
    parts, model = made(tmp_path, [CALL, SEARCH, decided("answer")])
    answer = await asked(parts, tmp_path)
    assert answer.status == "answered" and "21 days" in answer.text
    assert [hop.kind for hop in answer.hops] == ["call", "retrieve", "answer"]
    assert answer.hops[0].reason == "“I say call for Jane”"
    four = SPENT + SPENT + SPENT + SPENT
    assert answer.usage == replace(four, tool_calls=1)
    assert set(answer.prompts) == {"planner", "answerer"} and not answer.warnings
    first, second, third = (request.messages for request in model.requests)
    assert second[: len(first)] == first and third[: len(second)] == second
    assert "Order 7 went to Norway." in second[-1].content and TEXT in third[-1].content


async def test_the_trace_shows_prompt_and_attempts_but_not_what_a_model_said(
    tmp_path: Path,
) -> None:
    sure = decided("answer")
    tokens = (TokenLogprob(token=sure.text, logprob=-0.5),)
    replies = [Completion(text="hm", usage=SPENT), SEARCH, replace(sure, logprobs=tokens)]
    parts, _ = made(tmp_path, replies)
    answer = await asked(parts, tmp_path)
    spans = TraceReader(tmp_path / "traces.db").trace(answer.trace_id).spans
    plans = [span.attributes for span in spans if span.name.startswith("plan ")]
    assert [plan["fairlead.attempt"] for plan in plans] == [2, 1]
    assert [plan.get("fairlead.decision.probability") for plan in plans] == [None, 1.0]
    assert {plan["fairlead.prompt.version"] for plan in plans} == {answer.prompts["planner"]}
    hop = next(span for span in spans if span.name == "fairlead.hop 2")
    assert hop.attributes["fairlead.prompt.version"] == answer.prompts["answerer"]
    assert not any("Jane" in str(span.attributes) for span in spans)


async def test_an_unusable_model_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    parts, _ = made(tmp_path, [Completion(text="hm", usage=SPENT)] * 8)
    answer = await asked(parts, tmp_path, "How long may orders to Norway be returned?")
    assert answer.status == "answered"
    assert answer.hops[0].reason.startswith("instead of the model:")
    assert len(answer.warnings) == 1 and "made no usable decision" in answer.warnings[0]


async def test_a_draft_that_was_sent_back_is_a_step_of_its_own(tmp_path: Path) -> None:
    replies = [SEARCH, decided("answer"), decided("answer")]
    parts, model = made(tmp_path, replies, said="Orders may be returned within 90 days. [1]")
    answer = await asked(parts, tmp_path)
    assert answer.status == "abstained"
    before, after = (request.messages for request in model.requests[1:])
    assert after[: len(before)] == before and "draft sent back" in after[-1].content


@pytest.mark.parametrize(("tokens", "calls"), [(100, 1), (150, 2)])
async def test_planning_counts_against_the_budget_of_tokens(
    tmp_path: Path, tokens: int, calls: int
) -> None:
    parts, _ = made(tmp_path, [SEARCH, decided("answer")], tokens=tokens)
    answer = await asked(parts, tmp_path)
    assert answer.status == "partial" and f"{tokens} tokens" in answer.text
    assert answer.usage.model_calls == calls
