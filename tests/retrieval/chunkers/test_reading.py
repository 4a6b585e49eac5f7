"""Chunkers that search small and read large: parent and window."""

from itertools import groupby, pairwise

from fairlead.retrieval.chunkers import estimate_tokens
from tests.retrieval.chunkers.conftest import cut, texts

SENTENCES = [f"Sentence number {n} says a word or two about tea." for n in range(12)]
TEXT = f"# One\n\n{' '.join(SENTENCES[:6])}\n\n# Two\n\n{' '.join(SENTENCES[6:])}\n"


def test_children_lie_in_parents_that_are_read() -> None:
    chunks = cut("parent:tokens=24,parent=60", TEXT)
    parents = [key for key, _ in groupby(chunks, key=lambda c: (c.read_start, c.read_end))]
    assert len(chunks) > len(parents) > 2
    for start, end in parents:
        assert estimate_tokens(TEXT[start:end]) <= 60
        assert "# Two" not in TEXT[start + 1 : end]
    assert all(a[1] <= b[0] for a, b in pairwise(parents))
    assert all(estimate_tokens(part) <= 24 for part in texts(TEXT, chunks))


def test_a_parent_no_larger_than_its_children_is_read_alone() -> None:
    chunks = cut("parent:tokens=60,parent=16", TEXT)
    assert all((c.start, c.end) == (c.read_start, c.read_end) for c in chunks)


def test_a_sentence_is_read_with_those_around_it() -> None:
    chunks = cut("window:around=1,short=0", TEXT)
    found = texts(TEXT, chunks)
    assert found[1:6] == SENTENCES[1:6] and found[7:] == SENTENCES[7:]
    assert TEXT[chunks[3].read_start : chunks[3].read_end] == " ".join(SENTENCES[2:5])
    last = chunks[5]  # of its section
    assert TEXT[last.read_start : last.read_end] == " ".join(SENTENCES[4:6])


def test_short_neighbours_are_searched_as_one() -> None:
    text = "Yes. Right. A longer sentence stands alone here, with many more words in it. Maybe. So."
    assert texts(text, cut("window:around=0,short=4", text)) == [
        "Yes. Right.",
        "A longer sentence stands alone here, with many more words in it.",
        "Maybe. So.",
    ]


def test_a_row_of_a_table_is_searched_with_its_header() -> None:
    text = "| tea | price |\n|---|---|\n| green | 4.90 |\n| black | 3.90 |\n| white | 8.90 |\n"
    chunks = cut("window:around=0,short=0", text)
    assert texts(text, chunks)[-1] == "| white | 8.90 |"
    assert chunks[-1].embedded(text) == "| tea | price |\n| white | 8.90 |"
