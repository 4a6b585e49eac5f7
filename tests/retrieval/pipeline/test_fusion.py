import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.analysis import query_terms
from fairlead.retrieval.pipeline.confidence import Scale
from fairlead.retrieval.pipeline.fusion import attainable, fused, mixed, shares
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Ref

REFS: st.SearchStrategy[Ref] = st.integers(0, 30)
LEXICAL = st.dictionaries(REFS, st.floats(0.01, 100), max_size=20)
COSINES = st.dictionaries(REFS, st.floats(-1, 1), max_size=20)
SCALE = Scale(low=0.2, high=0.6)


@given(LEXICAL, COSINES, st.floats(0, 100))
def test_every_chunk_of_either_side_gets_a_score_and_no_other(
    lexical: dict[Ref, float], cosines: dict[Ref, float], most: float
) -> None:
    assert set(fused(lexical, cosines, SCALE, most=most)) == {*lexical, *cosines}


@given(LEXICAL.filter(bool), COSINES.filter(bool), st.data(), st.floats(0.01, 1))
def test_a_larger_cosine_never_lowers_a_score(
    lexical: dict[Ref, float], cosines: dict[Ref, float], data: st.DataObject, more: float
) -> None:
    ref = data.draw(st.sampled_from(list(cosines)))
    before = fused(lexical, cosines, SCALE)
    after = fused(lexical, {**cosines, ref: cosines[ref] + more}, SCALE)
    assert after[ref] > before[ref]
    assert all(after[other] == before[other] for other in before if other != ref)


@given(LEXICAL.filter(lambda scores: len(scores) > 1), COSINES)
def test_with_equal_cosines_the_better_match_of_words_wins(
    lexical: dict[Ref, float], cosines: dict[Ref, float]
) -> None:
    scores = fused(lexical, {**cosines, **dict.fromkeys(lexical, 0.4)}, SCALE)
    best = max(lexical, key=lambda ref: lexical[ref])
    assert all(scores[best] >= scores[ref] for ref in lexical)


def test_the_formula() -> None:
    scores = fused({1: 8.0, 2: 4.0}, {1: 0.4, 2: 0.6, 3: 0.2}, SCALE, most=16.0)
    assert scores[1] == pytest.approx(0.3 * 0.5 + 0.7 * 0.5)
    assert scores[2] == pytest.approx(0.3 * 1.0 + 0.7 * 0.25)
    assert scores[3] == pytest.approx(0.0)


def test_without_a_most_words_are_shares_of_the_best() -> None:
    scores = fused({1: 8.0, 2: 4.0}, {1: 0.4, 2: 0.6}, SCALE)
    assert scores[1] == pytest.approx(0.45 * 0.5 + 0.55)
    assert scores[2] == pytest.approx(0.45 * 1.0 + 0.55 * 0.5)


def test_a_hopeless_match_of_words_does_not_win() -> None:
    """A word of many is found in one passage, and another means what is asked."""
    lexical: dict[Ref, float] = {1: 2.0}
    cosines: dict[Ref, float] = {1: 0.2, 2: 0.5}
    scores = fused(lexical, cosines, SCALE, most=40.0)
    assert scores[2] > scores[1]
    assert fused(lexical, cosines, SCALE)[1] > fused(lexical, cosines, SCALE)[2]


@given(LEXICAL.filter(bool), st.floats(0.01, 1000))
def test_the_part_of_words_is_at_most_one(lexical: dict[Ref, float], most: float) -> None:
    assert max(fused(lexical, {}, SCALE, most=most).values()) <= 1.0


def test_a_chunk_without_vector_keeps_its_lexical_part() -> None:
    assert fused({1: 8.0, 2: 4.0}, {1: 0.6}, SCALE)[2] == 0.5
    assert fused({1: 8.0, 2: 4.0}, {1: 0.6}, SCALE, most=16.0)[2] == 0.25


async def test_no_passage_scores_more_than_is_attainable(snapshot: Snapshot) -> None:
    """Words found everywhere they can be come near it, unknown ones take one far from it."""
    for question in ("solaris film", "stars telescope mirror", "bread flour water salt"):
        terms = query_terms(question)
        best = max((await snapshot.sparse(terms, 10)).values())
        assert 0 < best <= await attainable(snapshot, terms)
        assert await attainable(snapshot, [*terms, "zygote"]) > await attainable(snapshot, terms)


async def test_words_beyond_the_eighth_rarest_do_not_count(snapshot: Snapshot) -> None:
    unknown = [f"zy{letter}gote" for letter in "abcdefgh"]
    assert await attainable(snapshot, []) == 0.0
    assert await attainable(snapshot, [*unknown, "bread"]) == await attainable(snapshot, unknown)


def test_shares() -> None:
    assert shares({1: 4.0, 2: 1.0}) == {1: 1.0, 2: 0.25}
    assert shares({1: 0.0, 2: 0.0}) == {1: 1.0, 2: 1.0}
    assert shares({}) == {}


@given(LEXICAL)
def test_mixing_in_nothing_leaves_the_shares(lexical: dict[Ref, float]) -> None:
    assert mixed(lexical, {}, 0.3) == shares(lexical)


def test_mixing() -> None:
    assert mixed({1: 4.0, 2: 2.0}, {2: 3.0, 3: 6.0}, 0.5) == {1: 1.0, 2: 0.75, 3: 0.5}
