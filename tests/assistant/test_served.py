"""A whole run by a served model: it plans, calls and answers over HTTP, by settings alone."""

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead import Assistant, Document, tool
from fairlead.tracing import TraceReader
from tests.serving.remote.protocol import ChatServer, Connection, Seen, answered, reply

TEA = Document(id="tea", title="Tea", text="Green tea is brewed at 70 degrees for two minutes.")
RETRIEVE = {"kind": "retrieve", "reason": "It may stand there.", "queries": ["green tea"]}
CALL = {
    "kind": "call",
    "reason": "The order says it.",
    "calls": [{"tool": "find_order", "arguments": {"order_id": 1042}}],
}
ANSWER = {"kind": "answer", "reason": "Both are known."}
SAID = "Green tea is brewed at 70 degrees [1]. The order is on its way [2]."


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as made:
        yield made


@tool(effect="read")
async def find_order(order_id: int) -> str:
    """Finds an order."""
    return f"Order {order_id}: The order is on its way."


def says(*texts: object) -> Any:
    """One text after the other, whoever asks."""
    left = [text if isinstance(text, str) else json.dumps(text) for text in texts]

    async def act(connection: Connection, seen: Seen) -> None:
        await reply(body=answered(left.pop(0)))(connection, seen)

    return act


def settings(path: Path, url: str) -> dict[str, Any]:
    return {
        "storage": {"path": str(path)},
        "retrieval": {"embedder": "none"},
        "model": {"provider": "vllm", "url": url, "name": "base", "pause_seconds": 0.1},
        "routes": {"planner": {"model": "base"}, "answer": {"model": "base"}},
    }


async def ask(server: ChatServer, path: Path) -> Any:
    async with Assistant.open(settings(path, server.url), tools=[find_order]) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        return await assistant.ask(
            "At how many degrees is green tea brewed, and where is order 1042?",
            tenant="acme",
            thread="t",
        )


async def test_plan_retrieve_call_answer(server: ChatServer, tmp_path: Path) -> None:
    server.always = says(RETRIEVE, CALL, ANSWER, SAID)
    answer = await ask(server, tmp_path)
    assert answer.status == "answered" and answer.warnings == ()
    assert [hop.kind for hop in answer.hops] == ["retrieve", "call", "answer"]
    assert answer.hops[1].reason == "“The order says it.”"
    assert {citation.kind for citation in answer.citations} == {"document", "tool"}
    assert answer.usage.model_calls == 4 and answer.usage.input_tokens == 36
    bodies = [seen.body for seen in server.seen]
    kinds = {
        branch["properties"]["kind"]["const"]
        for branch in bodies[0]["structured_outputs"]["json"]["anyOf"]
    }
    assert {"retrieve", "call", "answer"} <= kinds
    for earlier, later in itertools.pairwise(bodies[:3]):  # the cache of prompts hits
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
    assert len({body["cache_salt"] for body in bodies}) == 1
    spans = TraceReader(tmp_path / "traces.db").trace(answer.trace_id).spans
    named = {span.span_id: span.name for span in spans}
    asked = [span for span in spans if span.name == "chat base"]
    assert [named[span.parent_span_id].split(" ")[0] for span in asked[:3]] == ["plan"] * 3
    assert [span.attributes["fairlead.route"] for span in asked] == ["planner"] * 3 + ["answer"]


async def test_an_unusable_decision_is_sent_back_once(server: ChatServer, tmp_path: Path) -> None:
    wrong = {"kind": "call", "reason": "x", "calls": [{"tool": "refund", "arguments": {}}]}
    server.always = says(wrong, RETRIEVE, CALL, ANSWER, SAID)
    answer = await ask(server, tmp_path)
    assert answer.status == "answered"
    again = server.seen[1].body["messages"]
    assert "refund" in again[-2]["content"] and "Decide again" in again[-1]["content"]
    assert answer.usage.model_calls == 5


async def test_the_embedded_planner_stands_in_and_it_is_said(
    server: ChatServer, tmp_path: Path
) -> None:
    server.always = says("no JSON", "still none", *["no"] * 20)
    answer = await ask(server, tmp_path)
    assert any("the embedded default planned instead" in said for said in answer.warnings)
    assert all("instead of the model" in hop.reason for hop in answer.hops)


async def test_a_model_that_is_away_loses_no_run(server: ChatServer, tmp_path: Path) -> None:
    server.always = reply(503, {})
    answer = await ask(server, tmp_path)
    assert answer.status == "answered" and answer.route.model == "embedded"
    assert "70 degrees" in answer.text
    assert sum("503" in said or "left alone" in said for said in answer.warnings) >= 1
