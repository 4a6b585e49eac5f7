"""Vectors in two planes beside the float32 that they were made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fairlead.retrieval.embedded.matrix import Matrix, quantized, restored

Vectors = NDArray[np.float32]
SIZES = st.tuples(st.integers(1, 60), st.integers(1, 48), st.integers(0, 2**32 - 1))


def units(count: int, width: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def matrix_of(vectors: Vectors, first: int = 1) -> Matrix:
    stored = quantized(vectors)
    return Matrix.of([(first + at, scale, data) for at, (scale, data) in enumerate(stored)])


def found(vectors: Vectors, query: Vectors, wide: int) -> list[int]:
    """The best ten by both planes among the best `wide` by the coarse one, as a search does it."""
    first = np.argsort(-matrix_of(vectors).cosines(query), kind="stable")[:wide]
    stored = quantized(vectors)
    exact = restored([stored[at] for at in first]) @ query
    return [int(first[at]) for at in np.argsort(-exact, kind="stable")[:10]]


@given(SIZES)
def test_both_planes_restore_a_vector(sizes: tuple[int, int, int]) -> None:
    vectors = units(*sizes)
    step = np.abs(vectors).max(axis=1, keepdims=True) / 127
    assert (np.abs(restored(quantized(vectors)) - vectors) <= step / 400).all()


@given(SIZES)
def test_the_coarse_plane_is_within_half_a_step(sizes: tuple[int, int, int]) -> None:
    vectors = units(*sizes)
    query = units(1, sizes[1], 7)[0]
    bound = np.abs(vectors).max(axis=1) / 127 / 2 * np.abs(query).sum()
    error = np.abs(matrix_of(vectors).cosines(query) - vectors @ query)
    assert (error <= bound + 1e-5).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_search_finds_the_ten_best_of_float32(seed: int) -> None:
    vectors = units(3000, 96, seed)
    for query in units(20, 96, 100 + seed):
        exact = vectors @ query
        assert exact[found(vectors, query, 100)] == pytest.approx(np.sort(exact)[:-11:-1], abs=5e-5)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=14), st.integers(0, 99))
def test_joined_blocks_are_one_matrix(sizes: list[int], seed: int) -> None:
    vectors = units(sum(sizes) + 1, 8, seed)
    query = vectors[0]
    whole = matrix_of(vectors)
    grown, at = matrix_of(vectors[:1]), 1
    for size in sizes:
        grown = grown.joined(matrix_of(vectors[at : at + size], at + 1)) if size else grown
        at += size
    assert len(grown) == len(whole)
    assert grown.rows.tolist() == whole.rows.tolist()
    assert np.allclose(grown.cosines(query), whole.cosines(query), atol=1e-6)
    assert len(grown.blocks) <= 8


def test_more_rows_than_are_compared_at_once() -> None:
    vectors = units(1300, 16, 1)
    assert np.allclose(matrix_of(vectors).cosines(vectors[5]), vectors @ vectors[5], atol=0.02)


def test_a_vector_of_zeros_is_like_nothing() -> None:
    vectors = np.zeros((1, 4), dtype=np.float32)
    assert restored(quantized(vectors)).tolist() == [[0.0] * 4]
    assert matrix_of(vectors).cosines(np.ones(4, dtype=np.float32)).tolist() == [0.0]


def test_nothing_stored() -> None:
    assert len(Matrix.of([])) == 0
    assert Matrix.of([]).cosines(np.ones(4, dtype=np.float32)).tolist() == []
