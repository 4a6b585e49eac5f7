import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.agents import ExtractiveAnswerer, verify
from fairlead.protocols import Embedder
from fairlead.schema import Turn

Make = Callable[..., Any]

GUIDE = """# Sleeping bags

## Washing

Wash a down bag at 30 °C. It needs special soap. You need:

- a large drum
- three tennis balls

| Fill | Hours |
| --- | --- |
| Down | 3 hours |
| Fibre | 1 hour |

Start the dryer like this:

```sh
dryer --low --hours 3
```
"""
ORDER = '{"order":1042,"country":"Germany","delivered":"2026-10-29"}'
TEXT = st.lists(
    st.sampled_from(
        [
            "The tent",
            " is ",
            "dry",
            ". ",
            "\n",
            "- ",
            "| a | b |\n",
            "|-|-|\n",
            "```\n",
            ": ",
            "30 days",
            "> ",
            "# Help\n",
            "It costs 5 EUR",
            "é",
            "\u200b",
        ]
    ),
    max_size=30,
).map("".join)


def said(draft: Any) -> list[str]:
    return [draft.text[c.start : c.end] for c in draft.citations]


async def test_an_answer_is_quotes_with_exact_citations(
    view: Make, passage: Make, embedder: Embedder
) -> None:
    source = passage(GUIDE, title="Sleeping bags", start=100)
    asked = view("At what temperature do I wash a down bag?", passages=(source,))
    draft = await ExtractiveAnswerer(embedder).answer(asked)
    assert draft.status == "answered" and draft.route.model == "embedded"
    assert draft.text.startswith("Wash a down bag at 30 °C.")
    for citation in draft.citations:
        assert citation.quote in source.text
        stretch = draft.text[citation.start : citation.end]
        assert " ".join(citation.quote.split()) == " ".join(stretch.split())
        assert (citation.document_id, citation.passage_id) == (source.document_id, "p1")
    assert verify(draft, asked).action == "allow"
    assert await ExtractiveAnswerer(embedder).answer(asked) == draft


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("How many tennis balls do I need?", "You need:\n- three tennis balls"),
        (
            "How many hours does fibre fill take?",
            "| Fill | Hours |\n| --- | --- |\n| Fibre | 1 hour |",
        ),
        (
            "How do I start the dryer?",
            "Start the dryer like this:\n\n```\ndryer --low --hours 3\n```",
        ),
    ],
)
async def test_lists_tables_and_code_stay_readable(
    question: str, shown: str, view: Make, passage: Make, embedder: Embedder
) -> None:
    asked = view(question, passages=(passage(GUIDE, title="Sleeping bags"),))
    draft = await ExtractiveAnswerer(embedder).answer(asked)
    assert shown in draft.text
    assert verify(draft, asked).action == "allow"


async def test_it_abstains_in_plain_words_and_names_the_nearest_page(
    view: Make, passage: Make, embedder: Embedder
) -> None:
    near = passage("Pay by card, by invoice or in the shop.", title="Payment", source="pay.md")
    asked = view("Can I pay with Bitcoin?", passages=(near,))
    draft = await ExtractiveAnswerer(embedder).answer(asked)
    assert draft.status == "abstained" and not draft.citations
    assert draft.text == (
        "I found no answer. I searched the documents for “Can I pay with Bitcoin?”. "
        "The nearest pages, without an answer: Payment (pay.md)."
    )
    assert draft.confidence is not None and draft.confidence < 0.5


async def test_every_way_of_finding_nothing_is_said(view: Make, result: Make) -> None:
    answerer = ExtractiveAnswerer()
    empty = await answerer.answer(view("Who pays the bill?"))
    assert empty.text == "I found nothing in the documents for “Who pays the bill?”."
    bare = await answerer.answer(view("Who pays the bill?", collections=()))
    assert "there are no documents to search" in bare.text
    failed = result("find_order", "", error="no order 9", order_id=9)
    lost = await answerer.answer(view("Where is order 9?", tool_results=(failed,)))
    assert lost.text == "I could not look that up. find_order failed: no order 9"


@pytest.mark.parametrize(
    ("question", "reply"),
    [("Hello!", "Hello!"), ("Thanks a lot", "You are welcome."), ("Bye", "Goodbye.")],
)
async def test_pleasantries_get_a_short_reply_without_citations(
    question: str, reply: str, view: Make
) -> None:
    draft = await ExtractiveAnswerer().answer(view(question))
    assert draft.status == "answered" and draft.text.startswith(reply) and not draft.citations
    assert verify(draft, view(question)).action == "allow"


async def test_each_of_several_questions_is_answered_or_named(
    view: Make, passage: Make, embedder: Embedder
) -> None:
    asked = view(
        "How warm do I wash a down bag, and how do I repair a broken zip?",
        passages=(passage(GUIDE, title="Sleeping bags"),),
    )
    draft = await ExtractiveAnswerer(embedder).answer(asked)
    assert "30 °C" in draft.text
    assert draft.text.endswith("I found no answer to “how do I repair a broken zip?”.")
    assert verify(draft, asked).action == "allow"


async def test_a_tool_answers_and_documents_answer_what_it_left_open(
    view: Make, passage: Make, result: Make, embedder: Embedder
) -> None:
    order = result("find_order", ORDER, order_id=1042)
    rule = passage(
        "Goods may be returned within 30 days.", title="Returns", metadata={"country": "Germany"}
    )
    answerer = ExtractiveAnswerer(embedder)
    plain = view("When was order 1042 delivered?", passages=(rule,), tool_results=(order,))
    draft = await answerer.answer(plain)
    assert draft.text == "order: 1042, delivered: 2026-10-29"
    assert [c.quote for c in draft.citations] == ['"order":1042', '"delivered":"2026-10-29"']
    both = view("How long may I return order 1042?", passages=(rule,), tool_results=(order,))
    draft = await answerer.answer(both)
    assert draft.text == ("order: 1042, country: Germany\n\nGoods may be returned within 30 days.")
    assert verify(draft, both).action == "allow"
    alone = view("How long may I return order 1042?", tool_results=(order,))
    draft = await answerer.answer(alone)
    assert draft.text.startswith(
        "I found no answer to “How long may I return order 1042?”.\n\norder"
    )
    assert verify(draft, alone).action == "allow"


async def test_a_follow_up_is_read_with_its_thread(
    view: Make, passage: Make, embedder: Embedder
) -> None:
    turn = Turn(
        question="How long may I return goods in Germany?", answer="30 days", status="answered"
    )
    asked = view(
        "and in France?",
        history=(turn,),
        passages=(
            passage(
                "Customers in Germany may return goods within 30 days.",
                metadata={"country": "Germany"},
            ),
            passage(
                "Customers in France may return goods within 45 days.",
                metadata={"country": "France"},
            ),
        ),
    )
    draft = await ExtractiveAnswerer(embedder).answer(asked)
    assert said(draft)[0] == "Customers in France may return goods within 45 days."


async def test_what_it_refers_to_is_quoted_too_and_nothing_twice(
    view: Make, passage: Make, embedder: Embedder
) -> None:
    text = "Bring the stove to a dealer. It checks the valve for free. Ask for Tom."
    twice = (passage(text), passage("Bring your stove to any dealer.", score=0.9))
    asked = view("Who checks the valve of the stove?", passages=twice)
    draft = await ExtractiveAnswerer(embedder).answer(asked)
    assert draft.text.startswith("Bring the stove to a dealer. It checks the valve for free.")
    assert draft.text.lower().count("stove") == 1


async def test_an_answer_stays_short(view: Make, passage: Make, embedder: Embedder) -> None:
    tents = (f"The tent number {n} weighs {n} kg and has {n} poles." for n in range(60))
    long = " ".join(tents)
    asked = view("How much does the tent weigh?", passages=(passage(long), passage(long[:900])))
    draft = await ExtractiveAnswerer(embedder).answer(asked)
    assert 0 < len(draft.text) <= 800


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, max_size=3), question=TEXT | st.text(max_size=30))
async def test_whatever_it_is_given_it_says_only_what_is_there(
    texts: list[str], question: str, view: Make, passage: Make
) -> None:
    asked = view(question, passages=tuple(passage(text) for text in texts))
    draft = await ExtractiveAnswerer().answer(asked)
    assert verify(draft, asked).action == "allow"
    if draft.status == "answered" and draft.citations:
        held = re.sub(r"\s+", "", "".join(p.text for p in asked.passages))
        assert all(re.sub(r"\s+", "", stretch) in held for stretch in said(draft))
