import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.pipeline.diversity import diversified
from fairlead.retrieval.stored import Ref


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 25), st.floats(0, 1))
def test_it_keeps_every_passage_once(worth: list[float], k: int, relevance: float) -> None:
    ranked: list[Ref] = list(range(len(worth)))
    vectors = np.random.default_rng(len(worth)).normal(size=(len(worth), 4)).astype(np.float32)
    scores = dict(zip(ranked, worth, strict=True))
    assert sorted(diversified(ranked, scores, vectors, k, relevance), key=str) == sorted(
        ranked, key=str
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_relevance_alone_keeps_the_order(worth: list[float]) -> None:
    ranked: list[Ref] = list(range(len(worth)))
    scores = dict(zip(ranked, sorted(worth, reverse=True), strict=True))
    vectors = np.eye(len(worth), dtype=np.float32)
    assert diversified(ranked, scores, vectors, 10, 1.0) == ranked


def test_a_repetition_waits() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert diversified([1, 2, 3], {1: 1.0, 2: 0.9, 3: 0.85}, vectors, 3, 0.9) == [1, 3, 2]
