from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents.blocks import blocks
from fairlead.agents.units import cut, sentence_spans

PIECES = ["a", "B", ".", "!", " ", "\n", "#", "-", "|", "`", "```", ">", "1.", ":", "é", "{note}"]
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def said(text: str, opening: bool = False) -> list[tuple[str, str]]:
    """Kind and words of every unit; the pieces of one in several pieces are joined by ¦."""
    return [
        (unit.kind, " ¦ ".join(text[a:b] for a, b in unit.spans))
        for unit in cut(text, opening=opening)
    ]


def test_sentences_end_where_a_reader_ends_them() -> None:
    text = "It costs approx. 5 EUR, e.g. in Kiel. See page 3. (It is free for members.) Is it? Yes."
    assert [text[a:b] for a, b in sentence_spans(text)] == [
        "It costs approx. 5 EUR, e.g. in Kiel.",
        "See page 3. (It is free for members.)",
        "Is it?",
        "Yes.",
    ]


def test_a_sentence_may_go_over_lines_but_not_over_quote_marks() -> None:
    assert said("One\ntwo. Three.") == [("sentence", "One\ntwo."), ("sentence", "Three.")]
    assert said("> One\n> two.") == [("sentence", "One ¦ two.")]


def test_lists_lose_their_marks_and_know_what_introduces_them() -> None:
    text = "You need:\n\n- a card\n- a bag. It is free.\n\n1. go\n"
    assert said(text) == [
        ("sentence", "You need:"),
        ("item", "a card"),
        ("item", "a bag."),
        ("item", "It is free."),
        ("item", "go"),
    ]
    units = cut(text)
    assert {text[slice(*unit.lead[0])] for unit in units[1:]} == {"You need:"}


def test_rows_know_their_header() -> None:
    text = "| Name | Days |\n| --- | --- |\n| EU | 30 |\n| US | 60 |"
    units = cut(text)
    assert said(text) == [("row", "| EU | 30 |"), ("row", "| US | 60 |")]
    assert text[slice(*units[0].lead[0])] == "| Name | Days |\n| --- | --- |"
    assert cut("| | |\n|---|---|\n| a | b |")[0].lead == ()


def test_code_is_one_unit_with_its_lead_in() -> None:
    text = "Pass it like this:\n\n```python\n:caption: a.py\n\nrun(x)\n\nstop()\n```\n\nDone."
    units = cut(text)
    assert said(text)[1:] == [("code", "run(x)\n\nstop()"), ("sentence", "Done.")]
    assert text[slice(*units[1].lead[0])] == "Pass it like this:"


def test_prose_directives_are_prose_and_marks_are_left_out() -> None:
    text = (
        "```{note}\n:class: x\n\nMind the gap.\n```\n\n(label)=\n<br>\n<!-- gone\nstill -->\n\nEnd."
    )
    assert said(text) == [("sentence", "Mind the gap."), ("sentence", "End.")]


def test_a_piece_that_begins_inside_code_is_read_so() -> None:
    text = "x = run(1)\n```\n\nThen go on:\n\n```python\ny = 2\n```"
    assert said(text) == [("code", "x = run(1)"), ("sentence", "Then go on:"), ("code", "y = 2")]
    half = "y = call(1)\nz = call(2)\n```\n\nDone here."
    assert said(half) == [("code", "y = call(1)\nz = call(2)"), ("sentence", "Done here.")]


def test_front_matter_is_read_only_where_a_document_begins() -> None:
    text = "---\ntitle: X\n---\n\nHello there."
    assert said(text, opening=True) == [("sentence", "Hello there.")]
    assert ("sentence", "title: X") in said(text)


def test_headings_are_remembered() -> None:
    text = "## Version 2 ##\n\nFast now."
    heading, sentence = cut(text)
    assert heading.kind == "heading" and sentence.heading is not None
    assert text[slice(*sentence.heading)] == "Version 2"


@given(MARKDOWN)
def test_units_lie_in_the_text_in_order_and_never_overlap(text: str) -> None:
    spans = [span for unit in cut(text, opening=True) for span in unit.spans]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert all(text[start:end].strip() for start, end in spans)


@given(MARKDOWN)
def test_blocks_take_whole_lines(text: str) -> None:
    starts = {0} | {at + 1 for at, letter in enumerate(text) if letter == "\n"}
    assert all(line[0] in starts for block in blocks(text) for line in block.lines)
