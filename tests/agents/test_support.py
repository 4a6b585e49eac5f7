from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents.support import Backing, complaint, quoted_best, stands
from fairlead.agents.words import fold, words
from fairlead.schema import ToolResult

Make = Callable[..., Any]
RULE = "Customers in Norway may return unused goods within 21 days of delivery."


@pytest.fixture
def backed(passage: Make) -> Make:
    """A claim's backing: a quote, the passage it is from, and the question."""

    def make(quote: str = RULE, question: str = "How long may I return?", **fields: Any) -> Backing:
        text = fields.pop("text", quote)
        source = passage(text, **fields)
        return Backing(question=question, quotes=(quote,), sources=(source,))

    return make


@pytest.mark.parametrize(
    "claim",
    [
        "You may return unused goods within 21 days of delivery.",
        "In Norway, goods may be returned within twenty-one days.",
        "Norwegian customers may return goods within 21 days.",
        "Yes.",
        "",
    ],
)
def test_what_the_source_says(backed: Make, claim: str) -> None:
    assert complaint(claim, backed()) == ""


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("You may return unused goods within 30 days.", "'30 days' in "),
        ("You may return unused goods within 21 weeks.", "'21 weeks' in "),
        ("You may return unused goods by 2 May 2026.", "'2 may 2026' in "),
        ("In Sweden you may return unused goods within 21 days.", "'Sweden' in "),
        ("You may return goods to Acme Corp within 21 days.", "'Acme', 'Corp' in "),
        ("Elephants dance on moonlit roofs.", "is not what its sources say"),
        ("Return goods at https://evil.example/x within 21 days.", "the link 'https://evil"),
        ("https://evil.example", "the link 'https://evil"),
    ],
)
def test_what_it_does_not_say(backed: Make, claim: str, why: str) -> None:
    assert why in complaint(claim, backed())


def test_a_number_of_the_question_needs_one_of_the_source_beside_it(backed: Make) -> None:
    asked = backed(question="May I return goods after 45 days?")
    assert complaint("You may return goods within 45 days of delivery.", asked)
    assert not complaint("45 days are too late: goods go back within 21 days.", asked)
    plain = backed("Orders may be returned.", question="May I return order 1042?")
    assert not complaint("Order 1042 may be returned.", plain)


def test_a_name_of_the_question_must_be_in_the_source(backed: Make) -> None:
    asked = backed(question="How long may customers in Sweden return goods?")
    assert "'Sweden'" in complaint("In Sweden goods may be returned within 21 days.", asked)
    assert "'Sweden'" in complaint("Sweden lets you return goods within 21 days.", asked)


def test_a_name_may_stand_in_title_heading_or_metadata(backed: Make) -> None:
    claim = "At Acme in Oslo you may return goods within 21 days."
    assert complaint(claim, backed()) != ""
    assert not complaint(claim, backed(title="Acme", metadata={"town": "Oslo"}))
    assert not complaint(claim, backed(headings=("Acme", "Oslo")))


def test_abbreviations_and_their_words_are_the_same_name(backed: Make) -> None:
    short = backed("The rule of the EU is that goods go back within 14 days.")
    assert not complaint("In the European Union it is the rule that goods go back.", short)
    spelt = backed("The rule of the European Union is that goods go back within 14 days.")
    assert not complaint("In the EU it is the rule that goods go back.", spelt)
    assert "'UN'" in complaint("In the UN it is the rule that goods go back.", spelt)


def test_capitals_are_no_names_where_the_language_writes_nouns_with_them(backed: Make) -> None:
    german = backed("Waren können binnen 21 Tagen nach Lieferung zurückgegeben werden.")
    assert not complaint("Die Waren gehen binnen 21 Tagen nach Lieferung zurück.", german)


def test_who_only_affirms_needs_more_of_the_source(backed: Make) -> None:
    asked = backed(
        "The Zorvex warranty is long.", question="Does the Zorvex warranty cover water damage?"
    )
    assert complaint("The Zorvex warranty covers water damage.", asked)
    covering = backed(
        "The Zorvex warranty covers water damage.",
        question="Does the Zorvex warranty cover water damage?",
    )
    assert not complaint("The Zorvex warranty covers water damage.", covering)


def test_a_calls_arguments_belong_to_what_it_said(result: Make) -> None:
    found: ToolResult = result("find_order", '{"status":"shipped"}', order_id=1042, name="Jane")
    backing = Backing(question="Where is it?", quotes=(found.text,), sources=(found,))
    assert not complaint("The order 1042 of Jane is shipped.", backing)
    assert complaint("The order 1043 of Jane is shipped.", backing)


def test_further_stretches_are_quoted_for_figures_that_the_best_one_lacks() -> None:
    text = "Goods go back in 21 days. The fee is 4.90 EUR. Fees are low. It opened in 1999."
    ends = [i + 1 for i, c in enumerate(text) if c == "." and text[i + 1 : i + 2] in (" ", "")]
    spans = list(zip([0, *[e + 1 for e in ends[:-1]]], ends, strict=True))
    claim = "Goods go back in 21 days for a fee of 4.90 EUR, since 1999."
    assert [text[a:b] for a, b in quoted_best(claim, text, spans, 3)] == [
        "Goods go back in 21 days.", "The fee is 4.90 EUR.", "It opened in 1999.",
    ]  # fmt: skip
    assert len(quoted_best(claim, text, spans, 2)) == 2
    assert [text[a:b] for a, b in quoted_best("Fees of 7 EUR are low.", text, spans, 3)] == [
        "Fees are low."
    ]


_NEAR = st.text(alphabet="abN’'s._- \n1éß²", max_size=30)


@given(_NEAR, _NEAR)
def test_a_word_stands_in_a_text_where_it_is_one_of_its_words(claim: str, text: str) -> None:
    held = set(words(text))
    for word in {*words(claim), *held} - {"s"}:  # the ending of a possessive counts as none
        assert stands(word, fold(text)) == (word in held)
