import pytest

from fairlead.agents.questions import (
    PARTS,
    asked,
    clauses,
    leans,
    parts,
    proper_names,
    small_talk,
    standalone,
    topic,
)
from fairlead.schema import Turn


def turn(question: str) -> Turn:
    return Turn(question=question, answer="", status="answered")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Hello!", "greeting"),
        ("hi there", "greeting"),
        ("Good morning", "greeting"),
        ("Thanks a lot!", "thanks"),
        ("Thank you, that helps.", "thanks"),
        ("ok", "thanks"),
        ("bye", "farewell"),
        ("Who are you?", "identity"),
        ("What can you do?", "identity"),
        ("help", "identity"),
    ],
)
def test_pleasantries_are_told_apart(said: str, kind: str) -> None:
    assert small_talk(said) == kind


@pytest.mark.parametrize(
    "said",
    [
        "Hello, how do I return an order?",
        "Thanks! And in France?",
        "help me cancel my order",
        "great, and how long does it take?",
        "Who is the owner?",
        "",
        "Hi, my tent leaks",
        "hello " * 50,
    ],
)
def test_what_asks_something_is_no_pleasantry(said: str) -> None:
    assert small_talk(said) is None


def test_two_questions_in_one_sentence_are_split() -> None:
    assert parts("How much does it weigh, and how long does delivery take?") == (
        "How much does it weigh",
        "how long does delivery take?",
    )
    assert parts("How long are cards valid and how many points is a voucher?") == (
        "How long are cards valid",
        "how many points is a voucher?",
    )


def test_a_statement_stays_with_the_question_behind_it() -> None:
    assert parts("I lost my key. What now? Who pays?") == ("I lost my key. What now?", "Who pays?")
    assert parts("Who pays? I lost my key.") == ("Who pays? I lost my key.",)


@pytest.mark.parametrize(
    "said", ["Can I pay by card and by bank transfer?", "Does it show, when it is wet?", "boots"]
)
def test_one_question_stays_whole(said: str) -> None:
    assert parts(said) == (said,)


def test_a_flood_of_questions_is_cut() -> None:
    assert len(parts("Who is it? " * 50)) == PARTS


def test_long_clauses_are_searched_by_themselves() -> None:
    question = "The tent leaks at the seams, while the other one stays dry inside"
    assert clauses(question) == ("The tent leaks at the seams", "the other one stays dry inside")
    assert clauses("Who pays, and when?") == ()


@pytest.mark.parametrize(
    "said",
    [
        "and in France?",
        "Who counts as one of those?",
        "What about Norway?",
        "Is that encrypted?",
        "How heavy is it?",
        "1042",
        "Mine is a generator. How does it work then?",
    ],
)
def test_follow_ups_lean_on_what_came_before(said: str) -> None:
    assert leans(said)


@pytest.mark.parametrize(
    "said",
    [
        "How long may customers in Germany return goods?",
        "What is Sentry used for?",
        "If a repository is disabled, do the forks stay open?",
        "Is there a student discount?",
        "What does it cost to return a tent?",
    ],
)
def test_whole_questions_do_not(said: str) -> None:
    assert not leans(said)


def test_a_follow_up_takes_the_topic_of_the_turn_that_stood_alone() -> None:
    history = (turn("How long may I return order A-1042?"), turn("and in France?"), turn("thanks"))
    assert standalone("And in Norway?", history) == (
        "How long may I return order? and in France? And in Norway?"
    )
    assert standalone("How do I wash a tent?", history) == "How do I wash a tent?"
    assert standalone("And in Norway?", ()) == "And in Norway?"


def test_a_second_question_that_leans_gets_the_first() -> None:
    both = asked("How long is the warranty on a tent, and what does it cover?")
    assert [each.focus for each in both] == [
        "How long is the warranty on a tent",
        "what does it cover?",
    ]
    assert both[1].text == "How long is the warranty on a tent what does it cover?"


def test_identifiers_and_addresses_are_no_topic() -> None:
    assert topic("Where is order #1042 of a.b@c.example?") == "Where is order of?"
    assert topic("Is the Fjord 5 warm?") == "Is the Fjord 5 warm?"


def test_names_are_told_by_how_they_are_written() -> None:
    assert proper_names("Does Nushell run on macOS? It should.") == {"nushell", "macos"}
    assert proper_names("CAN I PAY WITH BITCOIN") == frozenset()
