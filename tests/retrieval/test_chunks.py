import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.chunkers import estimate_tokens, first_heading

PIECES = st.sampled_from(
    ["# A\n", "## B\n", "Title\n=====\n", "word ", "A sentence. ", "\n", "\r\n\r\n", "```\n",
     "~~~py\n", "x" * 900, "\u2028", "- item\n", "| a | b |\n", "# \n", "\u00a0", "é🙂 "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map("".join), st.booleans(), st.integers(0, 20))
def test_chunks_tile_the_text(text: str, markdown: bool, start: int) -> None:
    start = min(start, len(text))
    chunks = chunk(text, estimate_tokens, start=start, markdown=markdown, tokens=20)
    at = start
    for each in chunks:
        assert not text[at : each.start].strip()
        assert text[each.start : each.end].strip() == text[each.start : each.end] != ""
        at = each.end
    assert not text[at:].strip()


@given(st.text(max_size=400))
def test_chunks_fit(text: str) -> None:
    for each in chunk(text, estimate_tokens, tokens=30):
        piece = text[each.start : each.end]
        assert estimate_tokens(piece) <= 30 or len(piece) <= 400


def test_chunks_know_their_headings_and_keep_them() -> None:
    text = (
        "# Guide\n\n## Pay\n\nBy card.\n\n### Late\n\nFees.\n\n## Ship\n\n```\n# no heading\n```\n"
    )
    found = [(text[c.start : c.end], c.headings) for c in chunk(text, estimate_tokens)]
    assert found == [
        ("# Guide\n\n## Pay\n\nBy card.", ("Guide", "Pay")),
        ("### Late\n\nFees.", ("Guide", "Pay", "Late")),
        ("## Ship\n\n```\n# no heading\n```", ("Guide", "Ship")),
    ]


def test_plain_text_has_no_headings() -> None:
    assert chunk("# a comment\nx", estimate_tokens, markdown=False)[0].headings == ()


@pytest.mark.parametrize(
    ("text", "heading"),
    [("Big\n===\nx", "Big"), ("x\n\n# One #\n", "One"), ("a\n\n---\n\nb", ""), ("#no", "")],
)
def test_first_heading(text: str, heading: str) -> None:
    assert first_heading(text) == heading


def test_neighbours_are_joined_until_they_are_too_long() -> None:
    text = "\n\n".join(f"Paragraph {n} has six words here." for n in range(10))
    sizes = [
        estimate_tokens(text[c.start : c.end]) for c in chunk(text, estimate_tokens, tokens=25)
    ]
    assert len(sizes) == 4 and max(sizes) <= 25
