"""The machine with real guards, tools, checkpoints and spans, and a scripted planner."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead import Assistant, Principal, tool
from fairlead.agents import ScriptedPlanner
from fairlead.decisions import AnswerNow, AnyDecision, Ask, Call, Retrieve, Stop, View
from fairlead.errors import InputError, Refused, ThreadBusy
from fairlead.graphs import Checkpoints
from fairlead.schema import Document, ToolCall
from fairlead.serving import ScriptedModel
from fairlead.tracing import TraceReader

DOCUMENT = Document(
    id="returns",
    title="Returns",
    source="returns.md",
    text="Parcels may be returned within 30 days. A refund takes five working days.\n",
)


@tool(effect="read")
async def find_order(order_id: int) -> str:
    """Finds an order.

    Args:
        order_id: The order's number.
    """
    return f"Order {order_id} was delivered on 3 May."


SENT: list[str] = []


@tool(effect="send")
async def email(to: str, subject: str) -> str:
    """Sends an e-mail."""
    SENT.append(to)
    return "sent"


def call(name: str, **arguments: Any) -> Call:
    return Call(calls=(ToolCall(tool=name, arguments=arguments),), reason=f"call {name}")


@asynccontextmanager
async def opened(
    folder: Path, script: Any, *, said: Any = "It was delivered on 3 May [1].", **settings: Any
) -> AsyncIterator[Assistant]:
    values: Mapping[str, Any] = {
        "storage": {"path": str(folder)},
        "retrieval": {"embedder": "none"},
        **settings,
    }
    planner = ScriptedPlanner(script)
    model = ScriptedModel(said if callable(said) else lambda request: said)
    async with Assistant.open(
        values, tools=[find_order, email], model=model, planner=planner
    ) as assistant:
        await assistant.ingest([DOCUMENT], tenant="acme")
        yield assistant


async def test_a_turn_from_tool_to_cited_answer(tmp_path: Path) -> None:
    script = [call("find_order", order_id=1042), AnswerNow(reason="known")]
    async with opened(tmp_path, script) as assistant:
        answer = await assistant.ask("Where is order 1042?", tenant="acme", thread="t")
    assert answer.status == "answered"
    assert answer.text == "It was delivered on 3 May."
    assert [hop.kind for hop in answer.hops] == ["call", "answer"]
    assert [hop.index for hop in answer.hops] == [1, 2]
    assert answer.citations[0].kind == "tool"
    assert answer.citations[0].quote in "Order 1042 was delivered on 3 May."
    assert answer.usage.tool_calls == 1
    assert answer.route.model == "scripted"
    trace = TraceReader(tmp_path / "traces.db").trace(answer.trace_id)
    spans = [span.name for span in trace.spans]
    for name in ("invoke_agent fairlead", "fairlead.hop 1", "execute_tool find_order"):
        assert name in spans
    assert any(name.startswith("apply_guardrail") for name in spans)
    assert {hop.span_id for hop in answer.hops} <= {span.span_id for span in trace.spans}


async def test_a_decision_is_durable_before_its_calls_are_made(tmp_path: Path) -> None:
    durable: list[tuple[int, int]] = []

    @tool(effect="read")
    async def peek(number: int) -> str:
        """Looks at what another process would find now."""
        saver = Checkpoints(tmp_path / "runs.db", principal=Principal(tenant="acme"))
        held = saver.get_tuple({"configurable": {"thread_id": "t"}})
        saver.close()
        assert held is not None
        values = held.checkpoint["channel_values"]
        (decided,) = values["decision"].calls
        durable.append((decided.arguments["number"], len(values["progress"].hops)))
        return f"seen {number}"

    script = [call("peek", number=1), call("peek", number=2), AnswerNow(reason="seen")]
    values = {"storage": {"path": str(tmp_path)}, "retrieval": {"embedder": "none"}}
    planner = ScriptedPlanner(script)
    async with Assistant.open(values, tools=[peek], planner=planner) as assistant:
        await assistant.ask("What is there?", tenant="acme", thread="t")
    assert durable == [(1, 0), (2, 1)]


async def test_document_quotes_are_read_again_from_the_store(tmp_path: Path) -> None:
    script = [Retrieve(queries=("return parcels",)), AnswerNow()]
    said = "Parcels may be returned within 30 days [1]."
    async with opened(tmp_path, script, said=said) as assistant:
        answer = await assistant.ask("How long may I return?", tenant="acme")
    citation = answer.citations[0]
    assert citation.quote in DOCUMENT.text
    assert citation.document_id == "returns" and citation.source == "returns.md"
    assert answer.text[citation.start : citation.end].startswith("Parcels may be returned")


async def test_an_unsupported_draft_goes_back_once_then_abstains(tmp_path: Path) -> None:
    script = [Retrieve(queries=("return",)), AnswerNow(), AnswerNow()]
    said = "The moon is 384,400 km away [1]."
    async with opened(tmp_path, script, said=said) as assistant:
        answer = await assistant.ask("How long may I return?", tenant="acme")
    assert answer.status == "abstained"
    assert "moon" not in answer.text and not answer.citations
    assert [hop.kind for hop in answer.hops] == ["retrieve", "answer", "answer"]
    assert any("dropped" in warning for warning in answer.warnings)


async def test_asking_back_and_stopping(tmp_path: Path) -> None:
    script = [Ask(question="Which order?"), Stop(why="That is beyond me.")]
    async with opened(tmp_path, script) as assistant:
        asking = await assistant.ask("Where is it?", tenant="acme", thread="t")
        stopped = await assistant.ask("Well?", tenant="acme", thread="t")
    assert (asking.status, asking.text) == ("asking", "Which order?")
    assert (stopped.status, stopped.text) == ("abstained", "That is beyond me.")


async def test_an_effect_needs_the_policys_leave(tmp_path: Path) -> None:
    SENT.clear()
    script = [call("email", to="a@b.example", subject="hi"), Stop(why="no")]
    async with opened(tmp_path / "a", script) as assistant:
        refused = await assistant.ask("Mail a@b.example", tenant="acme")
    assert refused.status == "refused" and "email" in refused.text
    assert not SENT
    script = [call("email", to="a@b.example", subject="hi"), AnswerNow()]
    async with opened(
        tmp_path / "b", script, said="It was sent [1].", policy={"allow": ["email"]}
    ) as assistant:
        allowed = await assistant.ask("Mail a@b.example", tenant="acme")
    assert SENT == ["a@b.example"] and allowed.status == "answered"


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ({"hops": 3}, "3 hops"),
        ({"tool_calls": 2}, "2 tool calls"),
        ({"seconds": 0.3}, "0.3 seconds"),
    ],
)
async def test_a_budget_ends_in_a_stated_partial_answer(
    tmp_path: Path, budgets: dict[str, float], said: str
) -> None:
    async def endless(view: View) -> AnyDecision:
        await asyncio.sleep(0.05)
        return call("find_order", order_id=len(view.hops))

    class Planner:
        plan = staticmethod(endless)

    values = {
        "storage": {"path": str(tmp_path)},
        "retrieval": {"embedder": "none"},
        "budgets": budgets,
    }
    model = ScriptedModel(lambda request: "It was delivered on 3 May [1].")
    async with Assistant.open(values, tools=[find_order], planner=Planner(), model=model) as it:
        answer = await it.ask("Where?", tenant="acme")
    assert answer.status == "partial"
    assert f"the budget of {said} is used up" in answer.text
    assert len(answer.hops) <= 12


async def test_a_slow_tool_ends_with_the_deadline(tmp_path: Path) -> None:
    @tool(effect="read")
    async def slow() -> str:
        """Takes its time."""
        await asyncio.sleep(30)
        return "never"

    planner = ScriptedPlanner([call("slow"), AnswerNow()])
    values = {"storage": {"path": str(tmp_path)}, "retrieval": {"embedder": "none"}}
    async with Assistant.open(values, tools=[slow], planner=planner) as assistant:
        async with asyncio.timeout(5):
            answer = await assistant.ask("Go", tenant="acme", deadline=0.2)
    assert answer.status == "partial"


async def test_events_arrive_in_order_and_end_with_the_answer(tmp_path: Path) -> None:
    script = [call("find_order", order_id=1), AnswerNow()]
    async with opened(tmp_path, script) as assistant:
        events = [event async for event in assistant.stream("Where?", tenant="acme")]
    kinds = [event.kind for event in events]
    assert kinds[:3] == ["hop_started", "hop_finished", "hop_started"]
    assert kinds[-1] == "done" and kinds[-2] == "usage"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    answer = events[-1].data["answer"]
    assert "".join(str(e.data["text"]) for e in events if e.kind == "token") == answer.text  # type: ignore[attr-defined]  # data is untyped by nature
    assert len({event.trace_id for event in events}) == 1


async def test_a_thread_takes_one_question_at_a_time(tmp_path: Path) -> None:
    async def slow(view: View) -> AnyDecision:
        await asyncio.sleep(0.2)
        return Stop(why="done")

    class Planner:
        plan = staticmethod(slow)

    values = {"storage": {"path": str(tmp_path)}, "retrieval": {"embedder": "none"}}
    async with Assistant.open(values, planner=Planner()) as assistant:
        first = asyncio.create_task(assistant.ask("a?", tenant="acme", thread="t"))
        await asyncio.sleep(0.05)
        with pytest.raises(ThreadBusy):
            await assistant.ask("b?", tenant="acme", thread="t")
        other = await assistant.ask("b?", tenant="other", thread="t")
        assert other.text == "done" and (await first).text == "done"


async def test_the_graph_is_refused_without_a_principal(tmp_path: Path) -> None:
    async with opened(tmp_path, [Stop(why="x")]) as assistant:
        with pytest.raises(Refused):
            await assistant.graph.ainvoke({"question": "a?"}, {"configurable": {"thread_id": "t"}})
        place = {"thread_id": "t", "fairlead_principal": Principal(tenant="acme")}
        result = await assistant.graph.ainvoke({"question": "a?"}, {"configurable": place})
        assert result["answer"].text == "x"


@pytest.mark.parametrize("question", ["", "   ", "a\0b", "\ud800", "x" * 32_001])
async def test_a_bad_question_changes_nothing(tmp_path: Path, question: str) -> None:
    async with opened(tmp_path, [Stop(why="x")]) as assistant:
        with pytest.raises(InputError):
            await assistant.ask(question, tenant="acme", thread="t")
        place = {"thread_id": "t", "fairlead_principal": Principal(tenant="acme")}
        assert not (await assistant.graph.aget_state({"configurable": place})).values
