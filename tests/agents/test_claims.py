from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents.claims import claims, code_spans

PIECES = [
    "a", "Bee", ".", "!", " ", "\n", "# ", "- ", "1. ", "|", "`", "```", "> ", ":", "<!-- ", "-->",
    "![x](y)", "---", "é",
]  # fmt: skip
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def said(text: str) -> list[str]:
    return [text[c.start : c.end] for c in claims(text)]


def test_sentences_items_rows_and_headings_are_claims() -> None:
    text = (
        "# Returns\n\nIt takes two steps. They are:\n\n1. Pack the box.\n2. Send it. Keep\n   the "
        "slip.\n\n| Land | Days |\n| --- | --- |\n| Norway | 21 |\n\n"
        "```sh\nship --now\n```\n> Done.\n"
    )
    assert said(text) == [
        "# Returns",
        "It takes two steps.",
        "They are:",
        "Pack the box.",
        "Send it.",
        "Keep\n   the slip.",
        "| Land | Days |",
        "| Norway | 21 |",
        "ship --now",
        "Done.",
    ]
    assert [text[c.start : c.end] for c in claims(text) if c.leads] == [
        "# Returns",
        "They are:",
        "| Land | Days |",
    ]


def test_a_table_may_follow_a_line() -> None:
    assert said("The days:\n| Norway | 21 |") == ["The days:", "| Norway | 21 |"]


def test_claims_of_one_paragraph_share_a_block() -> None:
    first, second, third = claims("One. Two.\n\nThree.")
    assert first.block == second.block != third.block


def test_what_a_document_would_hide_is_a_claim_too() -> None:
    assert said("<!-- It is free. -->\n![It is free.](x)\n[x]: It is free.") == [
        "<!-- It is free. -->\n![It is free.](x)\n[x]: It is free."
    ]


def test_code_is_found_between_backticks_and_in_fences() -> None:
    text = "Use `a[1]` and ``b`c[2]`` [3].\n```\nd[4]\n```\ne `f"
    assert [text[a:b] for a, b in code_spans(text)] == ["`a[1]`", "``b`c[2]``", "```\nd[4]\n```"]


@given(MARKDOWN)
def test_no_word_is_outside_of_every_claim(text: str) -> None:
    found = claims(text)
    covered = {at for claim in found for at in range(claim.start, claim.end)}
    for before, after in pairwise(found):
        assert before.end <= after.start and before.block <= after.block
    for at, letter in enumerate(text):
        if letter in "aBeé" and at not in covered:
            start = text.rfind("\n", 0, at) + 1
            line, ahead = text[start:].partition("\n")[0], text[start:at]
            fence = line.lstrip().startswith(("`", "~"))  # and what it is called
            mark = letter == "a" and line[at - start + 1 :].startswith(". ")  # as "1. " is
            assert fence or (mark and not ahead.strip("> ")), line


@given(MARKDOWN)
def test_every_claim_is_bare_of_space(text: str) -> None:
    assert all(one == one.strip() and one for one in said(text))
