"""What is set aside for validation."""

import itertools
import random
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.training.likeness import Groups, shingler
from fairlead.serving.training.split import set_aside
from fairlead.serving.training.wording import prompt_text, whole_text
from tests.serving.training.conftest import chat, different, examined, written

GROUPS = st.lists(st.integers(0, 8), min_size=1, max_size=40)
SHARE = st.floats(0.01, 0.5)


def grouped(labels: list[int]) -> Groups:
    groups = Groups(len(labels))
    for number, label in enumerate(labels):
        groups.join(number, labels.index(label))
    return groups


@given(GROUPS, SHARE)
def test_a_group_is_never_torn_apart_and_each_side_has_one(labels: list[int], share: float) -> None:
    prompts = [hash(("prompt", number)) for number in range(len(labels))]
    aside = set_aside(range(len(labels)), grouped(labels), prompts, share)
    inside = {labels[number] for number in aside}
    outside = {labels[number] for number in range(len(labels)) if number not in aside}
    assert not inside & outside
    assert bool(inside) == (len(set(labels)) > 1) and outside


@given(GROUPS, SHARE, st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(
    labels: list[int], share: float, chance: random.Random
) -> None:
    numbers = list(range(len(labels)))
    chance.shuffle(numbers)
    one = set_aside(range(len(labels)), grouped(labels), list(range(len(labels))), share)
    mixed = [labels[number] for number in numbers]
    other = set_aside(range(len(labels)), grouped(mixed), numbers, share)
    assert {numbers[place] for place in other} == set(one)


def test_the_share_is_about_what_was_asked_and_later_examples_move_nothing() -> None:
    some = set_aside(range(5000), Groups(5000), range(5000), 0.1)
    assert 430 < len(some) < 570
    more = set_aside(range(9000), Groups(9000), range(9000), 0.1)
    assert {number for number in more if number < 5000} == some
    assert set_aside(range(5000), Groups(5000), range(5000), 0.0) == frozenset()


WORD = st.sampled_from("apple pear plum fig date lime kiwi quince".split())
TEXT = st.lists(WORD, min_size=1, max_size=8).map(" ".join)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=14))
def test_no_near_duplicate_straddles_the_split(said: list[tuple[str, str]]) -> None:
    lines = [*(chat(asked, answered) for asked, answered in said), *different(4)]
    with tempfile.TemporaryDirectory() as folder:
        data = written(Path(folder) / "data.jsonl", lines)
        examples = list(data.examples())
        found = examined(data, min_examples=1)
    aside = set_aside(range(len(lines)), found.groups, found.survey.prompts, 0.5)
    assert aside and len(aside) < len(lines)
    alike = shingler().similarity
    for one, other in itertools.product(aside, set(range(len(lines))) - aside):
        for text in (prompt_text, whole_text):
            first, second = text(examples[one]), text(examples[other])
            assert first != second and alike(first, second) < 0.8
