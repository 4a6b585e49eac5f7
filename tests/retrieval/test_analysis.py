import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.analysis import (
    STEMMER,
    content_words,
    match_expression,
    query_terms,
    split_identifiers,
)
from fairlead.retrieval.confidence import Scale, Signals, confidence
from fairlead.retrieval.mentions import BONUS, Mentions
from fairlead.retrieval.spelling import distance


def test_stop_words_go_unless_nothing_is_left() -> None:
    assert content_words("How do I return the parcel?") == ["return", "parcel"]
    assert content_words("What is it?") == ["what", "is", "it"]


def test_repetitions_count() -> None:
    assert query_terms("parcel, a parcel") == ["parcel", "parcel"]


def test_identifiers_are_searched_whole_and_in_parts() -> None:
    terms = query_terms("What is raised: FileNotFoundError or no_such_option?")
    assert {"filenotfounderror", "file", "found", "no_such_option", "option"} <= set(terms)
    assert split_identifiers("a FileError in parseHTTPHeader") == "file error parse http header"


@given(st.text(max_size=60))
def test_no_text_can_break_the_match_language(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(a, b)")
    terms = query_terms(text)
    if terms:
        connection.execute("SELECT * FROM t WHERE t MATCH ?", (match_expression(terms),)).fetchall()
    connection.close()


@pytest.mark.parametrize(
    "text", ['title: "x" AND b', "NEAR(a b, 1)", "a* ^b -c", '"" OR \'', "{a b}: c"]
)
def test_operators_are_only_words(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(title, body)")
    connection.execute("INSERT INTO t VALUES ('x', 'near a b c and or title x')")
    expression = match_expression(query_terms(text))
    assert connection.execute("SELECT 1 FROM t WHERE t MATCH ?", (expression,)).fetchall()
    connection.close()


def test_stems_are_those_of_the_index() -> None:
    found = STEMMER.stems(["warranties", "token_func", "Größe", "…"])
    assert found["warranties"] == ("warranti",)
    assert found["token_func"] == ("token", "func")
    assert found["…"] == ()


@pytest.mark.parametrize(
    ("left", "right", "edits"),
    [
        ("oder", "order", 1),
        ("headlmap", "headlamp", 1),
        ("abc", "abc", 0),
        ("kitten", "sitting", 3),
    ],
)
def test_distance(left: str, right: str, edits: int) -> None:
    assert distance(left, right, 2) == edits


@pytest.mark.parametrize(
    ("question", "source", "published", "named"),
    [
        ("What does options.md say?", "docs/options.md", "", True),
        ("Which options are there?", "docs/options.md", "", False),
        ("What is in the privacy summary?", "shop/privacy-summary.md", "", False),
        ("What is in the privacy summary?", "Privacy Summary", "", True),
        ("What did TechCrunch report?", "TechCrunch", "", True),
        ("What broke on October 22, 2023?", "a.md", "2023-10-22T00:00:00Z", True),
        ("What broke on 22 October?", "a.md", "2023-10-22T00:00:00Z", True),
        ("What broke on 2023-10-23?", "a.md", "2023-10-22T00:00:00Z", False),
        ("May 99 people come?", "a.md", "", False),
    ],
)
def test_mentions(question: str, source: str, published: str, named: bool) -> None:
    assert Mentions(question).bonus(source, published) == (BONUS if named else 0.0)


def test_confidence_follows_cosine_and_coverage() -> None:
    def judged(cosine: float | None, coverage: float, words: int = 5) -> float:
        seen = Signals(coverage=coverage, strength=0.0, cosine=cosine, words=words)
        return confidence(seen, Scale(low=0.2, high=0.6))

    assert judged(0.25, 0.3) < 0.1 < 0.9 < judged(0.6, 0.5)
    assert judged(0.4, 0.9) > judged(0.4, 0.2)
    assert judged(0.4, 1.0, words=2) == judged(0.4, 0.0, words=2)
    assert judged(None, 0.1) < 0.2 < 0.8 < judged(None, 0.8)
