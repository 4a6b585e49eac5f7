"""What the machine does when something goes wrong, in the middle or from the start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from fairlead import Assistant, Document, Principal, tool
from fairlead.agents import ScriptedPlanner
from fairlead.decisions import AnswerNow, AnyDecision, Call, Delegate, Retrieve, Stop, Task, View
from fairlead.errors import FairleadError, InputError, Refused, Unavailable
from fairlead.graphs import Checkpoints, Parts, actions, build_machine
from fairlead.protocols import Completion
from fairlead.reports import SearchResult
from fairlead.schema import Hit, ToolCall, Usage
from fairlead.serving import ScriptedModel
from fairlead.tools import Toolbox
from fairlead.tracing import SpanStore, TraceReader, Tracing

ACME = Principal(tenant="acme")
PLACE = {"thread_id": "t", "fairlead_principal": ACME}
HIT = Hit(
    passage_id="p", document_id="d", version="1", source="d.md", title="D", text="Tea is hot.",
    score=1.0, rank=1, start=0, end=11, tenant="acme", collection="default",
)  # fmt: skip
LOOK = Retrieve(queries=("tea",), reason="look")


class Shelf:
    """A searcher that fails as often as it is told to, then finds one hit."""

    def __init__(self, failures: int = 0, error: type[FairleadError] = Unavailable) -> None:
        self.failures, self.error, self.searches = failures, error, 0

    async def search(self, query: str, **options: Any) -> SearchResult:
        self.searches += 1
        if self.searches <= self.failures:
            raise self.error("the shelf is stuck")
        return SearchResult(hits=(HIT,), confidence=0.9, warnings=("dusty",))

    async def collections(self, tenant: str) -> tuple[()]:
        return ()

    async def text(self, **place: Any) -> str:
        return HIT.text[place["start"] : place["end"]]


class Planner:
    """Plans by a function; unlike `ScriptedPlanner` it may fail or wait."""

    def __init__(self, function: Any) -> None:
        self.plan = function


def parts_of(folder: Path, planner: Any, **given: Any) -> Parts:
    from fairlead.agents import ModelAnswerer  # noqa: PLC0415 - the fixture's own default

    values: dict[str, Any] = {
        "answerer": ModelAnswerer(ScriptedModel(lambda request: "Tea is hot [1].")),
        "searcher": Shelf(),
        "tools": Toolbox([]),
        "tracing": Tracing(store=SpanStore(folder / "traces.db")),
        **given,
    }
    return Parts(planner=planner, **values)


async def asked(parts: Parts, **place: Any) -> Any:
    machine = build_machine(parts)
    config: Any = {"configurable": {**PLACE, **place}}
    return (await machine.ainvoke({"question": "Is tea hot?"}, config))["answer"]


async def test_a_transient_search_is_tried_again(tmp_path: Path) -> None:
    shelf = Shelf(failures=2)
    parts = parts_of(tmp_path, ScriptedPlanner([LOOK, AnswerNow()]), searcher=shelf)
    answer = await asked(parts)
    assert answer.status == "answered" and shelf.searches == 3
    assert "dusty" in answer.warnings
    parts.tracing.close()
    spans = TraceReader(tmp_path / "traces.db").trace("last").spans
    tries = [span for span in spans if span.name.startswith("retrieval")]
    assert [span.attributes.get("fairlead.attempt") for span in tries] == [None, 2, 3]
    assert [span.status for span in tries] == ["error", "error", "ok"]


async def test_a_store_that_is_away_makes_a_partial_answer_that_says_so(tmp_path: Path) -> None:
    shelf = Shelf(99, Unavailable)
    parts = parts_of(tmp_path, ScriptedPlanner([LOOK, AnswerNow(), AnswerNow()]), searcher=shelf)
    answer = await asked(parts)
    assert shelf.searches == 3
    assert answer.status == "partial" and answer.missing == "the shelf is stuck"
    assert answer.missing in answer.text and answer.hops[0].detail == "the shelf is stuck"
    parts.tracing.close()


async def test_what_was_found_before_the_store_went_away_still_answers(tmp_path: Path) -> None:
    class Kept(Shelf):
        async def collections(self, tenant: str) -> tuple[()]:
            raise Unavailable("gone")

        async def text(self, **place: Any) -> str:
            raise Unavailable("gone")

    parts = parts_of(tmp_path, ScriptedPlanner([LOOK, AnswerNow()]), searcher=Kept())
    answer = await asked(parts)
    assert answer.status == "answered" and answer.citations[0].quote == HIT.text


async def test_what_does_not_pass_is_raised_with_its_trace(tmp_path: Path) -> None:
    shelf = Shelf(1, InputError)
    parts = parts_of(tmp_path, ScriptedPlanner([LOOK]), searcher=shelf)
    with pytest.raises(InputError) as caught:
        await asked(parts)
    assert shelf.searches == 1
    parts.tracing.close()
    trace = TraceReader(tmp_path / "traces.db").trace(caught.value.trace_id)
    assert all(span.end_ns for span in trace.spans), "a span was left open"
    assert trace.spans[0].status == "error"


async def test_a_slow_search_ends_with_the_time(tmp_path: Path) -> None:
    class Slow(Shelf):
        async def search(self, query: str, **options: Any) -> SearchResult:
            await asyncio.sleep(30)
            raise AssertionError

    parts = parts_of(tmp_path, ScriptedPlanner([LOOK]), searcher=Slow())
    answer = await asked(parts, fairlead_deadline=0.1)
    assert answer.status == "partial" and "0.1 seconds" in answer.text
    parts.tracing.close()


async def test_a_slow_answer_ends_with_the_time(tmp_path: Path) -> None:
    class Slow:
        async def answer(self, view: View) -> Any:
            await asyncio.sleep(30)

    parts = parts_of(tmp_path, ScriptedPlanner([AnswerNow()]), answerer=Slow())
    assert (await asked(parts, fairlead_deadline=0.1)).status == "partial"
    parts.tracing.close()


async def test_a_slow_plan_ends_with_the_time(tmp_path: Path) -> None:
    async def slow(view: View) -> AnyDecision:
        await asyncio.sleep(30)
        raise AssertionError

    parts = parts_of(tmp_path, Planner(slow))
    assert (await asked(parts, fairlead_deadline=0.1)).status == "partial"
    parts.tracing.close()


async def test_a_value_whose_guard_fails_is_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(hit: Hit) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(actions, "admit_hit", broken)
    parts = parts_of(tmp_path, ScriptedPlanner([LOOK, Stop(why="nothing left")]))
    answer = await asked(parts)
    assert "withheld 'd.md'" in " ".join(answer.warnings)
    parts.tracing.close()
    spans = TraceReader(tmp_path / "traces.db").trace("last").spans
    assert "block" in [span.attributes.get("fairlead.guard.action") for span in spans]


async def test_a_quote_that_the_store_does_not_have_is_not_given(tmp_path: Path) -> None:
    class Forgetful(Shelf):
        async def text(self, **place: Any) -> None:  # type: ignore[override]  # the version is gone
            return None

    script = [LOOK, AnswerNow(), AnswerNow()]
    parts = parts_of(tmp_path, ScriptedPlanner(script), searcher=Forgetful())
    answer = await asked(parts)
    assert answer.status == "abstained" and not answer.citations
    assert "not in the stored document" in " ".join(answer.warnings)
    parts.tracing.close()


async def test_tokens_are_a_budget(tmp_path: Path) -> None:
    said = Completion(text="Tea is not [9].", usage=Usage(input_tokens=90, output_tokens=20))
    values = {
        "storage": {"path": str(tmp_path)},
        "retrieval": {"embedder": "none"},
        "budgets": {"tokens": 100},
    }
    script = [LOOK, AnswerNow(), AnswerNow()]
    model = ScriptedModel([said, said])
    async with Assistant.open(values, planner=ScriptedPlanner(script), model=model) as assistant:
        answer = await assistant.ask("Is tea hot?", tenant="acme")
    assert answer.status == "partial" and "100 tokens" in answer.text
    assert len(model.requests) == 1, "the budget was gone after the first"
    assert answer.usage.output_tokens == 20


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Delegate(tasks=(Task(agent="a", task="t"),)), "no specialists"),
        ({"kind": "fly"}, "not a decision"),
    ],
)
async def test_a_decision_that_cannot_be_carried_out(
    tmp_path: Path, decision: Any, said: str
) -> None:
    async def plan(view: View) -> Any:
        return decision

    parts = parts_of(tmp_path, Planner(plan))
    with pytest.raises(InputError, match=said):
        await asked(parts)
    parts.tracing.close()


async def test_an_unknown_tool_and_a_collection_of_ones_own(tmp_path: Path) -> None:
    script = [
        Call(calls=(ToolCall(tool="nothing"),)),
        Retrieve(queries=("tea", "cups"), collection="cellar", filters={"a": 1}),
        Stop(why="enough"),
    ]
    parts = parts_of(tmp_path, ScriptedPlanner(script))
    answer = await asked(parts)
    assert answer.hops[0].detail == "nothing failed"
    assert answer.hops[1].detail == "2 searches, 1 passage from d.md"
    parts.tracing.close()


@pytest.mark.parametrize("principal", [None, {"tenant": "acme"}, "acme"])
async def test_only_a_principal_is_a_principal(tmp_path: Path, principal: Any) -> None:
    parts = parts_of(tmp_path, ScriptedPlanner([Stop(why="x")]))
    with pytest.raises(Refused):
        await asked(parts, fairlead_principal=principal)
    parts.tracing.close()


@asynccontextmanager
async def interrupted(folder: Path) -> AsyncIterator[list[int]]:
    """A run cut off inside its second call; yields what the tool was called with."""
    calls: list[int] = []
    stuck = asyncio.Event()

    @tool(effect="read")
    async def pour(cup: int) -> str:
        """Pours a cup.

        Args:
            cup: Which one.
        """
        calls.append(cup)
        if cup == 2 and calls.count(2) == 1:
            stuck.set()
            await asyncio.sleep(30)
        return f"Cup {cup} is full."

    def script(view: View) -> AnyDecision:
        cup = len(view.hops) + 1
        if cup == 3:
            return AnswerNow(reason="all full")
        return Call(calls=(ToolCall(tool="pour", arguments={"cup": cup}),), reason="pour")

    values = {"storage": {"path": str(folder)}, "retrieval": {"embedder": "none"}}

    def opened() -> Any:
        model = ScriptedModel(lambda request: "Cup 2 is full [2].")
        planner = ScriptedPlanner(script)
        return Assistant.open(values, tools=[pour], planner=planner, model=model)

    async with opened() as assistant:
        task = asyncio.create_task(assistant.ask("Pour two", tenant="acme", thread="t"))
        await stuck.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with opened() as assistant:
        interrupted.assistant = assistant  # type: ignore[attr-defined]  # for the tests below
        yield calls


async def test_the_same_question_finishes_a_run_that_was_cut_off(tmp_path: Path) -> None:
    async with interrupted(tmp_path) as calls:
        assistant: Assistant = interrupted.assistant  # type: ignore[attr-defined]  # set above
        answer = await assistant.ask("Pour two", tenant="acme", thread="t")
    assert answer.text == "Cup 2 is full."
    assert calls == [1, 2, 2], "the finished first hop was not made again"
    assert [hop.index for hop in answer.hops] == [1, 2, 3]
    first, second = TraceReader(tmp_path / "traces.db").traces()
    assert first.run_id == second.run_id == answer.run_id
    assert answer.trace_id == first.trace_id
    cut_off = TraceReader(tmp_path / "traces.db").trace(second.trace_id)
    assert cut_off.spans[0].attributes["fairlead.ended"] == "cancelled"
    assert all(span.status != "error" for span in cut_off.spans)


async def test_resume_does_the_same(tmp_path: Path) -> None:
    async with interrupted(tmp_path) as calls:
        assistant: Assistant = interrupted.assistant  # type: ignore[attr-defined]  # set above
        answer = await assistant.resume("t", tenant="acme")
        assert await assistant.resume("t", tenant="acme") == answer
    assert calls == [1, 2, 2]


async def test_another_question_abandons_it_with_a_warning(tmp_path: Path) -> None:
    async with interrupted(tmp_path):
        assistant: Assistant = interrupted.assistant  # type: ignore[attr-defined]  # set above
        answer = await assistant.ask("Pour again", tenant="acme", thread="t")
        again = await assistant.ask("Pour again", tenant="acme", thread="t")
    assert answer.warnings == ("the unfinished run on 'Pour two' was abandoned",)
    assert again.warnings == ()
    assert [hop.index for hop in answer.hops] == [1, 2, 3]


async def test_a_run_belongs_to_its_tenant_under_any_saver(tmp_path: Path) -> None:
    async def wait(view: View) -> AnyDecision:
        if not view.hops:
            return LOOK
        raise Unavailable("later")

    parts = parts_of(tmp_path, Planner(wait))
    machine = build_machine(parts, InMemorySaver())
    with pytest.raises(Unavailable):
        await machine.ainvoke({"question": "Is tea hot?"}, {"configurable": PLACE})
    other = {**PLACE, "fairlead_principal": Principal(tenant="other")}
    with pytest.raises(Refused, match="another tenant"):
        await machine.ainvoke(None, {"configurable": other})
    parts.tracing.close()


async def test_old_turns_do_not_pile_up(tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path / "runs.db")
    parts = parts_of(tmp_path, ScriptedPlanner(lambda view: Stop(why=str(len(view.history)))))
    machine = build_machine(parts, saver)
    for _ in range(23):
        result = await machine.ainvoke({"question": "Well?"}, {"configurable": PLACE})
    assert result["answer"].text == "20"
    saver.close()
    parts.tracing.close()


async def test_documents_of_a_tenant_are_asked_by_that_tenant_only(tmp_path: Path) -> None:
    values = {"storage": {"path": str(tmp_path)}, "retrieval": {"embedder": "none"}}
    script = ScriptedPlanner(lambda view: LOOK if not view.hops else Stop(why=str(view.passages)))
    async with Assistant.open(values, planner=script) as assistant:
        await assistant.ingest([Document(id="d", text="Tea is hot.")], tenant="acme")
        assert "Tea is hot." in (await assistant.ask("tea?", tenant="acme")).text
        assert (await assistant.ask("tea?", tenant="other")).text == "()"
