"""A store in an empty folder, and a run with scripted hops."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.tracing import Span, SpanStore, TraceReader, Tracing, names

Scripted = Callable[..., Span]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def store(path: Path) -> Iterator[SpanStore]:
    opened = SpanStore(path)
    yield opened
    opened.close()


@pytest.fixture
def tracing(store: SpanStore) -> Tracing:
    return Tracing(store=store, content=True)


@pytest.fixture
def reader(path: Path) -> TraceReader:
    return TraceReader(path)


@pytest.fixture
def scripted() -> Scripted:
    """A function that records a run of three hops and returns its root, open or ended."""
    return scripted_run


def scripted_run(
    tracing: Tracing, *, run_id: str = "run-1", tenant: str = "acme", ended: bool = True
) -> Span:
    name, attributes = names.invoke_agent(
        agent="fairlead", run_id=run_id, tenant=tenant, conversation_id="desk-4"
    )
    root = tracing.start(name, attributes)
    root.set({names.QUESTION: "How long may I return order 1042?"})
    _call(tracing, root)
    _retrieve(tracing, root)
    _answer(tracing, root)
    root.set({names.STATUS: "answered", names.HOPS: 3})
    if ended:
        root.end()
    tracing.flush()
    return root


def _hop(tracing: Tracing, root: Span, index: int, kind: str, reason: str) -> Span:
    name, attributes = names.hop(index)
    hop = tracing.start(name, attributes, parent=root)
    hop.set({names.DECISION: kind, names.DECISION_REASON: reason})
    with tracing.span(*names.plan("fairlead"), parent=hop) as span:
        span.set({names.DECISION: kind})
    return hop


def _call(tracing: Tracing, root: Span) -> None:
    hop = _hop(tracing, root, 1, "call", "the order must be looked up")
    tool = names.execute_tool("find_order", call_id="c1", effect="read")
    with tracing.span(*tool, parent=hop) as span:
        span.set({names.TOOL_RESULT: "Order 1042 was delivered.", names.ATTEMPT: 2})
    guard = names.guardrail("tool_output", stage="tool_result")
    with tracing.span(*guard, parent=hop) as span:
        span.set({names.GUARD_ACTION: "allow", names.GUARD_FINDINGS: []})
    hop.set({names.HOP_DETAIL: "find_order ok"})
    hop.end()


def _retrieve(tracing: Tracing, root: Span) -> None:
    hop = _hop(tracing, root, 2, "retrieve", "the policy is needed")
    with tracing.span(*names.retrieval("policies", top_k=8), parent=hop) as span:
        with tracing.span(*names.embeddings("minilm")):
            pass
        store = names.database("hybrid", "policies", system="sqlite", tenant="acme")
        with tracing.span(*store) as inner:
            inner.set({names.DB_ROWS: 2})
        span.set({names.RETRIEVAL_PASSAGES: ["p1 0.9 a.md", "p2 0.8 b.md"]})
    guard = names.guardrail("passages", stage="context")
    with tracing.span(*guard, parent=hop) as span:
        found = ["hidden_text", "instruction_like", "instruction_like"]
        span.set({names.GUARD_ACTION: "transform", names.GUARD_FINDINGS: found})
    hop.end()


def _answer(tracing: Tracing, root: Span) -> None:
    hop = _hop(tracing, root, 3, "answer", "both are known")
    with tracing.span(*names.chat("base", provider="vllm"), parent=hop) as span:
        span.set({names.INPUT_TOKENS: 900, names.OUTPUT_TOKENS: 40})
    with tracing.span(*names.guardrail("verify", stage="output"), parent=hop) as span:
        span.set({names.GUARD_ACTION: "block", names.GUARD_REASON: "sentence 2 has no source"})
    hop.end()
