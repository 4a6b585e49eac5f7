import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fairlead.retrieval.pipeline.smoothing import SHARE, smoothed


def vectors(seed: int, n: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


@given(st.integers(0, 10_000), st.integers(3, 40))
def test_scores_stay_within_those_given(seed: int, n: int) -> None:
    given_ = np.random.default_rng(seed).uniform(0, 1, n).astype(np.float32)
    found = smoothed(given_, vectors(seed, n))
    assert found.min() >= given_.min() - 1e-6
    assert found.max() <= given_.max() + 1e-6


@given(st.integers(0, 10_000), st.integers(3, 40))
def test_equal_scores_stay_equal(seed: int, n: int) -> None:
    found = smoothed(np.full(n, 0.5, dtype=np.float32), vectors(seed, n))
    assert found == pytest.approx(np.full(n, 0.5), abs=1e-6)


def test_a_passage_gains_by_like_ones_that_rank_high() -> None:
    alike = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    scores = np.array([1.0, 0.2, 0.2, 0.1], dtype=np.float32)
    found = smoothed(scores, np.array(alike, dtype=np.float32))
    assert found[1] == pytest.approx((1 - SHARE) * 0.2 + SHARE * 1.0)
    assert found[2] == pytest.approx((1 - SHARE) * 0.2 + SHARE * 0.1)


def test_without_vectors_scores_stay() -> None:
    scores = np.array([0.9, 0.5, 0.1], dtype=np.float32)
    assert smoothed(scores, np.zeros((3, 0), dtype=np.float32)).tolist() == scores.tolist()
    assert smoothed(scores, np.zeros((3, 4), dtype=np.float32)) == pytest.approx(scores)
