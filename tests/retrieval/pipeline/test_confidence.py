"""How likely an answer is: what a search shows, and what a cosine means in a collection."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.pipeline.confidence import (
    Scale,
    Signals,
    confidence,
    first_sentence,
    idf,
    measured_scale,
    signals,
)
from fairlead.retrieval.store import Snapshot
from tests.retrieval.conftest import HashEmbedder


@given(st.floats(0, 1), st.none() | st.floats(-1, 1), st.floats(-1, 0.5), st.floats(0.2, 1))
def test_it_is_a_share(coverage: float, cosine: float | None, low: float, width: float) -> None:
    seen = Signals(coverage=coverage, cosine=cosine)
    assert 0 <= confidence(seen, Scale(low=low, high=low + width)) <= 1


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1))
def test_a_nearer_passage_is_never_less_likely(one: float, other: float, coverage: float) -> None:
    found = [
        confidence(Signals(coverage=coverage, cosine=cosine), Scale())
        for cosine in sorted((one, other))
    ]
    assert found == sorted(found)


@given(st.floats(-1, 1), st.floats(0.2, 1))
def test_a_scale_is_stored_and_read(low: float, width: float) -> None:
    scale = Scale(low=low, high=low + width)
    read = Scale.parsed(str(scale))
    assert (read.low, read.high) == pytest.approx((scale.low, scale.high), abs=1e-6)
    assert Scale.parsed("") == Scale()


async def test_signals_of_a_search(snapshot: Snapshot) -> None:
    weights = await idf(snapshot, ["tarkovski", "film", "zzz"])
    assert weights["zzz"] == pytest.approx(math.log(1 + 4.5 / 0.5))
    assert weights["zzz"] > weights["film"] > weights["tarkovski"] > 0
    terms = ["film", "tarkovsky", "film"]
    found = await signals(snapshot, terms, ["A film.", "By Tarkovsky."], {1: 0.3, 2: 0.7})
    mass = weights["film"] + weights["tarkovski"]
    assert found.coverage == pytest.approx(weights["film"] / mass)  # of the best passage
    assert found.cosine == 0.7
    nothing = await signals(snapshot, [], [], {})
    assert nothing == Signals(coverage=0.0, cosine=None)


async def test_a_scale_is_measured_on_the_collection(snapshot: Snapshot) -> None:
    embedder = HashEmbedder()
    foreign = embedder.embed([f"alien{n} unheard{n} strange{n}" for n in range(12)])
    scale = await measured_scale(snapshot, foreign, {})
    assert scale.high == pytest.approx(scale.low + 0.2)  # too few sentences to measure it by
    best = sorted([max((await snapshot.dense(vector, 1)).values()) for vector in foreign])
    assert scale.low == pytest.approx(float(np.mean(best[:10])))  # without the upper sixth


async def test_a_passage_is_not_compared_with_itself(snapshot: Snapshot) -> None:
    held = await snapshot.candidates(await snapshot.sample(9))
    vectors = await snapshot.vectors_of(list(held))
    own = {each.hit.passage_id: v for each, v in zip(held.values(), vectors, strict=True)}
    scale = await measured_scale(snapshot, -vectors, own)
    pairs = vectors @ vectors.T - 9 * np.eye(len(vectors), dtype=np.float32)
    assert scale.high == pytest.approx(float(pairs.max(axis=1).mean()), abs=1e-3)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("# A heading of some five words\nShort one. This is a sentence of seven words. More.",
         "This is a sentence of seven words."),
        ("Too short. So is this.", ""),
        ("", ""),
        ("word " * 400, ("word " * 400)[:300]),
    ],
)  # fmt: skip
def test_first_sentence(body: str, sentence: str) -> None:
    assert first_sentence(body) == sentence


def test_the_sentences_of_a_page_are_not_its_headings() -> None:
    lines: Sequence[str] = ["# one two three four five", "", "six seven eight nine ten"]
    assert first_sentence("\n".join(lines)) == "six seven eight nine ten"
