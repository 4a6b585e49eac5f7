from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.chunkers import Chunk, Markup, estimate_tokens, first_heading, open_chunker


def cut(text: str, tokens: int = 0, markup: Markup = "markdown") -> Sequence[Chunk]:
    chunker = open_chunker(f"recursive:tokens={tokens}" if tokens else "recursive")
    return chunker.chunk(text, start=0, markup=markup, count=estimate_tokens)


@given(st.text(max_size=400))
def test_chunks_fit(text: str) -> None:
    for each in cut(text, 30):
        piece = text[each.start : each.end]
        assert estimate_tokens(piece) <= 30 or len(piece) <= 400


def test_chunks_know_their_headings_and_keep_them() -> None:
    text = (
        "# Guide\n\n## Pay\n\nBy card.\n\n### Late\n\nFees.\n\n## Ship\n\n```\n# no heading\n```\n"
    )
    found = [(text[c.start : c.end], c.headings) for c in cut(text)]
    assert found == [
        ("# Guide\n\n## Pay\n\nBy card.", ("Guide", "Pay")),
        ("### Late\n\nFees.", ("Guide", "Pay", "Late")),
        ("## Ship\n\n```\n# no heading\n```", ("Guide", "Ship")),
    ]


def test_plain_text_has_no_headings() -> None:
    assert cut("# a comment\nx", markup="plain")[0].headings == ()


@pytest.mark.parametrize(
    ("text", "heading"),
    [("Big\n===\nx", "Big"), ("x\n\n# One #\n", "One"), ("a\n\n---\n\nb", ""), ("#no", "")],
)
def test_first_heading(text: str, heading: str) -> None:
    assert first_heading(text) == heading


def test_neighbours_are_joined_until_they_are_too_long() -> None:
    text = "\n\n".join(f"Paragraph {n} has six words here." for n in range(10))
    sizes = [estimate_tokens(text[c.start : c.end]) for c in cut(text, 25)]
    assert len(sizes) == 4 and max(sizes) <= 25
