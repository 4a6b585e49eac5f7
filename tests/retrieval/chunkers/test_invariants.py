"""What holds for every chunker, every markup and every text."""

import re
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.retrieval.chunkers import CHUNKERS, Markup, estimate_tokens, open_chunker

LIMITS = {
    "code:tokens=20": 20,
    "parent:tokens=16,parent=48": 16,
    "recursive:tokens=20": 20,
    "structure:tokens=20,table=40": 40,
    "window": 256,
}
RULES = re.compile(r"[\s|:+=>-]*")
"""What may lie between chunks: white space, and the rules of a table that had to be cut."""

LINES = st.sampled_from(
    [
        "# A", "## B b", "Title", "=====", "-----", "~~~~", "word " * 9,
        "A sentence. And e.g. two.",
        "x" * 900, "日本語。" * 40, "", "", "```", "```python", "~~~", "- item", "* one",
        "1. first",
        "> quoted", ">", "| a | b |", "|---|:--|", "| 1 | 2 |", "a | b", "- | -", "+---+---+",
        "+===+===+", "| a | b |", "==== ====", "a    b", ".. note:: n", ".. code-block:: c",
        "Such::",
        "def f(a):", "class A:", "return 1", "@decorated", "# why", '"""Doc.', '"""', "}", "{",
        "int main() {", "x = 'a\\d'", "[ref]: http://x", "<div>", "\x0c", "a\rb", "\u2028", "éé 🙂",
    ]
)  # fmt: skip
INDENTS = st.sampled_from(["", "", "", "  ", "    ", "\t", "        "])
TEXTS = st.one_of(
    st.lists(st.tuples(INDENTS, LINES).map("".join), max_size=30).map("\n".join),
    st.lists(st.tuples(INDENTS, LINES).map("".join), max_size=30).map("\r\n".join),
    st.text(max_size=300),
)


def test_every_chunker_is_tested() -> None:
    assert {name.partition(":")[0] for name in LIMITS} == CHUNKERS.keys()


@pytest.mark.parametrize("markup", get_args(Markup))
@pytest.mark.parametrize("name", LIMITS)
@settings(max_examples=150)
@given(text=TEXTS, start=st.integers(0, 5))
def test_chunks_tile_the_text_and_fit(name: str, markup: Markup, text: str, start: int) -> None:
    start = min(start, len(text))
    chunker = open_chunker(name)
    chunks = chunker.chunk(text, start=start, markup=markup, count=estimate_tokens, source="a.py")
    at = start
    for chunk in chunks:
        assert at <= chunk.start < chunk.end <= len(text)
        assert RULES.fullmatch(text, at, chunk.start)
        assert chunk.read_start <= chunk.start and chunk.end <= chunk.read_end
        assert start <= chunk.read_start and chunk.read_end <= len(text)
        slice_ = text[chunk.start : chunk.end]
        assert slice_.strip() and slice_ == slice_.rstrip()
        indent = slice_[: len(slice_) - len(slice_.lstrip())]
        assert len(indent.splitlines()) < 2, "begins with more than its first line's indentation"
        assert all(start <= a < b <= chunk.start for a, b in chunk.lead)
        assert estimate_tokens(chunk.embedded(text)) <= LIMITS[name] or len(slice_) == 1
        at = chunk.end
    assert not text[at:].strip()
    again = chunker.chunk(text, start=start, markup=markup, count=estimate_tokens, source="a.py")
    assert list(again) == list(chunks)
    if name.startswith("parent"):
        for one, other in pairwise(chunks):
            apart = one.read_end <= other.read_start
            assert apart or (one.read_start, one.read_end) == (other.read_start, other.read_end)
