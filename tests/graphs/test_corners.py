"""Corners of the machine that a run seldom turns."""

from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from fairlead import Principal, tool
from fairlead.agents import ModelAnswerer, ScriptedPlanner
from fairlead.decisions import AnswerNow, AnyDecision, Call, Stop, View
from fairlead.errors import Unavailable
from fairlead.graphs import (
    Checkpoints,
    Parts,
    State,
    admit_node,
    answer_node,
    build_machine,
    call_node,
    checkpoints,
    fuse,
    guard_node,
    journey,
    plan_node,
    verify_node,
)
from fairlead.graphs.state import Input, Output
from fairlead.reports import CollectionInfo
from fairlead.schema import ToolCall
from fairlead.serving import ScriptedModel
from fairlead.settings import Settings
from fairlead.tools import Journal, Toolbox
from fairlead.tracing import SpanStore, TraceReader, Tracing

PLACE: Any = {"configurable": {"thread_id": "t", "fairlead_principal": Principal(tenant="acme")}}


class Nothing:
    async def collections(self, tenant: str) -> tuple[CollectionInfo, ...]:
        return ()


@tool(effect="send")
async def ring(times: int) -> str:
    """Rings a bell.

    Args:
        times: How often.
    """
    return f"The bell rang {times} times."


def parts_of(folder: Path, planner: Any, journal: Journal | None = None) -> Parts:
    return Parts(
        planner=planner,
        answerer=ModelAnswerer(ScriptedModel(lambda request: "The bell rang 2 times [1].")),
        searcher=Nothing(),  # type: ignore[arg-type]  # never asked to search
        tools=Toolbox([ring], journal=journal),
        tracing=Tracing(store=SpanStore(folder / "traces.db")),
        settings=Settings.model_validate({"policy": {"allow": ["ring"]}}),
    )


def split(parts: Parts, **compiled: Any) -> Any:
    """A host's machine: call and guard fused, or apart where it halts between them."""
    apart = compiled.get("interrupt_before") == ["guard"]
    graph = StateGraph(State, input_schema=Input, output_schema=Output)
    graph.add_node("admit", admit_node(parts))
    graph.add_node("plan", plan_node(parts), destinations=("call", "answer"))
    if apart:
        graph.add_node("call", call_node(parts))
        graph.add_node("guard", guard_node(parts))
        graph.add_edge("call", "guard")
    else:
        graph.add_node("call", fuse(call_node(parts), guard_node(parts)))
    graph.add_edge("guard" if apart else "call", "plan")
    graph.add_node("answer", answer_node(parts))
    graph.add_node("verify", verify_node(parts), destinations=("plan", END))
    for here, there in (
        (START, "admit"),
        ("admit", "plan"),
        ("answer", "verify"),
    ):
        graph.add_edge(here, there)
    return graph.compile(checkpointer=InMemorySaver(), **compiled)


RING = Call(calls=(ToolCall(tool="ring", arguments={"times": 2}),), reason="ring")


async def test_a_hosts_machine_and_what_an_abandoned_turn_leaves_behind(tmp_path: Path) -> None:
    script = [RING, AnswerNow(), RING, AnswerNow()]
    parts = parts_of(tmp_path, ScriptedPlanner(script))
    machine = split(parts, interrupt_before=["verify"])
    await machine.ainvoke({"question": "Ring twice"}, PLACE)
    assert (await machine.aget_state(PLACE)).values["draft"].text == "The bell rang 2 times."
    await machine.ainvoke({"question": "Ring twice more"}, PLACE)
    result = await machine.ainvoke(None, PLACE)
    assert result["answer"].status == "answered"
    assert [hop.index for hop in result["answer"].hops] == [1, 2]
    parts.tracing.close()


async def test_what_was_found_before_an_abandoned_guard_is_dropped(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, ScriptedPlanner([RING, Stop(why="no")]))
    machine = split(parts, interrupt_before=["guard"])
    await machine.ainvoke({"question": "Ring twice"}, PLACE)
    assert (await machine.aget_state(PLACE)).values["found"].outputs
    result = await machine.ainvoke({"question": "Never mind"}, PLACE)
    assert result["answer"].text == "no"
    assert (await machine.aget_state(PLACE)).values["found"] is None
    parts.tracing.close()


async def test_an_error_keeps_the_trace_that_it_names(tmp_path: Path) -> None:
    async def plan(view: View) -> AnyDecision:
        raise Unavailable("elsewhere", trace_id="0" * 32)

    class Planner:
        pass

    planner = Planner()
    planner.plan = plan  # type: ignore[attr-defined]  # a planner is anything that plans
    parts = parts_of(tmp_path, planner)
    with pytest.raises(Unavailable) as caught:
        await build_machine(parts).ainvoke({"question": "Well?"}, PLACE)
    assert caught.value.trace_id == "0" * 32
    parts.tracing.close()


async def test_an_interrupt_is_no_failure_and_can_be_resumed(tmp_path: Path) -> None:
    async def plan(view: View) -> AnyDecision:
        return Stop(why=f"They said {interrupt('Go on?')}.")

    class Planner:
        pass

    planner = Planner()
    planner.plan = plan  # type: ignore[attr-defined]  # a planner is anything that plans
    parts = parts_of(tmp_path, planner)
    machine = build_machine(parts, Checkpoints(tmp_path / "runs.db"))
    halted = await machine.ainvoke({"question": "Well?"}, PLACE)
    assert halted["__interrupt__"][0].value == "Go on?"
    result = await machine.ainvoke(Command(resume="yes"), PLACE)
    assert result["answer"].text == "They said yes."
    parts.tracing.close()
    for summary in TraceReader(tmp_path / "traces.db").traces():
        spans = TraceReader(tmp_path / "traces.db").trace(summary.trace_id).spans
        assert all(span.status != "error" for span in spans)


async def test_a_replayed_effect_says_so(tmp_path: Path) -> None:
    class Forgetful(Toolbox):
        """Asks the journal twice for each call, as a run does that was resumed in between."""

        async def call(self, call: ToolCall, principal: Principal, **given: Any) -> Any:
            await super().call(call, principal, **given)
            return await super().call(call, principal, **given)

    journal = Journal(tmp_path / "journal.db")
    made = parts_of(tmp_path, ScriptedPlanner([RING, AnswerNow()]), journal)
    parts = Parts(**{**vars(made), "tools": Forgetful([ring], journal=journal)})
    answer = (await build_machine(parts).ainvoke({"question": "Ring twice"}, PLACE))["answer"]
    assert answer.hops[0].detail == "ring ok, answered by the journal"
    parts.tracing.close()
    journal.close()
    spans = TraceReader(tmp_path / "traces.db").trace("last").spans
    assert any(span.attributes.get("fairlead.tool.replayed") for span in spans)


async def test_a_run_that_its_host_never_finishes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "KEPT", 1)
    parts = parts_of(tmp_path, ScriptedPlanner(lambda view: RING))
    machine = build_machine(parts)
    for thread in ("a", "b"):
        place: Any = {"configurable": {**PLACE["configurable"], "thread_id": thread}}
        async for _ in machine.astream({"question": "Ring"}, place, stream_mode="updates"):
            break
    parts.tracing.flush()
    statuses = [each.status for each in TraceReader(tmp_path / "traces.db").traces()]
    assert "error" in statuses
    parts.tracing.close()


async def test_the_saver_forgets_threads_and_finds_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "THREADS_REMEMBERED", 1)
    saver = Checkpoints(tmp_path / "runs.db")
    parts = parts_of(tmp_path, ScriptedPlanner(lambda view: Stop(why=str(len(view.history)))))
    machine = build_machine(parts, saver)
    for turn in range(2):
        for thread in ("a", "b"):
            place: Any = {"configurable": {**PLACE["configurable"], "thread_id": thread}}
            result = await machine.ainvoke({"question": "Well?"}, place)
            assert result["answer"].text == str(turn)
    with pytest.raises(ValueError, match="needs a config"):
        _ = [item async for item in saver.alist(None)]
    lost: Any = {"configurable": {**PLACE["configurable"], "checkpoint_id": "no-such-parent"}}
    assert saver._homes(saver._key(lost), "no-such-parent") == {}
    parts.tracing.close()
    saver.close()


async def test_leaving_one_thread_leaves_the_others_alone(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, ScriptedPlanner(lambda view: RING))
    machine = build_machine(parts)
    for thread in ("a", "b"):
        place: Any = {"configurable": {**PLACE["configurable"], "thread_id": thread}}
        async for _ in machine.astream({"question": "Ring"}, place, stream_mode="updates"):
            break
    parts.journeys.leave("acme", "a")
    parts.tracing.flush()
    spans = TraceReader(tmp_path / "traces.db")
    roots = [spans.trace(each.trace_id).spans[0] for each in spans.traces()]
    assert sorted(bool(root.end_ns) for root in roots) == [False, True]
    parts.tracing.close()
