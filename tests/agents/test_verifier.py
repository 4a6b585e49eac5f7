from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fairlead.agents import verify
from fairlead.schema import Citation, Draft, Route

Make = Callable[..., Any]
TEXT = "Goods may be returned\nwithin 30 days. Keep the box."
QUOTE = "Goods may be returned\nwithin 30 days."


@pytest.fixture
def cited(view: Make, passage: Make) -> tuple[Any, Draft]:
    """A view and an extractive draft that quotes its passage."""
    source = passage(TEXT)
    said = " ".join(QUOTE.split())
    citation = Citation(
        kind="document",
        start=0,
        end=len(said),
        quote=QUOTE,
        passage_id=source.passage_id,
        document_id=source.document_id,
        version=source.version,
        source=source.source,
    )
    return view("How long may I return goods?", passages=(source,)), Draft(
        text=said, citations=(citation,)
    )


def test_a_draft_that_only_quotes_is_allowed(cited: tuple[Any, Draft]) -> None:
    view, draft = cited
    assert verify(draft, view).action == "allow"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"quote": "Goods may be returned within 60 days."}, "is not what was found there"),
        ({"quote": " "}, "is not what was found there"),
        ({"passage_id": "p99"}, "was not found in this run"),
        ({"version": "2"}, "another document or version"),
        ({"end": 500}, "lies outside the answer"),
        ({"start": 5, "end": 5}, "lies outside the answer"),
        ({"start": 6}, "its quote says otherwise"),
        ({"kind": "tool", "tool": "clock", "call_id": "c9"}, "was not made in this run"),
    ],
)
def test_a_false_citation_is_blocked(
    change: dict[str, Any], why: str, cited: tuple[Any, Draft]
) -> None:
    view, draft = cited
    wrong = replace(draft, citations=(replace(draft.citations[0], **change),))
    verdict = verify(wrong, view)
    assert verdict.action == "block" and why in verdict.reason


def test_nothing_may_be_said_beside_the_quotes(cited: tuple[Any, Draft]) -> None:
    view, draft = cited
    more = replace(draft, text=f"{draft.text} Shipping is free.")
    assert verify(more, view).reason == "'shipping is free' is said without a citation"
    named = replace(draft, text=f"{draft.text}\n\nI found no answer to “who pays?”.")
    assert verify(named, view).action == "allow"
    assert verify(Draft(text="It is 30 days."), view).reason == "the answer cites nothing"


def test_a_reply_to_a_greeting_must_be_the_known_one(view: Make) -> None:
    assert verify(Draft(text="You are welcome."), view("thanks")).action == "allow"
    assert verify(Draft(text="Your order is lost."), view("thanks")).action == "block"


def test_what_does_not_answer_needs_no_proof(view: Make) -> None:
    for status in ("abstained", "asking"):
        assert verify(Draft(text="I do not know.", status=status), view("x")).action == "allow"


def test_a_tool_is_quoted_by_its_letters(view: Make, result: Make) -> None:
    clock = result("clock", '{"time":"12:00"}', zone="UTC")
    seen = view("What time is it?", tool_results=(clock,))
    citation = Citation(
        kind="tool", start=5, end=16, quote='"time":"12:00"', tool="clock", call_id="c1"
    )
    draft = Draft(text="UTC: time: 12:00", citations=(citation,))
    assert verify(draft, seen).action == "allow"
    late = replace(draft, text="UTC: time: 13:00")
    assert "its quote says otherwise" in verify(late, seen).reason


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Goods can be returned within 30 days.", ""),
        ("Goods can be returned within 60 days.", "60"),
        ("Elephants dance on moonlit roofs.", "is not what its sources say"),
    ],
)
def test_a_models_sentence_must_be_carried_by_its_source(
    text: str, why: str, cited: tuple[Any, Draft]
) -> None:
    view, draft = cited
    written = replace(
        draft,
        text=text,
        citations=(replace(draft.citations[0], end=len(text)),),
        route=Route(model="base"),
    )
    verdict = verify(written, view)
    assert verdict.action == ("block" if why else "allow")
    assert why in verdict.reason


def test_a_models_sentence_without_a_citation_is_blocked(cited: tuple[Any, Draft]) -> None:
    view, draft = cited
    more = replace(draft, text=f"{draft.text} Boxes grow on trees.", route=Route(model="base"))
    assert verify(more, view).reason == "'Boxes grow on trees.' is not cited"
    bare = replace(more, citations=())
    assert verify(bare, view).reason == "the answer cites nothing"
    greeting = replace(view, question="hello")
    assert verify(bare, greeting).action == "allow"
