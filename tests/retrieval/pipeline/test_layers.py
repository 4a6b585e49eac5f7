import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.pipeline.layers import documents
from fairlead.retrieval.stored import Candidate, Ref
from tests.retrieval.pipeline.test_diversity import candidate

FOUND = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(-0.2, 1)), max_size=30)


def held(found: list[tuple[str, float]]) -> tuple[dict[Ref, float], dict[Ref, Candidate]]:
    scores: dict[Ref, float] = {at: score for at, (_, score) in enumerate(found)}
    return scores, {at: candidate(document, at) for at, (document, _) in enumerate(found)}


@given(FOUND, st.integers(1, 8))
def test_each_document_stands_once_and_the_first_are_the_same_for_any_number(
    found: list[tuple[str, float]], most: int
) -> None:
    chosen = documents(*held(found), most)
    assert len(chosen) == len(set(chosen)) == min(most, len({name for name, _ in found}))
    assert chosen == documents(*held(found), 10)[:most]


@given(FOUND.filter(bool))
def test_the_best_passage_decides_where_others_cannot_make_up_for_it(
    found: list[tuple[str, float]],
) -> None:
    scores, candidates = held([*found, ("z", 1.31)])
    assert documents(scores, candidates, 1) == ["z"]


def test_further_passages_count_a_little() -> None:
    one = [("long", 0.8), ("short", 0.82), ("long", 0.5)]
    assert documents(*held(one), 2) == ["long", "short"]
    other = [("long", 0.5), ("long", 0.5), ("long", 0.5), ("long", 0.5), ("short", 0.7)]
    assert documents(*held(other), 2) == ["short", "long"]


@pytest.mark.parametrize("missing", [0, 1])
def test_a_passage_that_is_gone_speaks_for_no_document(missing: Ref) -> None:
    scores, candidates = held([("a", 0.9), ("b", 0.8)])
    del candidates[missing]
    assert documents(scores, candidates, 2) == (["b"] if missing == 0 else ["a"])
