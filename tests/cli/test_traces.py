import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from fairlead.tracing import SpanStore, Tracing, names

Run = Callable[..., Result]


@pytest.fixture
def stored(home: Path) -> Iterator[list[str]]:
    """Two runs, the older one of another tenant; their trace ids."""
    store = SpanStore(home / ".fairlead" / "traces.db")
    tracing = Tracing(store=store)
    ids = []
    for number, tenant in enumerate(("acme", "default")):
        name, attributes = names.invoke_agent(
            agent="fairlead", run_id=f"run-{number}", tenant=tenant
        )
        root = tracing.start(name, attributes)
        name, attributes = names.hop(1)
        hop = tracing.start(name, attributes, parent=root)
        hop.set({names.DECISION: "answer", names.DECISION_REASON: "enough is known"})
        hop.end()
        root.set({names.STATUS: "answered", names.HOPS: 1})
        root.end()
        ids.append(root.trace_id)
    tracing.close()
    yield ids


def test_ls(run: Run, stored: list[str]) -> None:
    document = json.loads(run("trace", "ls", "--json").stdout)
    assert next(iter(document.items())) == ("schema", "fairlead.traces/1")
    (found,) = document["traces"]
    assert (found["trace_id"], found["outcome"], found["hops"]) == (stored[1], "answered", 1)
    lines = run("trace", "ls", "--tenant", "acme").stdout.splitlines()
    assert lines[0].split() == ["trace", "began", "outcome", "hops", "ms", "question"]
    assert lines[1].startswith(stored[0]) and "answered" in lines[1]


def test_ls_of_nothing(run: Run) -> None:
    assert json.loads(run("trace", "ls", "--json").stdout)["traces"] == []


@pytest.mark.parametrize("which", [[], ["last"], ["run-1"]])
def test_show(run: Run, stored: list[str], which: list[str]) -> None:
    document = json.loads(run("trace", "show", *which, "--json").stdout)
    assert next(iter(document.items())) == ("schema", "fairlead.trace/1")
    assert document["trace"]["trace_id"] == stored[1]
    root, hop = document["spans"]
    fields = {"name", "span_id", "parent_span_id", "start_ns", "end_ns", "status", "attributes"}
    assert fields <= set(root)
    assert (root["name"], hop["name"]) == ("invoke_agent fairlead", "fairlead.hop 1")
    assert hop["parent_span_id"] == root["span_id"]


def test_show_draws_a_tree_with_reasons(run: Run, stored: list[str]) -> None:
    drawn = run("trace", "show", stored[1][:12]).stdout
    assert "invoke_agent fairlead" in drawn and "─ fairlead.hop 1" in drawn
    assert "enough is known" in drawn and stored[1] in drawn


@pytest.mark.parametrize("which", ["nothing", "0"])
def test_a_trace_that_is_not_there(run: Run, stored: list[str], which: str) -> None:
    result = run("trace", "show", f"zz{which}", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "not_found"


def test_the_trace_of_another_tenant_is_not_there(run: Run, stored: list[str]) -> None:
    assert run("trace", "show", stored[0]).exit_code == 2
    assert run("trace", "show", stored[0], "--tenant", "acme").exit_code == 0


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_tail(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    store = SpanStore(home / ".fairlead" / "traces.db")
    tracing = Tracing(store=store)
    name, attributes = names.invoke_agent(agent="fairlead", run_id="r", tenant="default")
    root = tracing.start(name, attributes)
    tracing.flush()
    pauses = iter([root.end, tracing.close])

    def pause(seconds: float) -> None:
        """Ends the span, then closes the store, then the person has seen enough."""
        step = next(pauses, None)
        if step is None:
            raise KeyboardInterrupt
        step()
        tracing.flush()

    monkeypatch.setattr("fairlead.tracing.reader.time.sleep", pause)
    result = run("trace", "tail", *options)
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")
    lines = result.stdout.splitlines()
    if options:
        ends = [json.loads(line)["span"]["end_ns"] for line in lines]
        assert ends[0] is None and ends[1]
    else:
        (line,) = lines
        assert root.trace_id[:8] in line and "invoke_agent fairlead" in line
