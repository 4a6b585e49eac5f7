"""Near duplicates: found beside the similarity of every two texts, and never torn apart."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.training import likeness
from fairlead.serving.training.likeness import Groups, Likeness, shingler

WORD = st.sampled_from("apple pear plum fig date lime kiwi quince".split())
TEXTS = st.lists(st.lists(WORD, max_size=9).map(" ".join), max_size=12)


def grouped(texts: list[str], threshold: float = 0.8) -> tuple[Groups, list[tuple[int, int]]]:
    found, groups = Likeness(threshold), Groups(len(texts))
    for text in texts:
        found.note(text)
    return groups, list(found.pairs(texts.__getitem__, groups))


@given(TEXTS)
def test_two_texts_are_in_one_group_where_a_chain_of_alike_ones_joins_them(
    texts: list[str],
) -> None:
    groups, _ = grouped(texts)
    wanted, compare = Groups(len(texts)), shingler()
    for one, other in itertools.combinations(range(len(texts)), 2):
        if compare.similarity(texts[one], texts[other]) >= 0.8:
            wanted.join(one, other)
    assert [groups.of(n) for n in range(len(texts))] == [wanted.of(n) for n in range(len(texts))]


def test_each_pair_joins_groups_and_names_the_earlier_first() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    texts = [text, "something else entirely here", f"{text} fifteen", f"{text} sixteen", text]
    groups, pairs = grouped(texts)
    assert len(pairs) == 3 and all(one < other for one, other in pairs)
    assert [groups.of(number) for number in range(5)] == [0, 1, 0, 0, 0]


def test_without_texts_of_three_words_nothing_is_alike() -> None:
    assert grouped(["one two", "one two", ""])[1] == []
    assert grouped([])[1] == []


def test_a_band_that_very_many_share_costs_no_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that begin alike and are not alike: each is compared with a few of them at most."""
    monkeypatch.setattr(likeness, "_COMPARED", 2)
    said = [" ".join(["a b c d e", *(f"{n}x{k}" for k in range(6))]) for n in range(100)]
    read: list[int] = []

    def text(number: int) -> str:
        read.append(number)
        return said[number]

    found, groups = Likeness(0.8), Groups(len(said))
    for each in said:
        found.note(each)
    assert list(found.pairs(text, groups)) == []
    pairs = len(read) // 2
    assert 100 < pairs < 100 * 99 // 2 / 3
