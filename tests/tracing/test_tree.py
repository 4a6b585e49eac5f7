"""The tree: every span with its time, every hop with its reason, at any width, in any encoding."""

import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from fairlead.tracing import Span, SpanLink, SpanStore, Trace, TraceReader, Tracing, names
from fairlead.tracing.tree import render, render_svg

Scripted = Callable[..., Span]


@pytest.fixture
def trace(tracing: Tracing, reader: TraceReader, scripted: Scripted) -> Trace:
    scripted(tracing)
    return reader.trace("last")


def drawn(trace: Trace, *, width: int = 100, encoding: str = "utf-8", color: bool = False) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=stream, width=width, color_system="truecolor" if color else None)
    console.print(render(trace))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_shows_every_span_in_its_place_and_every_hops_reason(trace: Trace) -> None:
    text = drawn(trace)
    places = re.sub(r"  +[╺━╸].*| +\d[\d.,]* ms.*", "", text).splitlines()
    assert places[4:] == [
        "invoke_agent fairlead",
        "├─ fairlead.hop 1",
        "│  │  ↳ the order must be looked up · find_order ok · 2 attempts",
        "│  ├─ plan fairlead",
        "│  ├─ execute_tool find_order",
        "│  └─ apply_guardrail tool_output",
        "├─ fairlead.hop 2",
        "│  │  ↳ the policy is needed",
        "│  │    2 passages from policies · "
        "guard passages: transform (1 hidden_text, 2 instruction_like)",
        "│  ├─ plan fairlead",
        "│  ├─ retrieval policies",
        "│  │  ├─ embeddings minilm",
        "│  │  └─ hybrid policies",
        "│  └─ apply_guardrail passages",
        "└─ fairlead.hop 3",
        "   │  ↳ both are known · guard verify: block (sentence 2 has no source)",
        "   ├─ plan fairlead",
        "   ├─ chat base",
        "   └─ apply_guardrail verify",
    ]
    assert text.startswith("answered · 3 hops · ")
    assert "How long may I return order 1042?" in text
    assert len(re.findall(r"\d ms", text)) == len(trace.spans) + 1
    assert re.search(r"retrieval policies .* 2 passages\n", text)


@pytest.mark.parametrize("width", [200, 100, 72, 60, 40, 24])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_keeps_within_the_terminal(trace: Trace, width: int, encoding: str) -> None:
    text = drawn(trace, width=width, encoding=encoding)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "plan" in text and "hop" in text
    bars = "=" if encoding == "ascii" else "━"
    assert (bars in text) == (width >= 72)


def test_a_guards_block_is_no_failure_and_an_error_is(
    tracing: Tracing, reader: TraceReader
) -> None:
    with tracing.span(*names.invoke_agent(agent="a", run_id="r", tenant="t")) as root:
        with tracing.span(*names.guardrail("policy", stage="tool_args")) as guard:
            guard.set({names.GUARD_ACTION: "block"})
        with tracing.span(*names.execute_tool("refund")) as tool:
            tool.fail("tool_error", "no such order")
        root.set({names.STATUS: "refused"})
    tracing.flush()
    lines = drawn(reader.trace("last"), color=True).splitlines()
    red = "31m"
    guarded = next(line for line in lines if "apply_guardrail policy" in line)
    failing = next(line for line in lines if "execute_tool refund" in line)
    assert "block" in guarded and red not in guarded
    assert "error tool_error no" in failing and red in failing
    assert "refused" in lines[0] and red not in lines[0]


def test_what_never_ended_says_so(
    tracing: Tracing, store: SpanStore, reader: TraceReader, scripted: Scripted
) -> None:
    scripted(tracing, ended=False)
    assert "running" in drawn(reader.trace("last")).splitlines()[0]
    store.close()
    text = drawn(reader.trace("last"))
    assert text.startswith("interrupted · 3 hops")
    assert re.search("[╺━╸]", text) and "╌" in text


def test_a_resumed_run_names_the_trace_it_continues(tracing: Tracing, reader: TraceReader) -> None:
    tracing.start("later", {}, links=(SpanLink("a" * 32, "b" * 16),)).end()
    tracing.flush()
    assert f"continues trace {'a' * 32}" in drawn(reader.trace("last"))


def test_text_from_outside_commands_no_terminal(tracing: Tracing, reader: TraceReader) -> None:
    hostile = "\x1b[2J\x9b31m\u202eevil\nsecond [bold]line[/bold]"
    with tracing.span(*names.invoke_agent(agent=hostile, run_id=hostile, tenant="t")) as root:
        root.set({names.QUESTION: hostile})
        with tracing.span(*names.hop(1)) as hop:
            hop.set({names.DECISION: hostile, names.DECISION_REASON: hostile})
    tracing.flush()
    text = drawn(reader.trace("last"))
    assert not set("\x1b\x9b\u202e") & set(text)
    assert "[bold]line[/bold]" in text


def test_a_picture_holds_the_tree(trace: Trace) -> None:
    picture = render_svg(trace)
    assert picture.startswith("<svg") and picture.rstrip().endswith("</svg>")
    for word in ("invoke_agent", "execute_tool", "transform"):
        assert word in picture
    assert f"fairlead&#160;trace&#160;show&#160;{trace.trace_id[:8]}" in picture
