"""Reading traces: lists, one by name or beginning, live."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlead.errors import InputError, NotFound
from fairlead.tracing import Span, SpanRow, SpanStore, TraceReader, Tracing, names, traces_document

Scripted = Callable[..., Span]


def test_a_store_that_is_not_there_reads_as_empty(path: Path, reader: TraceReader) -> None:
    assert reader.traces() == []
    with pytest.raises(NotFound, match="no trace is stored yet") as caught:
        reader.trace("last")
    assert caught.value.hint
    assert not path.exists()


def test_lists_the_newest_first_for_one_tenant_or_all(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    began = datetime.now(UTC)
    roots = [scripted(tracing, run_id=f"r{n}", tenant="ab"[n % 2]) for n in range(6)]
    ids = [root.trace_id for root in reversed(roots)]
    assert [each.trace_id for each in reader.traces()] == ids
    assert [each.trace_id for each in reader.traces(limit=2)] == ids[:2]
    assert [each.run_id for each in reader.traces(tenant="a")] == ["r4", "r2", "r0"]
    assert reader.traces(tenant="nobody") == []
    newest = reader.traces()[0]
    assert (newest.status, newest.outcome, newest.hops) == ("ok", "answered", 3)
    assert newest.question == "How long may I return order 1042?"
    assert newest.name == "invoke_agent fairlead"
    assert newest.ms and newest.ms > 0
    assert began <= newest.start <= datetime.now(UTC)


def test_the_question_is_stored_only_with_content(
    store: SpanStore, reader: TraceReader, path: Path, scripted: Scripted
) -> None:
    scripted(Tracing(store=store, content=False))
    assert reader.traces()[0].question == ""
    store.close()
    assert b"order 1042" not in path.read_bytes(), "nor anywhere else in the file"


def test_finds_a_trace_by_last_id_beginning_and_run(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    roots = [scripted(tracing, run_id=run_id) for run_id in ("run-1", "run-10", "other")]
    assert reader.trace("last").trace_id == roots[2].trace_id
    assert reader.trace("run-1").trace_id == roots[0].trace_id, "an exact id before a beginning"
    assert reader.trace("oth").trace_id == roots[2].trace_id
    for root in roots:
        assert reader.trace(root.trace_id).trace_id == root.trace_id
        assert reader.trace(root.trace_id[:31]).trace_id == root.trace_id


def test_an_ambiguous_beginning_names_what_fits(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    for number in range(8):
        scripted(tracing, run_id=f"same-{number}")
    with pytest.raises(InputError, match=r"'same' fits 8 traces: same-0, same-1, .*, …") as caught:
        reader.trace("same")
    assert not isinstance(caught.value, NotFound) and caught.value.hint


def test_somebody_elses_trace_is_not_found(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    root = scripted(tracing, tenant="acme")
    assert reader.trace(root.trace_id, tenant="acme")
    for which in (root.trace_id, root.trace_id[:8], "run-1", "last"):
        with pytest.raises(NotFound):
            reader.trace(which, tenant="globex")
    with pytest.raises(NotFound, match="no trace '%'"):
        reader.trace("%")


def test_a_hosts_trace_with_two_runs_shows_the_run_that_was_asked_for(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    with tracing.span("host", {}) as host:
        first, second = (scripted(tracing, run_id=f"r{number}") for number in (1, 2))
    tracing.flush()
    assert first.trace_id == second.trace_id == host.trace_id
    for root, run in ((first, "r1"), (second, "r2")):
        trace = reader.trace(run)
        assert trace.spans[0].span_id == root.span_id
        assert {span.run_id for span in trace.spans} == {run}
    assert len(reader.trace(host.trace_id).spans) == 1 + 2 * len(reader.trace("r1").spans)
    assert [each.run_id for each in reader.traces()] == ["r2", "r1", ""]


def test_documents_have_the_public_form(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    scripted(tracing)
    document = reader.trace("last").document()
    assert document["schema"] == "fairlead.trace/1"
    names_and_parents = {"name", "span_id", "parent_span_id", "start_ns", "end_ns", "status"}
    for span in document["spans"]:
        assert names_and_parents | {"attributes"} <= span.keys()
    root, hop = document["spans"][:2]
    assert root["parent_span_id"] is None and hop["parent_span_id"] == root["span_id"]
    listed = traces_document(reader.traces())
    assert listed["schema"] == "fairlead.traces/1"
    assert listed["traces"] == [document["trace"]]
    assert document["trace"]["start"].endswith("Z")


def test_an_open_run_is_open_while_its_store_is_and_interrupted_after(
    tracing: Tracing, store: SpanStore, reader: TraceReader, scripted: Scripted
) -> None:
    scripted(tracing, ended=False)
    assert reader.traces()[0].status == "open"
    assert reader.trace("last").spans[0].ms is None
    store.close()
    assert reader.traces()[0].status == "interrupted"


def test_an_open_run_counts_the_hops_it_has(tracing: Tracing, reader: TraceReader) -> None:
    root = tracing.start(*names.invoke_agent(agent="a", run_id="r", tenant="t"))
    for index in (1, 2):
        tracing.start(*names.hop(index), parent=root)
    tracing.flush()
    assert reader.traces()[0].hops == 2


def once(reader: TraceReader, *, past: bool = False, tenant: str | None = None) -> list[SpanRow]:
    """What following yields in its first look."""
    return list(reader.follow(past=past, tenant=tenant, until=lambda: True))


def test_follows_spans_as_they_start_change_and_end(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    scripted(tracing, run_id="before")
    open_before = tracing.start("open before", {})
    tracing.flush()
    stop = threading.Event()
    seen: list[tuple[str, str, object]] = []

    def listen() -> None:
        for span in reader.follow(poll=0.002, until=stop.is_set):
            seen.append((span.name, span.status, span.attributes.get(names.DECISION)))
            arrived.release()

    arrived = threading.Semaphore(0)
    listener = threading.Thread(target=listen)
    listener.start()

    def expect(count: int) -> None:
        for _ in range(count):
            assert arrived.acquire(timeout=10)

    expect(1)
    hop = tracing.start(*names.hop(1))
    tracing.flush()
    expect(1)
    hop.set({names.DECISION: "call"})
    tracing.flush()
    expect(1)
    hop.end()
    open_before.end()
    tracing.flush()
    expect(2)
    stop.set()
    listener.join(10)
    assert seen[:3] == [
        ("open before", "open", None),
        ("fairlead.hop 1", "open", None),
        ("fairlead.hop 1", "open", "call"),
    ]
    assert sorted(seen[3:]) == [("fairlead.hop 1", "ok", "call"), ("open before", "ok", None)]


def test_following_the_past_begins_with_all_of_it(
    tracing: Tracing, reader: TraceReader, scripted: Scripted
) -> None:
    scripted(tracing, tenant="acme")
    scripted(tracing, tenant="globex")
    assert once(reader) == []
    stored = reader.trace("last").spans
    assert len(once(reader, past=True)) == 2 * len(stored)
    assert {span.tenant for span in once(reader, past=True, tenant="globex")} == {"globex"}
