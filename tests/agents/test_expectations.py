import pytest

from fairlead.agents.expectations import expected


@pytest.mark.parametrize(
    ("question", "kind", "answer", "near_miss"),
    [
        (
            "How long may I return goods?",
            "duration",
            "Within 30 days of delivery.",
            "Goods may be returned.",
        ),
        ("How often may I order?", "duration", "No more than quarterly.", "You may order more."),
        (
            "How long must a foot be for size 42?",
            "duration",
            "Size 42 fits 26.5 cm.",
            "Measure it.",
        ),
        (
            "What does it cost to send it back?",
            "money",
            "The label costs 4.90 EUR.",
            "See the price list.",
        ),
        ("How much is the salary?", "number", "It is 3,000.", "It is competitive."),
        ("What share of the price does the seller get?", "percent", "95% of it.", "Most of it."),
        (
            "How many requests per minute are allowed?",
            "count",
            "120 requests per minute",
            "12 seats",
        ),
        ("In which year was it founded?", "year", "In 1999.", "Long ago."),
        ("Who is the head of support?", "person", "Maria Lopez leads it.", "The team leads it."),
        ("Which release dropped Python 3.7?", "number", "Version 8.2.0", "Dropped Python 3.7."),
        ("How heavy is it?", "number", "It weighs 980 g.", "It is light."),
    ],
)
def test_what_is_asked_for_is_known_and_recognised(
    question: str, kind: str, answer: str, near_miss: str
) -> None:
    wanted = expected(question)
    assert wanted and wanted.kind == kind
    assert wanted.met(answer)
    assert not wanted.met(near_miss)


@pytest.mark.parametrize("question", ["Can I pay by card?", "Why is it slow?", "Where is it?"])
def test_other_questions_expect_nothing_special(question: str) -> None:
    assert expected(question) is None


def test_the_counted_thing_must_stand_beside_the_number() -> None:
    wanted = expected("How many weeks of leave do I get?")
    assert wanted and wanted.nouns == {"week", "leav"}
    assert wanted.met("You can take up to 16 weeks.")
    assert not wanted.met("Support works five days per week.")


def test_a_release_may_stand_in_a_heading() -> None:
    wanted, other = expected("Which version added it?"), expected("What does it cost?")
    assert wanted and wanted.titled
    assert other and not other.titled
    assert "cost" in other.asking
