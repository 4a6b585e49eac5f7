"""Runs that are left half-way in the same process, and taken up again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fairlead import Answer, Assistant, Principal
from fairlead.agents import ScriptedPlanner
from fairlead.decisions import AnyDecision, Call, Stop, View
from fairlead.schema import ToolCall

QUESTION = "What time is it?"
CLOCK = Call(calls=(ToolCall(tool="clock"),), reason="look")


def values(folder: Path) -> dict[str, Any]:
    return {"storage": {"path": str(folder)}, "retrieval": {"embedder": "none"}}


def twice(view: View) -> AnyDecision:
    return CLOCK if len(view.hops) < 2 else Stop(why="seen", reason="enough")


async def leave(assistant: Assistant, events: int, **options: Any) -> None:
    stream = assistant.stream(QUESTION, thread="t", **options)
    for _ in range(events):
        await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # every stream is a generator


@pytest.mark.parametrize("events", range(1, 6))
async def test_a_stream_that_was_left_can_be_taken_up_by_another(
    tmp_path: Path, events: int
) -> None:
    async with Assistant.open(values(tmp_path), planner=ScriptedPlanner(twice)) as assistant:
        await leave(assistant, events)
        heard = [event async for event in assistant.stream(QUESTION, thread="t")]
    assert heard[-1].kind == "done"
    answer = heard[-1].data["answer"]
    assert isinstance(answer, Answer) and answer.text == "seen"


@pytest.mark.parametrize("events", range(1, 6))
async def test_every_span_of_a_run_that_was_left_ends(tmp_path: Path, events: int) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Assistant.open(
        values(tmp_path), planner=ScriptedPlanner(twice), tracer_provider=provider
    ) as assistant:
        await leave(assistant, events)
        ended = {span.name: dict(span.attributes or {}) for span in exporter.get_finished_spans()}
    assert ended["invoke_agent fairlead"]["fairlead.ended"] == "cancelled"


async def test_the_time_of_a_run_that_was_left_begins_anew(tmp_path: Path) -> None:
    async with Assistant.open(values(tmp_path), planner=ScriptedPlanner(twice)) as assistant:
        await leave(assistant, 3, deadline=0.2)
        await asyncio.sleep(0.25)
        assert (await assistant.ask(QUESTION, thread="t")).text == "seen"


async def test_a_run_that_the_graph_began_is_streamed_to_its_end(tmp_path: Path) -> None:
    principal = Principal(tenant="acme")
    async with Assistant.open(values(tmp_path), planner=ScriptedPlanner(twice)) as assistant:
        place: Any = {"configurable": {"thread_id": "t", "fairlead_principal": principal}}
        updates: Any = assistant.graph.astream({"question": QUESTION}, place, stream_mode="updates")
        await anext(updates)
        await updates.aclose()
        heard = [e async for e in assistant.stream(QUESTION, thread="t", principal=principal)]
    assert heard[-1].kind == "done"
