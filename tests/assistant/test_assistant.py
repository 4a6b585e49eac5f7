"""The embedding API beyond a single question: who asks, streams, searches, settings, providers."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fairlead import Assistant, Document, Principal, Settings
from fairlead.agents import ScriptedPlanner
from fairlead.decisions import AnyDecision, Stop, View
from fairlead.errors import InputError, Refused, SettingsError

TEA = Document(id="tea", title="Tea", text="Green tea is brewed at 70 degrees for two minutes.")


def values(folder: Path, **more: Any) -> dict[str, Any]:
    return {"storage": {"path": str(folder)}, "retrieval": {"embedder": "none"}, **more}


async def test_who_asks(tmp_path: Path) -> None:
    planner = ScriptedPlanner(lambda view: Stop(why="x"))
    acme = Principal(tenant="acme", subject="ann")
    async with Assistant.open(values(tmp_path), planner=planner, principal=acme) as assistant:
        await assistant.ask("a?", thread="t")
        assert (await assistant.resume("t", principal=acme)).text == "x"
        await assistant.ask("a?", tenant="acme", principal=acme)
        with pytest.raises(Refused, match="not the principal's tenant"):
            await assistant.ask("a?", tenant="other", principal=acme)
        names: Any = ("No Such", "", 3, ["acme"])
        for name in names:
            with pytest.raises(InputError, match="not a valid name"):
                await assistant.ask("a?", tenant=name)
        result = await assistant.graph.ainvoke(
            {"question": "a?"}, {"configurable": {"thread_id": "g"}}
        )
        assert result["answer"].text == "x", "the principal given to open"


@pytest.mark.parametrize("thread", ["", "x" * 129, "a\nb"])
async def test_a_threads_name_is_printable(tmp_path: Path, thread: str) -> None:
    async with Assistant.open(values(tmp_path)) as assistant:
        with pytest.raises(InputError, match="thread"):
            await assistant.ask("a?", thread=thread)


async def test_a_deadline_is_seconds_or_a_timedelta(tmp_path: Path) -> None:
    async def slow(view: View) -> AnyDecision:
        await asyncio.sleep(30)
        return Stop(why="never")

    class Planner:
        plan = staticmethod(slow)

    async with Assistant.open(values(tmp_path), planner=Planner()) as assistant:
        for deadline in (0.05, timedelta(milliseconds=50)):
            assert (await assistant.ask("a?", deadline=deadline)).status == "partial"
        with pytest.raises(InputError, match="deadline"):
            await assistant.ask("a?", deadline=0)


async def test_leaving_a_stream_cancels_the_run(tmp_path: Path) -> None:
    cancelled = asyncio.Event()

    class Planner:
        async def plan(self, view: View) -> AnyDecision:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return Stop(why="never")

    async with Assistant.open(values(tmp_path), planner=Planner()) as assistant:
        stream = assistant.stream("a?", thread="t")
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait({waiting})
        await asyncio.wait_for(cancelled.wait(), 2)
        with pytest.raises(InputError):
            _ = [event async for event in assistant.stream("")]


async def test_searching_and_what_it_found(tmp_path: Path) -> None:
    async with Assistant.open(values(tmp_path)) as assistant:
        report = await assistant.ingest([TEA], tenant="acme")
        assert report.documents["added"] == 1
        (passage,) = await assistant.search("green tea", tenant="acme", mode="sparse")
        assert (passage.rank, passage.document_id, passage.label.integrity) == (
            1,
            "tea",
            "untrusted",
        )
        assert TEA.text[passage.start : passage.end] == passage.text
        assert await assistant.search("green tea", tenant="other") == []
        with pytest.raises(InputError):
            await assistant.search(" ", tenant="acme")


async def test_the_embedded_default_answers_with_an_exact_citation(tmp_path: Path) -> None:
    async with Assistant.open({"storage": {"path": str(tmp_path)}}) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        answer = await assistant.ask("At how many degrees is green tea brewed?", tenant="acme")
    assert answer.status == "answered" and "70 degrees" in answer.text
    assert answer.route.model == "embedded"
    for citation in answer.citations:
        assert citation.quote in TEA.text
        assert answer.text[citation.start : citation.end] == citation.quote


async def test_settings_come_in_every_form(tmp_path: Path) -> None:
    file = tmp_path / "fairlead.toml"
    file.write_text('[storage]\npath = "kept"\n[retrieval]\nembedder = "none"\n')
    async with Assistant.open(file):
        assert (tmp_path / "kept" / "runs.db").exists()
    ready = Settings.model_validate(values(tmp_path / "ready", telemetry={"store": "off"}))
    async with Assistant.open(ready) as assistant:
        await assistant.ask("hello")
        assert not (tmp_path / "ready" / "traces.db").exists()
    with pytest.raises(SettingsError, match="unknown setting"):
        async with Assistant.open({"budget": {}}):
            pass


async def test_a_langchain_model_by_settings_alone(tmp_path: Path) -> None:
    model = {
        "provider": "langchain:langchain_core.language_models:FakeListChatModel",
        "options": {"responses": ["Green tea is brewed at 70 degrees [1]."]},
    }
    async with Assistant.open(values(tmp_path, model=model)) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        answer = await assistant.ask("How is green tea brewed?", tenant="acme")
    assert answer.text == "Green tea is brewed at 70 degrees."
    assert answer.route.model == FakeListChatModel.__name__
    assert answer.usage.model_calls == 1


async def test_a_hosts_provider_gets_the_same_spans(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Assistant.open(values(tmp_path), tracer_provider=provider) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        with provider.get_tracer("host").start_as_current_span("request") as request:
            answer = await assistant.ask("How is green tea brewed?", tenant="acme")
    spans = {span.name: span for span in exporter.get_finished_spans()}
    root = spans["invoke_agent fairlead"]
    assert root.parent is not None and root.parent.span_id == request.get_span_context().span_id
    assert root.context is not None and f"{root.context.trace_id:032x}" == answer.trace_id
    assert root.instrumentation_scope is not None and root.instrumentation_scope.name == "fairlead"
    assert {"fairlead.hop 1", "retrieval default", "hybrid default"} <= set(spans)


async def test_vectors_and_store_are_siblings_below_the_retrieval(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    embedded = values(tmp_path, retrieval={"embedder": "default"})
    async with Assistant.open(embedded, tracer_provider=provider) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        exporter.clear()
        await assistant.search("tea", tenant="acme")
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans if span.context}
    above = {span.name: names.get(span.parent.span_id) for span in spans if span.parent}
    assert {"hybrid default", "embeddings all-MiniLM-L6-v2-int8"} <= set(above)
    assert set(above.values()) == {"retrieval default"}  # stages, side by side
