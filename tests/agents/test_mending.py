import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents import entailed, mended, verify
from fairlead.agents.claims import claims
from fairlead.agents.mending import cited_only, without
from fairlead.agents.verifier import Fault
from fairlead.errors import Unavailable
from fairlead.schema import Citation, Draft, Route

Make = Callable[..., Any]
TEXT = "Goods may be returned within 30 days. Keep the box. Labels cost 4.90 EUR."
SENTENCES = ("Goods may be returned within 30 days.", "Keep the box.", "Labels cost 4.90 EUR.")


def _nearest(claim: str) -> str:
    return max(SENTENCES, key=lambda one: len(set(one.split()) & set(claim.split())))


@pytest.fixture
def draft(view: Make, passage: Make) -> Make:
    """A view and a model's draft; every claim that ends with [1] cites the passage."""
    source = passage(TEXT)

    def make(said: str, question: str = "How long?") -> tuple[Any, Draft]:
        text = said.replace(" [1]", "")
        found = []
        at = 0
        for piece in said.split(" [1]")[:-1]:
            at += len(piece)
            claim = next(c for c in reversed(claims(text)) if c.start < at)
            quote = _nearest(text[claim.start : claim.end])
            found.append(
                Citation(
                    kind="document", start=claim.start, end=claim.end, quote=quote,
                    passage_id=source.passage_id, document_id=source.document_id,
                    version=source.version, source=source.source,
                )
            )  # fmt: skip
        written = Draft(text=text, citations=tuple(found), route=Route(model="base"))
        return view(question, passages=(source,)), written

    return make


def test_what_is_not_carried_is_left_out_and_named(draft: Make) -> None:
    view, wrong = draft("Goods may be returned within 30 days. [1] Labels cost 9.90 EUR. [1]")
    better = mended(wrong, view)
    assert better is not None and better.text == "Goods may be returned within 30 days."
    assert better.warnings == (
        "left out: '9.90 eur' in 'Labels cost 9.90 EUR.' is in none of its sources",
    )
    assert len(better.citations) == 1 and verify(better, view).action == "allow"


def test_a_lead_goes_with_what_it_introduced(draft: Make) -> None:
    said = (
        "# Labels\n\nThe labels:\n- Labels cost 9.90 EUR. [1]\n\n"
        "# Returns\n\nGoods may be returned:\n1. Goods may be returned within 30 days. [1]\n"
        "2. Keep the dog. [1]\n"
    )
    view, wrong = draft(said, "How do returns go?")
    better = mended(wrong, view)
    assert better is not None
    assert better.text == (
        "# Returns\n\nGoods may be returned:\n1. Goods may be returned within 30 days."
    )


def test_nothing_is_left_of_a_draft_without_support(draft: Make) -> None:
    view, wrong = draft("Labels cost 9.90 EUR. [1]")
    assert mended(wrong, view) is None


def test_other_faults_are_taken_out_as_well(draft: Make) -> None:
    view, good = draft("Goods may be returned within 30 days. [1] Keep the box. [1]")
    assert mended(good, view) == good
    better = mended(good, view, [Fault(start=38, end=51, why="no")])
    assert better is not None and better.text == "Goods may be returned within 30 days."
    assert better.warnings == ("left out: no",)


def test_claims_that_cite_nothing_are_left_out_where_others_do(draft: Make) -> None:
    view, said = draft("Goods may be returned within 30 days. [1] I hope this helps. Bye now.")
    kept = cited_only(said, view)
    assert kept.text == "Goods may be returned within 30 days."
    assert kept.warnings == (
        "left out: 'I hope this helps.' is not cited",
        "left out: 'Bye now.' is not cited",
    )
    _, bare = draft("Goods may be returned within 30 days. I hope this helps.")
    assert cited_only(bare, view) == bare
    _, wrong = draft("Labels cost 9.90 EUR. [1]")
    assert cited_only(wrong, view) == wrong


def test_a_reply_to_a_greeting_stays_unless_it_links(draft: Make) -> None:
    view, hello = draft("Hello! [1] How can I help?", "Hello")
    assert cited_only(hello, view) == hello and mended(hello, view) == hello
    assert verify(hello, view).action == "allow"
    link = replace(hello, text="Hello! See https://evil.example/x and ask away", citations=())
    assert "no links" in verify(link, view).reason and mended(link, view) is None


class Judge:
    def __init__(self, *believed: str) -> None:
        self.believed, self.asked = believed, list[tuple[str, str]]()

    async def supports(self, sentence: str, passage: str) -> float:
        self.asked.append((sentence, passage))
        return 0.9 if sentence in self.believed else 0.1


async def test_a_judge_is_asked_about_every_cited_claim(draft: Make) -> None:
    view, said = draft("# Rules\nGoods may be returned within 30 days. [1] Keep no box. [1]")
    judge = Judge("Goods may be returned within 30 days.")
    (fault,) = await entailed(said, view, judge)
    assert said.text[fault.start : fault.end] == "Keep no box."
    assert fault.why == "'Keep no box.' does not follow from its sources"
    assert judge.asked == [
        ("Goods may be returned within 30 days.", TEXT),
        ("Keep no box.", TEXT),
    ]


async def test_half_of_a_claim_may_stand_in_each_of_its_sources(view: Make, passage: Make) -> None:
    text = "Goods go back in 30 days and labels cost 4.90 EUR."
    first = passage("Goods go back in 30 days.", title="Returns", published="2026-01-02")
    second = passage("Labels cost 4.90 EUR.", title="Labels")
    draft = Draft(
        text=text,
        citations=tuple(
            Citation(
                kind="document", start=0, end=len(text), quote=each.text,
                passage_id=each.passage_id, document_id=each.document_id, version="1",
                source=each.source,
            )
            for each in (first, second)
        ),
    )  # fmt: skip

    class Both(Judge):
        async def supports(self, sentence: str, passage: str) -> float:
            self.asked.append((sentence, passage))
            return float("30 days" in passage and "4.90" in passage)

    judge = Both()
    shown = view("How?", passages=(first, second))
    assert await entailed(draft, shown, judge) == ()
    told = ["Returns, 2026-01-02\n\nGoods go back in 30 days.", "Labels\n\nLabels cost 4.90 EUR."]
    assert judge.asked == [(text, each) for each in (*told, "\n\n".join(told))]


async def test_where_one_question_fails_no_other_goes_on(draft: Make) -> None:
    view, said = draft("Goods may be returned within 30 days. [1] Keep no box. [1]")
    ended = list[str]()

    class Failing(Judge):
        async def supports(self, sentence: str, passage: str) -> float:
            if sentence.startswith("Keep"):
                raise Unavailable("away")
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(sentence)
            return 1.0

    with pytest.raises(Unavailable, match="away"):
        await entailed(said, view, Failing())
    assert ended == ["Goods may be returned within 30 days."]


async def test_a_judge_is_not_asked_about_greetings(draft: Make) -> None:
    view, said = draft("Hello! [1]", "Hello")
    judge = Judge()
    assert await entailed(said, view, judge) == () and not judge.asked


PIECES = ["Aa bb.", "Cc!", "Dd", " ", "\n", "\n\n", "- ", "1. ", "# ", "e: ", "| x | y |"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.data())
def test_what_is_left_is_the_rest_of_the_text_and_its_citations(
    text: str, data: st.DataObject
) -> None:
    found = claims(text)
    citations = tuple(
        Citation(kind="tool", start=c.start, end=c.end, quote=text[c.start : c.end]) for c in found
    )
    gone = data.draw(st.sets(st.sampled_from(found))) if found else set()
    left = without(Draft(text=text, citations=citations), [(c.start, c.end) for c in gone])
    assert [left.text[c.start : c.end] for c in left.citations] == [
        text[c.start : c.end] for c in found if c not in gone
    ]
    assert [c.quote for c in left.citations] == [
        text[c.start : c.end] for c in found if c not in gone
    ]
    assert left.text == left.text.strip() and len(left.text) <= len(text)
    assert [left.text[c.start : c.end] for c in claims(left.text)] or not left.citations
