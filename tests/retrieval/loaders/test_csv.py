import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents.units import cut
from fairlead.retrieval.loaders.csv_table import load
from fairlead.retrieval.loaders.loaded import Malformed

TABLE = "| Country | Days |\n| --- | --- |\n| DE | 30 |\n| FR | 14 |\n"


@pytest.mark.parametrize(
    "text",
    [
        "Country,Days\nDE,30\nFR,14\n",
        "\ufeffCountry;Days\r\nDE;30\r\nFR;14",
        "Country\tDays\nDE\t30\nFR\t14\n",
        "Country|Days\nDE|30\nFR|14\n",
        "sep=;\nCountry;Days\nDE;30\nFR;14\n",
        '"Country","Days"\n"DE","30"\n\n"FR","14"\n\n',
        "Country,Days,\nDE,30,\nFR,14,\n",
        "Country, Days \nDE , 30\n,\nFR,14\n",
    ],
)
def test_separators_quotes_and_blanks(text: str) -> None:
    assert load(text.encode(), "returns.csv").text == TABLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "| a | b |\n| --- | --- |\n| 1 | 2 |\n"),
        ("1,2\n3,4\n", "|  |  |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n"),
        ("x,x\n3,4\n", "|  |  |\n| --- | --- |\n| x | x |\n| 3 | 4 |\n"),
        (",a\nx,4\n", "|  | a |\n| --- | --- |\n| x | 4 |\n"),
        (
            "land,2025,2026\nDE,1,2\n",
            "| land | 2025 | 2026 |\n| --- | --- | --- |\n| DE | 1 | 2 |\n",
        ),
        ("only one row,b\n", "|  |  |\n| --- | --- |\n| only one row | b |\n"),
        ("name\nEva\nJo\n", "| name |\n| --- |\n| Eva |\n| Jo |\n"),
        (
            'a,b\n"two\nlines","p|q ""r"""\n',
            '| a | b |\n| --- | --- |\n| two lines | p\\|q "r" |\n',
        ),
    ],
)
def test_header_rows_and_cells(text: str, expected: str) -> None:
    loaded = load(text.encode(), "x.csv")
    assert (loaded.text, loaded.markup) == (expected, "markdown")


def test_a_row_is_quotable_with_its_header() -> None:
    row = cut(load(b"Country,Days\nDE,30\nFR,14\n", "x.csv").text)[1]
    assert row.kind == "row" and row.lead


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n\n,,\n", "has no rows with text"),
        ("a,b\n1,2\n1,2,3\n", "ragged row: line 3 has 3 cells where the first row has 2"),
        ("a,b,c\n1,2,3\n\n1,2\n", "ragged row: line 4 has 2 cells where the first row has 3"),
        ("sep=,\na,b\n1\n", "ragged row: line 3 has 1 cell where the first row has 2"),
        ('a,b\n"x\ny",2\n3\n', "line 4 has 1 cell"),
        ('a,b\n1,"open\n', "malformed CSV in line 2: unexpected end of data"),
        ('a,b\n1,"x"y\n', "malformed CSV in line 2"),
        ("a,b\n1,\0\n", "NUL"),
        ("a,b\n" + "x" * 200_000 + ",2\n", "malformed CSV in line 2: field larger"),
    ],
)
def test_what_cannot_be_read_without_guessing_names_its_line(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        load(text.encode(), "x.csv")


def test_surplus_empty_cells_are_dropped_and_said() -> None:
    loaded = load(b"Country,Days\nDE,30,,\nFR,14\n", "x.csv")
    assert loaded.text == TABLE
    assert [each.detail for each in loaded.remarks] == ["1 line with surplus empty cells"]


def test_other_encodings_are_named() -> None:
    with pytest.raises(Malformed, match="is UTF-16 text; save it as UTF-8"):
        load("a,b\n1,2\n".encode("utf-16"), "x.csv")
    with pytest.raises(Malformed, match=r"is not UTF-8 text \(byte 6\)"):
        load("a,b\n1,ü\n".encode("cp1252"), "x.csv")
    assert "ü" in load("a,b\n1,ü\n".encode("cp1252"), "x.csv", "windows-1252").text


def test_too_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.retrieval.loaders.csv_table._CELLS", 5)
    with pytest.raises(Malformed, match="has more than 5 cells; split it"):
        load(b"a,b\n1,2\n3,4\n", "x.csv")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        loaded = load(text.encode("utf-8", "surrogatepass"), "x.csv")
    except Malformed as error:
        assert str(error)
        return
    lines = loaded.text.splitlines()
    assert set(lines[1]) == {"|", "-", " "}


CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(
        st.lists(st.text(CHARACTERS), min_size=width, max_size=width), min_size=2
    )
)


@given(TABLES, st.sampled_from(",;\t"))
def test_what_a_program_writes_is_read_whole(rows: list[list[str]], separator: str) -> None:
    rows = [["Name", *(f"Column {at}" for at in range(1, len(rows[0])))], *rows]
    file = io.StringIO()
    csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(rows)
    text = load(file.getvalue().encode(), "x.csv").text
    for row in rows:
        for cell in row:
            assert " ".join(cell.split()).replace("|", "\\|") in text
