"""Spans: ids, nesting, errors, hosts' providers."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import pytest
from langgraph.errors import GraphInterrupt
from opentelemetry import trace as otel
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from fairlead.errors import NotFound
from fairlead.tracing import Span, SpanLink, SpanRow, SpanStore, TraceReader, Tracing, names

ROOT = names.invoke_agent(agent="fairlead", run_id="r1", tenant="acme")


def stored(reader: TraceReader, root: Span) -> dict[str, SpanRow]:
    return {span.name: span for span in reader.trace(root.trace_id).spans}


def failed(tracing: Tracing, reader: TraceReader, error: BaseException) -> SpanRow:
    """The row of a span that ended with `error`."""
    with pytest.raises(type(error)), tracing.span("work", {}) as span:
        raise error
    tracing.flush()
    return stored(reader, span)["work"]


def host() -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


# --- nesting -------------------------------------------------------------------------------------


def test_children_hang_below_and_inherit_run_and_tenant(
    tracing: Tracing, reader: TraceReader
) -> None:
    root = tracing.start(*ROOT)
    with tracing.span("child", {}, parent=root) as child, tracing.span("grandchild", {}):
        pass
    root.end()
    tracing.flush()
    spans = stored(reader, root)
    assert len(root.trace_id) == 32 and len(root.span_id) == 16
    assert spans["child"].parent_span_id == root.span_id
    assert spans["grandchild"].parent_span_id == child.span_id
    assert {(span.run_id, span.tenant) for span in spans.values()} == {("r1", "acme")}
    assert [span.root for span in spans.values()] == [True, False, False]


def test_a_started_span_is_not_current_until_it_is_attached(tracing: Tracing) -> None:
    root = tracing.start(*ROOT)
    assert otel.get_current_span() is otel.INVALID_SPAN
    with tracing.attach(root):
        headers: dict[str, str] = {}
        inject(headers)
        assert headers["traceparent"] == f"00-{root.trace_id}-{root.span_id}-01"
    assert otel.get_current_span() is otel.INVALID_SPAN
    root.end()


async def test_tasks_nest_below_the_span_they_were_started_in(
    tracing: Tracing, reader: TraceReader
) -> None:
    async def work(number: int) -> None:
        with tracing.span(f"task {number}", {}):
            await asyncio.sleep(0.001)
            with tracing.span(f"inner {number}", {}):
                await asyncio.sleep(0)

    with tracing.span("outer", {}) as outer:
        await asyncio.gather(*(work(number) for number in range(20)))
        with tracing.span("after", {}):
            pass
    tracing.flush()
    spans = stored(reader, outer)
    assert spans["after"].parent_span_id == outer.span_id
    for number in range(20):
        assert spans[f"task {number}"].parent_span_id == outer.span_id
        assert spans[f"inner {number}"].parent_span_id == spans[f"task {number}"].span_id


def test_threads_keep_apart_and_copied_contexts_nest(tracing: Tracing, reader: TraceReader) -> None:
    def run(number: int) -> Span:
        with tracing.span(f"run {number}", {names.RUN_ID: f"r{number}"}) as root:
            for step in range(20):
                with tracing.span(f"step {step}", {}):
                    pass
        return root

    with ThreadPoolExecutor(8) as pool:
        roots = list(pool.map(run, range(16)))
    with tracing.span("outer", {}) as outer, ThreadPoolExecutor(1) as pool:
        inner = pool.submit(copy_context().run, run, 99).result()
    tracing.flush()
    assert len({root.trace_id for root in roots}) == 16
    for number, root in enumerate(roots):
        spans = reader.trace(root.trace_id).spans
        assert [span.parent_span_id for span in spans[1:]] == [root.span_id] * 20
        assert {span.run_id for span in spans} == {f"r{number}"}
    assert inner.trace_id == outer.trace_id


def test_times_of_a_run_come_from_one_clock(tracing: Tracing, reader: TraceReader) -> None:
    root = tracing.start(*ROOT)
    for number in range(50):
        with tracing.span(f"s{number}", {}, parent=root):
            pass
    root.end()
    tracing.flush()
    first, *rest = reader.trace(root.trace_id).spans
    assert first.span_id == root.span_id
    assert [span.name for span in rest] == [f"s{number}" for number in range(50)]
    for span in rest:
        assert first.end_ns and span.end_ns
        assert first.start_ns <= span.start_ns <= span.end_ns <= first.end_ns


def test_a_resumed_run_links_to_the_trace_before(tracing: Tracing, reader: TraceReader) -> None:
    before = tracing.start(*ROOT)
    link = SpanLink(before.trace_id, before.span_id)
    root = tracing.start(*ROOT, links=(link,))
    root.end()
    tracing.flush()
    assert root.trace_id != before.trace_id
    assert reader.trace(root.trace_id).spans[0].links == (link,)
    assert reader.trace("r1").trace_id == root.trace_id, "the newest trace of the run"


# --- ends ----------------------------------------------------------------------------------------


def test_nothing_changes_after_the_first_end(tracing: Tracing, reader: TraceReader) -> None:
    root = tracing.start(*ROOT)
    root.end()
    tracing.flush()
    first = reader.trace(root.trace_id)
    root.set({names.STATUS: "late"})
    root.fail("late")
    root.end()
    tracing.flush()
    assert reader.trace(root.trace_id) == first


def test_a_failure_of_ours_keeps_its_words_without_what_they_quote(
    store: SpanStore, reader: TraceReader
) -> None:
    span = failed(Tracing(store=store), reader, NotFound("no document 'salary of Ann'\nsecond"))
    assert (span.status, span.error_type) == ("error", "NotFound")
    assert span.message == "no document …"
    assert span.attributes[names.ERROR_TYPE] == "NotFound"


def test_of_a_foreign_exception_only_the_type_is_kept(
    store: SpanStore, reader: TraceReader
) -> None:
    span = failed(Tracing(store=store), reader, ValueError("the user said: my PIN is 1234"))
    assert (span.status, span.error_type, span.message) == ("error", "ValueError", "")
    assert "PIN" not in repr(span)


def test_an_interrupt_of_the_graph_is_no_error(tracing: Tracing, reader: TraceReader) -> None:
    span = failed(tracing, reader, GraphInterrupt())
    assert (span.status, span.attributes) == ("ok", {names.ENDED: "interrupted"})


async def test_a_cancelled_task_is_no_error(tracing: Tracing, reader: TraceReader) -> None:
    async def wait() -> None:
        with tracing.span("work", {}):
            await asyncio.sleep(10)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    tracing.flush()
    span = reader.trace("last").spans[0]
    assert (span.status, span.attributes) == ("ok", {names.ENDED: "cancelled"})


def test_content_is_left_out_unless_it_is_asked_for(store: SpanStore, reader: TraceReader) -> None:
    said: dict[str, names.AttributeValue] = {
        names.QUESTION: "secret",
        names.TOOL_RESULT: "secret",
        names.HOPS: 1,
    }
    for content in (False, True):
        tracing = Tracing(store=store, content=content)
        with tracing.span("work", said) as span:
            span.set(said)
        tracing.flush()
        assert stored(reader, span)["work"].attributes == (said if content else {names.HOPS: 1})


# --- the host's OpenTelemetry --------------------------------------------------------------------


def test_a_given_provider_gets_the_same_spans(store: SpanStore, reader: TraceReader) -> None:
    provider, exporter = host()
    tracing = Tracing(provider=provider, store=store)
    link = SpanLink("1" * 32, "2" * 16)
    root = tracing.start(*ROOT, links=(link,))
    with pytest.raises(ValueError, match="secret"):
        with tracing.span(*names.plan("fairlead"), kind=SpanKind.CLIENT, parent=root) as plan:
            plan.set({names.DECISION: "call"})
            raise ValueError("secret")
    root.end()
    tracing.flush()
    child, parent = exporter.get_finished_spans()
    assert parent.instrumentation_scope and parent.instrumentation_scope.name == names.SCOPE
    assert child.parent and child.parent.span_id == int(root.span_id, 16)
    assert parent.context and f"{parent.context.trace_id:032x}" == root.trace_id
    assert parent.links[0].context.trace_id == int(link.trace_id, 16)
    assert dict(child.attributes or {}) == {
        **names.plan("fairlead")[1],
        names.DECISION: "call",
        names.ERROR_TYPE: "ValueError",
    }
    assert child.status.status_code is StatusCode.ERROR and not child.events
    assert "secret" not in child.to_json()
    row = stored(reader, root)["plan fairlead"]
    assert (row.start_ns, row.end_ns) == (child.start_time, child.end_time)
    assert row.kind == "client" and child.kind is SpanKind.CLIENT


def test_a_hosts_current_span_is_the_parent(store: SpanStore, reader: TraceReader) -> None:
    provider, _ = host()
    tracing = Tracing(provider=provider, store=store)
    with provider.get_tracer("host").start_as_current_span("request") as request:
        root = tracing.start(*ROOT)
        with tracing.attach(root), provider.get_tracer("host").start_as_current_span("between"):
            with tracing.span("inner", {}):
                pass
        root.end()
    tracing.flush()
    spans = stored(reader, root)
    assert int(root.trace_id, 16) == request.get_span_context().trace_id
    assert int(spans[ROOT[0]].parent_span_id, 16) == request.get_span_context().span_id
    assert spans[ROOT[0]].root
    assert spans["inner"].parent_span_id == root.span_id, "the local tree has no gaps"


def test_what_the_host_samples_out_is_stored_all_the_same(
    store: SpanStore, reader: TraceReader
) -> None:
    tracing = Tracing(provider=TracerProvider(sampler=ALWAYS_OFF), store=store)
    with tracing.span(*ROOT) as root, tracing.span("inner", {names.HOPS: 1}):
        pass
    tracing.flush()
    spans = stored(reader, root)
    assert spans["inner"].parent_span_id == root.span_id
    assert spans["inner"].attributes == {names.HOPS: 1}


def test_a_hosts_failing_processor_does_not_cost_the_stored_span(
    store: SpanStore, reader: TraceReader
) -> None:
    class Failing(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise ConnectionError(span.name)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Failing())
    tracing = Tracing(provider=provider, store=store)
    span = tracing.start("work", {})
    with pytest.raises(ConnectionError):
        span.end()
    tracing.flush()
    assert stored(reader, span)["work"].status == "ok"


def test_a_provider_that_makes_no_ids_does_not_cost_the_trace(
    store: SpanStore, reader: TraceReader
) -> None:
    class Quiet(otel.TracerProvider):
        def get_tracer(self, *args: object, **kwargs: object) -> otel.Tracer:
            return otel.NoOpTracer()

    for provider in (Quiet(), otel.NoOpTracerProvider()):
        tracing = Tracing(provider=provider, store=store)
        with tracing.span(*ROOT) as root, tracing.span("inner", {}) as inner:
            assert otel.get_current_span().get_span_context().span_id == int(inner.span_id, 16)
        tracing.flush()
        assert stored(reader, root)["inner"].parent_span_id == root.span_id


def test_without_a_host_nothing_global_is_set(tracing: Tracing) -> None:
    with tracing.span(*ROOT):
        pass
    assert isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider)


GLOBAL = """
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from fairlead.tracing import Tracing
early = Tracing()
with early.span("before", {}):
    pass
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
processors = provider._active_span_processor._span_processors
trace.set_tracer_provider(provider)
for tracing in (early, Tracing()):
    with tracing.span("after", {}):
        pass
    tracing.close()
assert provider._active_span_processor._span_processors == processors
with trace.get_tracer("host").start_as_current_span("still alive"):
    pass
print([span.name for span in exporter.get_finished_spans()])
"""


def test_a_hosts_global_provider_is_used_and_left_alone() -> None:
    """In a process of its own: a global provider can be set once."""
    ran = subprocess.run(
        [sys.executable, "-c", GLOBAL], capture_output=True, text=True, check=False
    )
    assert ran.stdout == "['after', 'after', 'still alive']\n", ran.stderr


def test_close_gives_up_on_a_slow_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.tracing.spans.CLOSE_SECONDS", 0.05)
    tracing = Tracing(store=SpanStore(tmp_path / "traces.db"))
    stuck = threading.Event()

    class Slow(TracerProvider):
        def shutdown(self) -> None:
            stuck.wait(10)

    tracing._own = Slow(shutdown_on_exit=False)
    tracing.close()
    assert not stuck.is_set()
    stuck.set()
