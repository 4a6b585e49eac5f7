"""Sections, lists, quotes and tables stay together; what is cut carries what it needs."""

import pytest

from fairlead.retrieval.chunkers import Markup, estimate_tokens
from tests.retrieval.chunkers.conftest import cut, leads, texts

ROWS = [f"| item number {n} | {n}.90 |" for n in range(12)]
TABLE = "\n".join(["| item | price |", "|---|---:|", *ROWS])
PAGE = f"# Prices\n\nAll of them in EUR.\n\n{TABLE}\n\nAfter the table.\n"


def test_headings_make_a_path() -> None:
    text = "Before.\n\n# A\n\nOne.\n\n### C\n\nTwo.\n\n## B\n\nThree.\n\n# D\n\nFour.\n"
    chunks = cut("structure", text)
    assert [chunk.headings for chunk in chunks] == [
        (), ("A",), ("A", "C"), ("A", "B"), ("D",),
    ]  # fmt: skip
    assert texts(text, chunks)[2] == "### C\n\nTwo."


@pytest.mark.parametrize("name", ["structure", "recursive", "parent", "window", "code"])
def test_no_chunk_lies_over_a_heading(name: str) -> None:
    text = "# A\n\nOne.\n\n# B\n\nTwo.\n\nTitle\n-----\n\nThree.\n"
    assert [chunk.headings for chunk in cut(name, text)] == [("A",), ("B",), ("B", "Title")]


@pytest.mark.parametrize("name", ["structure", "recursive", "parent", "window", "code"])
def test_a_row_below_one_title_is_not_above_the_next(name: str) -> None:
    text = "=====\nFirst\n=====\nSecond\n=====\n\nSaid.\n"
    assert texts(text, cut(name, text, markup="rst")) == [text.strip()]
    (chunk,) = cut(name, text, markup="rst")
    assert chunk.headings == ("First", "Second")


def test_a_table_is_kept_whole_up_to_its_own_limit() -> None:
    chunks = cut("structure:tokens=40,table=300", PAGE)
    (table,) = [chunk for chunk in chunks if "| 5.90 |" in PAGE[chunk.start : chunk.end]]
    assert PAGE[table.start : table.end] == TABLE
    assert (table.kind, table.headings, table.lead) == ("table", ("Prices",), ())


@pytest.mark.parametrize("name", ["structure:tokens=40,table=40", "recursive:tokens=40"])
def test_a_longer_table_is_cut_between_rows_that_carry_the_header(name: str) -> None:
    chunks = [c for c in cut(name, PAGE) if c.kind == "table"]
    assert len(chunks) > 2
    assert set(leads(PAGE, chunks[1:])) == {"| item | price |"}
    for text in texts(PAGE, chunks):
        assert all(line in {*ROWS, *TABLE.splitlines()[:2]} for line in text.splitlines())
    assert all(estimate_tokens(chunk.embedded(PAGE)) <= 40 for chunk in chunks)


def test_a_header_of_more_than_half_a_chunk_is_not_carried() -> None:
    header = "| " + " | ".join(f"column number {n}" for n in range(6)) + " |"
    text = "\n".join([header, "|---" * 6 + "|", *("| a | b | c | d | e | f |" for _ in range(9))])
    chunks = cut("structure:tokens=24,table=24", text)
    assert leads(text, chunks) == [""] * len(chunks)


@pytest.mark.parametrize(
    ("markup", "table"),
    [
        ("markdown", "a | b\n- | -\n1 | 2"),
        ("markdown", "> | a | b |\n> |---|---|\n> | 1 | 2 |"),
        ("rst", "+---+---+\n| a | b |\n+===+===+\n| 1 | 2 |\n+---+---+"),
        ("rst", "===  ===\na    b\n===  ===\n1    2\n===  ==="),
    ],
)
def test_tables_are_known_in_every_markup(markup: Markup, table: str) -> None:
    text = f"Words before it, quite a few.\n\n{table}\n\nWords behind it, quite a few.\n"
    chunks = cut("structure:tokens=16,table=64", text, markup)
    assert [chunk.kind for chunk in chunks] == ["text", "table", "text"]
    assert texts(text, chunks)[1] == table


@pytest.mark.parametrize("text", ["a | b\nc | d", "| a |\n|---|---|\n| 1 |", "---\n| a |\n"])
def test_what_only_looks_like_a_table_is_text(text: str) -> None:
    assert all(chunk.kind == "text" for chunk in cut("structure", text))


def test_a_list_is_cut_between_its_items() -> None:
    items = [f"- Item {n} has several words\n  and a second line." for n in range(6)]
    text = "\n".join(items)
    for part in texts(text, cut("structure:tokens=32", text)):
        assert part.startswith("- Item") and part.endswith("line.")


def test_what_announces_a_block_stays_with_it() -> None:
    text = "Some words go before this one, so many.\n\nPay by:\n\n- card\n- bill\n"
    assert texts(text, cut("structure:tokens=16", text))[-1] == "Pay by:\n\n- card\n- bill"


def test_code_in_a_fence_keeps_the_line_that_opens_it() -> None:
    body = "\n\n".join(f"def function_{n}(one, other):\n    return one + {n}" for n in range(5))
    text = f"# Code\n\n```python\n{body}\n```\n"
    first, *others = cut("structure:tokens=24", text)
    assert text[first.start : first.end].startswith("# Code\n\n```python\ndef function_0")
    assert {chunk.kind for chunk in others} == {"code"}
    assert set(leads(text, others)) == {"```python"}
    assert [chunk.headings[-1] for chunk in others] == [f"function_{n}" for n in range(1, 5)]


def test_a_heading_in_code_is_none() -> None:
    text = "# A\n\n~~~sh\n# no heading\nls\n~~~\n\n    # nor this\n"
    assert {chunk.headings for chunk in cut("structure", text)} == {("A",)}


def test_front_matter_is_left_out() -> None:
    text = "---\ntitle: T\n---\n# A\n\nOne.\n"
    (chunk,) = cut("structure", text, start=17)
    assert text[chunk.start : chunk.end] == "# A\n\nOne."


def test_a_long_sentence_is_cut_between_words() -> None:
    text = " ".join(f"word{n}" for n in range(200))
    parts = texts(text, cut("structure:tokens=16", text))
    assert " ".join(parts) == text and len(parts) > 10


def test_sentences_end_where_a_reader_ends_them() -> None:
    said = [
        "Dr. Smith paid 3.50 EUR, i.e. little.",
        "Was it enough?",
        '"Yes." He left.',
        "次の文。",
    ]
    text = " ".join(said[:2]) + "\n\n" + said[2] + said[3]
    found = texts(text, cut("window:around=0,short=0", text))
    assert found == [*said[:2], '"Yes."', "He left.次の文。"]
