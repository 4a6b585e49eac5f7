"""What becomes of a model's draft: said, mended, sent back once, or dropped."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from fairlead import Principal
from fairlead.agents import ModelAnswerer, ScriptedPlanner
from fairlead.agents.judge import ModelJudge
from fairlead.decisions import AnswerNow, Retrieve, View
from fairlead.errors import Unavailable
from fairlead.graphs import Parts, build_machine
from fairlead.protocols import Completion, Request
from fairlead.reports import SearchResult
from fairlead.schema import Answer, Draft, Event, Hit, Usage
from fairlead.serving import ScriptedModel
from fairlead.settings import Settings
from fairlead.tools import Toolbox
from fairlead.tracing import SpanStore, TraceReader, Tracing

TEXT = "Goods may be returned within 30 days. Labels cost 4.90 EUR."
HIT = Hit(
    passage_id="p", document_id="d", version="1", source="d.md", title="D", text=TEXT,
    score=1.0, rank=1, start=0, end=len(TEXT), tenant="acme", collection="default",
)  # fmt: skip
GOOD = "Goods may be returned within 30 days [1]."
BAD = "Goods may be returned within 90 days [1]."
HALF = f"{GOOD} Labels cost 9.90 EUR [1]."


class Shelf:
    """Finds one hit. `stored`: what the store holds of it by the time a quote is read again."""

    def __init__(self, stored: str | None = TEXT) -> None:
        self.stored = stored

    async def search(self, query: str, **options: Any) -> SearchResult:
        return SearchResult(hits=(HIT,), confidence=0.9)

    async def collections(self, tenant: str) -> tuple[()]:
        return ()

    async def text(self, **place: Any) -> str | None:
        return self.stored and self.stored[place["start"] : place["end"]]


class Judge:
    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict

    async def supports(self, sentence: str, passage: str) -> float:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return 1.0 if self.verdict in sentence else 0.0


async def asked(
    folder: Path, said: Iterable[str], *, events: list[Event] | None = None, **given: Any
) -> Answer:
    planner = ScriptedPlanner(
        lambda view: AnswerNow() if view.passages else Retrieve(queries=("x",))
    )
    tracing = Tracing(store=SpanStore(folder / "traces.db"))
    writer = ModelAnswerer(ScriptedModel(list(said)))
    values = {"planner": planner, "answerer": writer, "searcher": Shelf(), **given}
    parts = Parts(
        tools=Toolbox([]), tracing=tracing, **values,
    )  # fmt: skip
    place: dict[str, Any] = {"thread_id": "t", "fairlead_principal": Principal(tenant="acme")}
    if events is not None:
        place["fairlead_listener"] = events.append
    try:
        machine = build_machine(parts)
        state = await machine.ainvoke({"question": "How long?"}, {"configurable": place})
    finally:
        tracing.close()
    answer: Answer = state["answer"]
    return answer


def actions(folder: Path, answer: Answer) -> list[Any]:
    """What the verifier's spans say it did."""
    spans = TraceReader(folder / "traces.db").trace(answer.trace_id).spans
    return [
        span.attributes["fairlead.guard.action"]
        for span in spans
        if span.name == "apply_guardrail verify"
    ]


async def test_a_better_second_draft_is_said(tmp_path: Path) -> None:
    answer = await asked(tmp_path, [BAD, GOOD])
    assert answer.status == "answered" and answer.text == "Goods may be returned within 30 days."
    assert not answer.warnings and actions(tmp_path, answer) == ["block", "allow"]
    assert "'90 days' in" in answer.hops[1].detail


async def test_what_a_second_draft_cannot_prove_is_left_out(tmp_path: Path) -> None:
    answer = await asked(tmp_path, [BAD, HALF])
    assert answer.status == "answered" and answer.text == "Goods may be returned within 30 days."
    assert answer.warnings == (
        "left out: '9.90 eur' in 'Labels cost 9.90 EUR.' is in none of its sources",
    )
    assert [c.quote for c in answer.citations] == ["Goods may be returned within 30 days."]
    assert actions(tmp_path, answer) == ["block", "transform"]


async def test_where_nothing_is_left_the_turn_abstains(tmp_path: Path) -> None:
    answer = await asked(tmp_path, [BAD, BAD])
    assert answer.status == "abstained" and "90" not in answer.text and not answer.citations
    assert "draft dropped" in answer.warnings[0]


async def test_a_draft_that_cannot_go_back_is_mended_at_once(tmp_path: Path) -> None:
    endless = ScriptedPlanner(lambda view: Retrieve(queries=("x",)))
    few = Settings.model_validate({"budgets": {"hops": 2}})
    answer = await asked(tmp_path, [HALF], planner=endless, settings=few)
    assert answer.status == "partial" and len(answer.hops) == 2
    assert answer.text.startswith("Goods may be returned within 30 days.\n\nStopped early")
    assert answer.warnings[0].startswith("left out: '9.90 eur'")


async def test_an_extractive_draft_is_never_mended(tmp_path: Path) -> None:
    class Careless:
        async def answer(self, view: View) -> Draft:
            return Draft(text="Labels are free.")

    answer = await asked(tmp_path, [], answerer=Careless(), entailment=Judge("Labels"))
    assert answer.status == "abstained" and answer.warnings == (
        "draft dropped: the answer cites nothing",
    )


async def test_a_mended_draft_is_read_again_from_the_store(tmp_path: Path) -> None:
    answer = await asked(tmp_path, [BAD, HALF], searcher=Shelf(stored=None))
    assert answer.status == "abstained"
    assert "is not in the stored document" in answer.warnings[-1]


async def test_a_judge_has_the_last_word(tmp_path: Path) -> None:
    both = f"{GOOD} Labels cost 4.90 EUR [1]."
    answer = await asked(tmp_path, [both, both], entailment=Judge("Goods"))
    assert answer.text == "Goods may be returned within 30 days."
    assert answer.warnings == (
        "left out: 'Labels cost 4.90 EUR.' does not follow from its sources",
    )
    assert answer.hops[1].detail.startswith("draft sent back: 'Labels cost 4.90 EUR.'")
    believed = await asked(tmp_path, [GOOD], entailment=Judge("Goods"))
    assert believed.status == "answered" and not believed.warnings


@pytest.mark.parametrize(
    ("error", "why"),
    [(Unavailable("the judge is down"), "the judge is down"), (TimeoutError(), "no time left")],
)
async def test_a_judge_that_is_away_is_named(tmp_path: Path, error: Exception, why: str) -> None:
    answer = await asked(tmp_path, [GOOD], entailment=Judge(error))
    assert answer.status == "answered" and len(answer.warnings) == 1
    assert "by words alone" in answer.warnings[0] and why in answer.warnings[0]


async def test_a_mended_draft_is_judged_too(tmp_path: Path) -> None:
    both = f"{HALF} Goods are fine [1]."
    answer = await asked(tmp_path, [BAD, both], entailment=Judge("within 30 days"))
    assert answer.text == "Goods may be returned within 30 days."
    assert actions(tmp_path, answer) == ["block", "transform"]
    doubted = await asked(tmp_path, [BAD, HALF], entailment=Judge("nothing"))
    assert doubted.status == "abstained" and "does not follow" in doubted.warnings[-1]


def yes_to(*words: str, error: Exception | None = None) -> Callable[[Request], Completion]:
    def script(request: Request) -> Completion:
        if error is not None:
            raise error
        sentence = request.messages[-1].content.rpartition("<sentence>")[2]
        told = "yes" if any(word in sentence for word in words) else "no"
        return Completion(text=told, usage=Usage(input_tokens=5, output_tokens=1, model_calls=1))

    return script


async def test_what_a_model_that_judges_takes_is_counted(tmp_path: Path) -> None:
    judge = ModelJudge(ScriptedModel(yes_to("Goods")))
    both = f"{GOOD} Labels cost 4.90 EUR [1]."
    answer = await asked(tmp_path, [both, both], entailment=judge)
    assert answer.text == "Goods may be returned within 30 days."
    assert answer.usage.model_calls == 4 and answer.usage.input_tokens == 20
    assert answer.prompts["judge"] == judge.hear(View(question="")).prompt
    spans = TraceReader(tmp_path / "traces.db").trace(answer.trace_id).spans
    checks = [span for span in spans if span.name == "apply_guardrail verify"]
    told = {span.attributes["fairlead.prompt.version"] for span in checks}
    assert len(checks) == 2 and told == {answer.prompts["judge"]}


@pytest.mark.parametrize("required", [False, True])
async def test_a_judge_that_has_to_be_asked(tmp_path: Path, required: bool) -> None:
    gone = ScriptedModel(yes_to(error=Unavailable("the judge is down")))
    judge = ModelJudge(gone, required=required)
    verdicts = Verdicts()
    answer = await asked(tmp_path, [GOOD], entailment=judge, verdicts=verdicts)
    assert "judge" not in answer.prompts
    if not required:
        assert answer.status == "answered" and verdicts.told == [False]
        assert answer.warnings == ("the answer was checked by words alone: the judge is down",)
        return
    assert answer.status == "partial" and answer.missing == "the judge is down"
    assert answer.text == "I cannot answer now: the judge is down." and not answer.citations
    assert actions(tmp_path, answer) == ["block"] and verdicts.told == []


@pytest.mark.parametrize("required", [False, True])
async def test_a_draft_that_took_all_tokens_is_not_judged(tmp_path: Path, required: bool) -> None:
    model = ScriptedModel(yes_to("Goods"))
    few = Settings.model_validate({"budgets": {"tokens": 10}})
    costly = Completion(text=GOOD, usage=Usage(output_tokens=10, model_calls=1))
    writer = ModelAnswerer(ScriptedModel([costly]))
    answer = await asked(
        tmp_path, [], answerer=writer, settings=few,
        entailment=ModelJudge(model, required=required),
    )  # fmt: skip
    assert not model.requests
    said = "by words alone: the budget of 10 tokens is used up"
    if required:
        assert answer.status == "partial" and not answer.missing and not answer.citations
        assert answer.text == "Stopped early: the budget of 10 tokens is used up."
    else:
        assert answer.status == "answered" and said in answer.warnings[0]


async def test_a_judge_that_takes_too_long_has_no_say(tmp_path: Path) -> None:
    async def never(request: Request) -> str:
        await asyncio.Event().wait()
        return "no"

    soon = Settings.model_validate({"budgets": {"seconds": 0.5}})
    judge = ModelJudge(ScriptedModel(never), required=True)
    answer = await asked(tmp_path, [GOOD], entailment=judge, settings=soon)
    assert answer.status == "partial"
    assert answer.text == "Stopped early: the budget of 0.5 seconds is used up."


class Verdicts:
    def __init__(self) -> None:
        self.told: list[bool] = []

    def verified(self, answer: str, *, tenant: str, unverified: bool) -> None:
        self.told.append(unverified)


async def test_text_is_told_without_marks_and_each_citation_with_its_sentence(
    tmp_path: Path,
) -> None:
    events: list[Event] = []
    answer = await asked(tmp_path, [f"{GOOD} Labels cost 4.90 EUR [1]."], events=events)
    told = ""
    for event in events:
        if event.kind == "token":
            told += str(event.data["text"])
            assert "[" not in told
        elif event.kind == "citation":
            citation: Any = event.data["citation"]
            assert told[citation.start : citation.end].strip(), "its text was told before"
            assert citation.end >= len(told.rstrip()) - len(told.split()[-1])
    assert told == answer.text
    kinds = [event.kind for event in events]
    assert kinds.index("citation") < len(kinds) - 1 - kinds[::-1].index("token")
