"""BM25 over whole arrays beside a reference that goes from chunk to chunk."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.embedded.postings import (
    K1,
    B,
    Field,
    Postings,
    best,
    frequencies,
    scores,
)

Chunk = dict[int, int]
"""Weight of each term of a chunk."""
CHUNKS = st.lists(st.dictionaries(st.integers(1, 9), st.integers(1, 255), max_size=6), max_size=20)
QUERY = st.dictionaries(st.integers(1, 12), st.integers(1, 3), max_size=4)


def segments(chunks: Sequence[Chunk], cuts: Sequence[int]) -> list[Postings]:
    """The chunks in as many segments as there are stretches between the cuts."""
    ends = sorted({0, len(chunks), *(cut for cut in cuts if cut < len(chunks))})
    found = []
    for start, end in pairwise(ends):
        part = chunks[start:end]
        counts = np.array([len(chunk) for chunk in part], dtype=np.int64)
        numbers = np.array([term for chunk in part for term in chunk], dtype=np.uint32)
        weights = np.array([w for chunk in part for w in chunk.values()], dtype=np.uint8)
        found.append(Postings.inverted(counts, numbers, weights, start))
    return found


def field_of(chunks: Sequence[Chunk], hidden: Sequence[int]) -> Field:
    lengths = np.array([sum(chunk.values()) for chunk in chunks], dtype=np.float32)
    visible = np.array([at not in hidden for at in range(len(chunks))], dtype=bool)
    return Field.of(lengths, visible if hidden else None)


def reference(chunks: Sequence[Chunk], hidden: Sequence[int], query: Chunk) -> list[float]:
    seen = [chunk for at, chunk in enumerate(chunks) if at not in hidden]
    lengths = [sum(chunk.values()) for chunk in seen]
    average = sum(lengths) / len(lengths) if lengths else 0.0
    found = []
    for at, chunk in enumerate(chunks):
        total = 0.0
        for term, times in query.items() if at not in hidden else ():
            if term in chunk:
                holding = sum(term in other for other in seen)
                idf = max(math.log((len(seen) - holding + 0.5) / (holding + 0.5)), 1e-6)
                norm = K1 * (1 - B + B * sum(chunk.values()) / average)
                total += times * idf * chunk[term] * (K1 + 1) / (chunk[term] + norm)
        found.append(total)
    return found


@given(CHUNKS, st.lists(st.integers(0, 19), max_size=5), st.lists(st.integers(1, 19)), QUERY)
def test_scores_are_those_of_the_formula_over_visible_chunks(
    chunks: list[Chunk], hidden: list[int], cuts: list[int], query: Chunk
) -> None:
    got = scores(segments(chunks, cuts), field_of(chunks, hidden), query)
    assert got.tolist() == pytest.approx(reference(chunks, hidden, query), rel=1e-4, abs=1e-6)


@given(CHUNKS, st.lists(st.integers(0, 19), max_size=5), st.lists(st.integers(1, 19)))
def test_frequencies_count_visible_chunks(
    chunks: list[Chunk], hidden: list[int], cuts: list[int]
) -> None:
    terms = {f"stem{number}": number for number in range(12)}
    seen = [chunk for at, chunk in enumerate(chunks) if at not in hidden]
    wanted = {stem: sum(number in chunk for chunk in seen) for stem, number in terms.items()}
    got = frequencies(segments(chunks, cuts), field_of(chunks, hidden), terms)
    assert got == {stem: count for stem, count in wanted.items() if count}


@given(CHUNKS.filter(bool), st.lists(st.integers(1, 19)))
def test_merged_segments_are_one_made_at_once(chunks: list[Chunk], cuts: list[int]) -> None:
    merged = Postings.merged(segments(chunks, cuts))
    (whole,) = segments(chunks, ())
    for name in ("terms", "starts", "chunks", "weights"):
        assert getattr(merged, name).tolist() == getattr(whole, name).tolist()


@given(CHUNKS.filter(bool))
def test_a_term_gives_its_chunks_and_weights(chunks: list[Chunk]) -> None:
    (whole,) = segments(chunks, ())
    for term in range(12):
        positions, weights = whole.of(term)
        wanted = {at: chunk[term] for at, chunk in enumerate(chunks) if term in chunk}
        assert dict(zip(positions.tolist(), weights.tolist(), strict=True)) == wanted


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), max_size=30), st.integers(1, 35))
def test_the_best_are_the_first_of_a_stable_sort(values: list[float], n: int) -> None:
    wanted = sorted((-value, at) for at, value in enumerate(values) if value > 0)[:n]
    got = best(np.array(values, dtype=np.float32), n)
    assert got.tolist() == [at for _, at in wanted]
