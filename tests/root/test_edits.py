import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.edits import distance, within_edits


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


WORD = st.text(alphabet="abc", max_size=7)


def slow_distance(left: str, right: str) -> int:
    """Optimal string alignment, from its definition."""
    if not left or not right:
        return len(left) + len(right)
    best = min(
        slow_distance(left[1:], right) + 1,
        slow_distance(left, right[1:]) + 1,
        slow_distance(left[1:], right[1:]) + (left[0] != right[0]),
    )
    if len(left) > 1 and len(right) > 1 and left[0] == right[1] and left[1] == right[0]:
        best = min(best, slow_distance(left[2:], right[2:]) + 1)
    return best


@given(st.text(alphabet="abc", max_size=5), st.text(alphabet="abc", max_size=5), st.integers(0, 5))
def test_edits_are_counted_up_to_a_limit(left: str, right: str, limit: int) -> None:
    assert distance(left, right, limit) == min(slow_distance(left, right), limit + 1)


@given(WORD, WORD, st.integers(0, 3))
def test_a_quick_look_at_the_letters_loses_nothing(one: str, other: str, edits: int) -> None:
    assert within_edits(one, other, edits) == (distance(one, other, edits) <= edits)
    assert within_edits(one, other, edits) == within_edits(other, one, edits)
