import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fairlead.agents import ExtractiveAnswerer
from fairlead.decisions import View
from fairlead.schema import Draft

Run = Callable[..., Result]

RETURNS = """# Returns

Anything you bought may be returned within 30 days of delivery.
Mugs may be returned within 14 days.
We deliver to many countries.
"""
ORDERS = '''
from fairlead import tool

@tool(effect="read")
def find_order(order: int) -> dict[str, str]:
    """Look up an order: its item and status.

    Args:
        order: The order number.
    """
    return {"item": "glass mug", "status": "delivered"}
'''
REFUNDS = '''
from pathlib import Path
from fairlead import tool

@tool(effect="write")
def refund_order(order: int) -> str:
    """Refund an order."""
    Path("refunded").touch()
    return "refunded"
'''
QUESTION = "Within how many days may mugs be returned?"


@pytest.fixture(autouse=True)
def shop(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two documents, searched by words alone since loading an embedder takes half a second."""
    monkeypatch.setenv("FAIRLEAD_RETRIEVAL__EMBEDDER", "none")
    (home / "docs").mkdir()
    (home / "docs" / "returns.md").write_text(RETURNS)
    (home / "docs" / "lamps.md").write_text("# Lamps\n\nA lamp needs a bulb of 7 watts.\n")
    (home / "orders.py").write_text(ORDERS)
    assert run("ingest", "docs").exit_code == 0
    return home


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.stderr
    document: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    assert next(iter(document.items())) == ("schema", "fairlead.answer/1")
    return document


def test_an_answer_as_json(run: Run) -> None:
    document = json.loads(run("ask", QUESTION, "--json").stdout)
    assert document["status"] == "answered" and "14 days" in document["text"]
    fields = {"citations", "approvals", "hops", "route", "usage", "warnings"}
    assert fields | {"run_id", "thread_id", "trace_id", "lineage_id"} <= set(document)
    assert document["route"]["model"] == "embedded"
    assert {"index", "kind", "reason", "detail", "ms"} <= set(document["hops"][0])
    for citation in document["citations"]:
        assert citation["source"] == "docs/returns.md" and citation["quote"] in RETURNS


def test_an_answer_for_people(run: Run) -> None:
    shown = run("ask", QUESTION)
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert "14 days" in lines[0] and "[1]" in lines[0]
    assert "[1] docs/returns.md" in lines
    assert lines[-1].startswith("answered · ") and " · trace " in lines[-1]
    assert "\x1b" not in shown.stdout and shown.stderr == ""


def test_streaming_for_people(run: Run) -> None:
    shown = run("ask", QUESTION, "--stream")
    assert shown.exit_code == 0
    text = answer(run("ask", QUESTION, "--json"))["text"]
    assert shown.stdout.startswith(f"{text}\n\n[1] docs/returns.md\n")
    assert shown.stderr.startswith("1. ") and " ms)" in shown.stderr


def test_streaming_as_json_lines(run: Run) -> None:
    lines = [
        json.loads(line)
        for line in run("ask", QUESTION, "--stream", "--json").stdout.split("\n")[:-1]
    ]
    *events, last = lines
    assert {event["schema"] for event in events} == {"fairlead.event/1"}
    assert last["schema"] == "fairlead.answer/1"
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "hop_started" and "done" not in kinds
    told = "".join(event["data"]["text"] for event in events if event["kind"] == "token")
    assert told == last["text"]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)


def test_the_trace_after_the_answer(run: Run) -> None:
    shown = run("ask", QUESTION, "--trace").stdout
    assert shown.index("answered · ") < shown.index("invoke_agent fairlead")
    document = json.loads(run("ask", QUESTION, "--trace", "--json").stdout)
    assert document["trace"]["trace"]["trace_id"] == document["trace_id"]
    assert document["trace"]["spans"][0]["name"] == "invoke_agent fairlead"


def test_no_trace_where_none_is_stored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_TELEMETRY__STORE", "off")
    shown = run("ask", QUESTION, "--trace")
    assert shown.exit_code == 0
    assert "telemetry.store is off" in shown.stderr and "invoke_agent" not in shown.stdout


def test_a_tool(run: Run) -> None:
    document = answer(
        run("ask", "What is the status of order 1042?", "--tools", "orders.py", "--json")
    )
    assert document["status"] == "answered" and "delivered" in str(document["text"])
    assert any(citation["tool"] == "find_order" for citation in document["citations"])  # type: ignore[attr-defined]  # JSON


def test_an_honest_do_not_know_is_done(run: Run) -> None:
    document = answer(run("ask", "Who won the world cup in 1954?", "--json"))
    assert document["status"] == "abstained" and document["citations"] == []


def test_a_question_from_stdin(run: Run) -> None:
    assert "14 days" in str(answer(run("ask", "-", "--json", stdin=f"\ufeff{QUESTION}\n"))["text"])


def test_tenants_do_not_meet(run: Run) -> None:
    assert answer(run("ask", QUESTION, "--tenant", "acme", "--json"))["status"] == "abstained"


def test_filters_hold_for_the_question(run: Run) -> None:
    other = answer(run("ask", QUESTION, "--filter", "language=fr", "--json"))
    assert other["status"] == "abstained"
    unknown = run("ask", QUESTION, "--filter", "langauge=fr", "--json")
    assert unknown.exit_code == 2 and "Did you mean 'language'" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([""], 2, "the question is empty"),
        (["  "], 2, "the question is empty"),
        (["x" * 32_001], 2, "32,001 characters"),
        (["a\x00b"], 2, "NUL"),
        (["a\udcffb"], 2, "not valid UTF-8"),
        ([QUESTION, "--deadline", "0"], 2, "deadline"),
        ([QUESTION, "--deadline", "nan"], 2, "deadline"),
        ([QUESTION, "--filter", "country"], 2, "'country'"),
        ([QUESTION, "--thread", "x" * 129], 2, "thread"),
        ([QUESTION, "--thread", "a\tb"], 2, "thread"),
        ([QUESTION, "--tenant", "No Such"], 2, "'No Such'"),
        ([QUESTION, "--tools", "nothing.py"], 2, "no file 'nothing.py'"),
    ],
)
def test_what_cannot_be_asked(run: Run, arguments: list[str], status: int, said: str) -> None:
    result = run("ask", *arguments, "--json")
    assert result.exit_code == status
    error = json.loads(result.stdout)["error"]
    assert said in error["message"] and error["message"] in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_an_unknown_setting_names_the_nearest(run: Run, shop: Path) -> None:
    (shop / "fairlead.toml").write_text("[budgets]\nhopps = 3\n")
    result = run("ask", QUESTION, "--json")
    assert result.exit_code == 3
    error = json.loads(result.stdout)["error"]
    assert "'budgets.hopps'" in error["message"] and "'budgets.hops'" in error["hint"]


def test_the_answer_of_a_run_that_ended_early_stands(run: Run) -> None:
    document = answer(run("ask", QUESTION, "--deadline", "0.000001", "--json"))
    assert document["status"] == "partial"


def test_a_refused_call_exits_4_and_the_answer_stands(run: Run, shop: Path) -> None:
    (shop / "refunds.py").write_text(REFUNDS)
    result = run("ask", "Refund order 1042", "--tools", "refunds.py", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["schema"]) == (4, "fairlead.answer/1")
    assert document["status"] == "refused" and "[policy]" in document["text"]
    assert not (shop / "refunded").exists()


def test_an_unexpected_failure_names_its_trace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: ExtractiveAnswerer, view: View) -> Draft:
        raise KeyError("boom")

    monkeypatch.setattr(ExtractiveAnswerer, "answer", fail)
    result = run("ask", QUESTION, "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "unexpected" and "KeyError" in error["message"]
    (line,) = result.stderr.splitlines()
    assert f"trace {error['trace_id']}" in line and "--debug" in line
    assert "KeyError" in run("trace", "show", error["trace_id"]).stdout


def test_chat_keeps_one_thread(run: Run) -> None:
    lines = run("chat", "--json", stdin=f"{QUESTION}\n\nAnd lamps?\n/quit\nnever\n").stdout
    answers = [json.loads(line) for line in lines.splitlines()]
    assert [each["schema"] for each in answers] == ["fairlead.answer/1"] * 2
    assert answers[0]["thread_id"] == answers[1]["thread_id"]
    assert "14 days" in answers[0]["text"]


def test_chat_for_people(run: Run) -> None:
    shown = run("chat", "--thread", "desk-4", stdin=f"{QUESTION}\n")
    assert shown.exit_code == 0
    assert "14 days" in shown.stdout and "[1] docs/returns.md" in shown.stdout


def test_chat_ends_at_a_question_that_is_none(run: Run) -> None:
    result = run("chat", "--json", stdin="x" * 40_000 + "\n")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "bad_input"
