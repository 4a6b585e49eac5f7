from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.fusion import fused, scaled

SCORES = st.dictionaries(st.integers(0, 30), st.floats(-1e6, 1e6), max_size=20)


@given(SCORES, SCORES, st.sets(st.integers(0, 30)))
def test_scores_stay_between_0_and_1(
    lexical: dict[int, float], dense: dict[int, float], pending: set[int]
) -> None:
    found = fused(lexical, dense, has_vector=lambda key: key not in pending)
    assert set(found) == set(lexical) | set(dense)
    assert all(0.0 <= score <= 1.0 for score in found.values())


def test_one_entry_and_equal_scores_are_1() -> None:
    assert scaled({7: -3.0}) == {7: 1.0}
    assert scaled({7: 2.0, 8: 2.0}) == {7: 1.0, 8: 1.0}
    assert scaled({}) == {}


def test_weights() -> None:
    found = fused({1: 9.0, 2: 5.0, 3: 1.0}, {1: 0.1, 2: 0.9}, has_vector=lambda _: True)
    assert found == {1: 0.5, 2: 0.5 + 0.5 * 0.5, 3: 0.0}


def test_a_chunk_without_vector_keeps_its_lexical_score() -> None:
    assert fused({1: 9.0, 2: 5.0}, {2: 0.5}, has_vector=lambda key: key == 2)[1] == 1.0
