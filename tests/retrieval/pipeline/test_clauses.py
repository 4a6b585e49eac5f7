import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.analysis import words
from fairlead.retrieval.pipeline.clauses import MOST, SHORTEST, clauses


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "What does tea cost in Norway and what does coffee cost in Sweden?",
            ("What does tea cost in Norway", "what does coffee cost in Sweden"),
        ),
        (
            "How long does delivery take there? Who pays the label for damaged goods?",
            ("How long does delivery take there", "Who pays the label for damaged goods"),
        ),
        (
            "the return policy of shop Alpha compared to the return policy of shop Beta",
            ("the return policy of shop Alpha", "the return policy of shop Beta"),
        ),
    ],
)
def test_questions_are_taken_apart(question: str, parts: tuple[str, ...]) -> None:
    assert clauses(question) == parts


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What does tea cost in Norway?",
        "Do you sell tea and coffee?",
        "How do I pay and how do I return?",  # the parts are too short to be searched alone
        "What does tea cost in Norway and who is it that you are?",
    ],
)
def test_one_question_stays_one(question: str) -> None:
    assert clauses(question) == ()


@given(st.lists(st.sampled_from("tea cup ; , and what ? while pot jug can the".split())))
def test_parts_are_parts(said: list[str]) -> None:
    question = " ".join(said)
    found = clauses(question)
    assert len(found) != 1 and len(found) <= MOST
    at = 0
    for part in found:
        at = question.index(part, at) + len(part)
        assert len(words(part)) >= SHORTEST
