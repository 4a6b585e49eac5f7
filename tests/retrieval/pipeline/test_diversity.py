import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.pipeline.diversity import capped, distinct, diversified
from fairlead.retrieval.stored import Candidate, Ref
from fairlead.schema import Hit

PLACES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=15)
"""Document and text of each passage, best first."""


def candidates(places: list[tuple[str, int]]) -> dict[Ref, Candidate]:
    return {at: candidate(document, text) for at, (document, text) in enumerate(places)}


def candidate(document: str, text: int, read: tuple[Ref, int, int] | None = None) -> Candidate:
    hit = Hit(
        passage_id=f"{document}{text}",
        document_id=document,
        version="v",
        source=document,
        title="",
        text=f"text {text}",
        score=0.0,
        rank=0,
        start=0,
        end=6,
        tenant="t",
        collection="c",
    )
    place = read or (document, text, text + 1)
    return Candidate(hit=hit, body=hit.text, title="", read=place, digest=bytes([text]))


@given(PLACES)
def test_each_text_stands_once_by_its_best(places: list[tuple[str, int]]) -> None:
    kept = distinct(list(range(len(places))), candidates(places))
    texts = [text for _, text in places]
    assert kept == sorted({texts.index(text) for text in texts})


def test_children_of_one_parent_stand_once() -> None:
    """Their texts differ, and the same stretch would be read."""
    found: dict[Ref, Candidate] = {
        1: candidate("a", 1, read=("a", 0, 90)),
        2: candidate("a", 2, read=("a", 0, 90)),
        3: candidate("a", 3, read=("a", 90, 99)),
    }
    assert distinct([2, 1, 3], found) == [2, 3]


@given(PLACES, st.integers(1, 4))
def test_no_document_takes_more_than_its_share_of_the_front(
    places: list[tuple[str, int]], most: int
) -> None:
    ranked: list[Ref] = list(range(len(places)))
    result = capped(ranked, candidates(places), most)
    documents = [document for document, _ in places]
    front = sum(min(most, documents.count(name)) for name in set(documents))
    first, rest = result[:front], result[front:]
    assert sorted(map(int, result)) == ranked
    assert sorted(map(int, first)) == first
    assert sorted(map(int, rest)) == rest
    assert all(sum(documents[int(ref)] == name for ref in first) <= most for name in "abc")


@given(PLACES)
def test_no_limit_changes_nothing(places: list[tuple[str, int]]) -> None:
    ranked: list[Ref] = list(range(len(places)))
    assert capped(ranked, candidates(places), 0) == ranked


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 25), st.floats(0, 1))
def test_it_keeps_every_passage_once(worth: list[float], k: int, relevance: float) -> None:
    ranked: list[Ref] = list(range(len(worth)))
    vectors = np.random.default_rng(len(worth)).normal(size=(len(worth), 4)).astype(np.float32)
    scores = dict(zip(ranked, worth, strict=True))
    assert sorted(diversified(ranked, scores, vectors, k, relevance), key=str) == sorted(
        ranked, key=str
    )


@given(
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=9),
    st.integers(1, 9),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_each_next_one_is_the_best_by_the_formula(
    worth: list[float], k: int, relevance: float, seed: int
) -> None:
    ranked: list[Ref] = list(range(len(worth)))
    vectors = np.random.default_rng(seed).normal(size=(len(worth), 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    result = [
        int(ref) for ref in diversified(ranked, dict(enumerate(worth)), vectors, k, relevance)
    ]
    cosines = vectors @ vectors.T

    def marginal(at: int, before: list[int]) -> float:
        like = max((0.0, *(float(cosines[at, other]) for other in before)))
        return relevance * worth[at] - (1 - relevance) * like

    for place in range(min(k, len(worth))):
        before, left = result[:place], result[place:]
        best = max(marginal(at, before) for at in left)
        assert marginal(result[place], before) == pytest.approx(best, abs=1e-5)
    assert sorted(result[k:]) == result[k:]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_relevance_alone_keeps_the_order(worth: list[float]) -> None:
    ranked: list[Ref] = list(range(len(worth)))
    scores = dict(zip(ranked, sorted(worth, reverse=True), strict=True))
    vectors = np.eye(len(worth), dtype=np.float32)
    assert diversified(ranked, scores, vectors, 10, 1.0) == ranked


def test_a_repetition_waits() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert diversified([1, 2, 3], {1: 1.0, 2: 0.9, 3: 0.85}, vectors, 3, 0.9) == [1, 3, 2]


def test_without_vectors_the_order_stays() -> None:
    assert diversified([2, 1], {1: 1.0, 2: 0.5}, np.zeros((0, 0), np.float32), 2, 0.5) == [2, 1]
