"""How alike two texts are, beside sets of word runs, and how surely near duplicates are found."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.analysis import words
from fairlead.shingles import SHORTEST, Shingler

WORD = st.sampled_from("apple pear plum fig date lime kiwi quince grün страница 30 x".split())
TEXT = st.lists(WORD, max_size=60).map(" ".join)
LONG = st.lists(WORD, min_size=40, max_size=80).map(" ".join)


def runs(text: str) -> set[tuple[str, ...]]:
    said = words(text)
    return {tuple(said[at : at + 5]) for at in range(len(said) - 4)}


@given(TEXT, TEXT)
def test_similarity_is_the_share_of_common_runs(one: str, other: str) -> None:
    both = runs(one) | runs(other)
    wanted = len(runs(one) & runs(other)) / len(both) if both else 0.0
    assert Shingler(words).similarity(one, other) == pytest.approx(wanted)
    assert Shingler(words).similarity(other, one) == pytest.approx(wanted)


@given(LONG)
def test_equal_texts_share_every_band(text: str) -> None:
    other = f"  {text.upper()}\n".replace(" ", "\n ")
    assert Shingler(words).bands(text) == Shingler(words).bands(other)
    assert Shingler(words).similarity(text, other) == (1.0 if runs(text) else 0.0)


@given(TEXT)
def test_a_short_text_has_no_bands(text: str) -> None:
    bands = Shingler(words).bands(text)
    assert len(bands) == (16 if len(runs(text)) >= SHORTEST - 4 else 0)
    assert all(-(2**63) <= band < 2**63 for band in bands)


def test_what_a_shingler_has_seen_does_not_matter() -> None:
    used = Shingler(words)
    texts = [" ".join(f"word{n * step}" for n in range(40)) for step in range(1, 20)]
    assert [used.bands(text) for text in texts] == [Shingler(words).bands(text) for text in texts]
    assert [used.bands(text) for text in texts] == [Shingler(words).bands(text) for text in texts]


def changed(said: list[str], edits: int, chance: random.Random) -> list[str]:
    """The words with so many of them replaced, far enough apart to break five runs each."""
    found = list(said)
    for place in chance.sample(range(0, len(said) - 5, 5), edits):
        found[place + 2] = f"new{chance.random()}"
    return found


@pytest.mark.parametrize(("edits", "least"), [(2, 1.0), (4, 1.0), (8, 0.95)])
def test_near_duplicates_share_a_band(edits: int, least: float) -> None:
    """Of 400 words 2, 4 and 8 changes leave a similarity of .95, .90 and .82."""
    chance, shingler = random.Random(7), Shingler(words)
    found = 0
    for _ in range(200):
        said = [f"w{chance.randrange(10_000)}" for _ in range(400)]
        one, other = " ".join(said), " ".join(changed(said, edits, chance))
        alike = 1 - 10 * edits / (396 + 5 * edits)
        assert shingler.similarity(one, other) == pytest.approx(alike, abs=0.02)
        found += bool(set(shingler.bands(one)) & set(shingler.bands(other)))
    assert found / 200 >= least


def test_different_texts_share_none() -> None:
    chance, shingler = random.Random(3), Shingler(words)
    seen: set[int] = set()
    for _ in range(300):
        bands = shingler.bands(" ".join(f"w{chance.randrange(5000)}" for _ in range(200)))
        assert not seen & set(bands)
        seen.update(bands)
