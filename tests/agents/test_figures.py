from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents.figures import figures, holds


def same(one: str, other: str) -> bool:
    """Whether every figure of the one text stands in the other."""
    wanted = figures(one)
    assert wanted, one
    return all(holds(figures(other), figure) for figure in wanted)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("30 days", "thirty days"),
        ("a 30-day window", "30 days"),
        ("twenty-one days", "21 days"),
        ("1,000 EUR", "€1000"),
        ("1 000,50 EUR", "1000.50 euros"),
        ("1.250 kg", "1250 kilograms"),
        ("4.90 EUR", "EUR 4,9"),
        ("$5", "5 dollars"),
        ("5 percent", "5%"),
        ("2 May 2026", "2026-05-02"),
        ("May 2nd, 2026", "on 2 May 2026"),
        ("2 May", "2026-05-02"),
        ("May 2026", "2026-05-02"),
        ("2026", "since 2 May 2026"),
        ("02.05.2026", "May 2, 2026"),
        ("5/2/2026", "2 May 2026"),
        ("3 pm", "15:00"),
        ("12:30 a.m.", "0:30"),
        ("14 business days", "14 working days"),
        ("14 calendar days", "14 days"),
        ("21", "21 days"),
        ("version 1.2.3", "1.2.3"),
        ("the 2nd", "2"),
    ],
)
def test_ways_to_write_the_same(one: str, other: str) -> None:
    assert same(one, other) and same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("30 days", "60 days"),
        ("30 days", "30 weeks"),
        ("14 days", "14 working days"),
        ("5 EUR", "5 USD"),
        ("4.90", "49"),
        ("2 May 2026", "3 May 2026"),
        ("2 May 2026", "2 June 2026"),
        ("2025", "2 May 2026"),
        ("3 pm", "3:00"),
        ("1.2.3", "1.2.4"),
        ("5%", "5 days"),
        ("12 months", "1 year"),
    ],
)
def test_what_is_not_the_same(one: str, other: str) -> None:
    assert not same(one, other)


def test_what_is_no_date_or_time_is_made_of_numbers() -> None:
    assert [figure.unit for figure in figures("45 May 2026")] == ["", ""]
    assert [figure.unit for figure in figures("13 pm and 45:10 and 31/31/2026")] == [""] * 6
    assert figures("RX78 and the first") == []


@given(st.integers(min_value=0, max_value=10**12))
def test_a_number_is_the_same_with_and_without_separators(number: int) -> None:
    for form in (f"{number:,}", f"{number:,}".replace(",", " "), f"{number:,}".replace(",", ".")):
        assert same(f"{number} kg", f"it is {form} kg")


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_different_whole_numbers_are_never_the_same(one: int, other: int) -> None:
    assert same(f"{one} days", f"{other} days") == (one == other)


@given(st.text(max_size=200))
def test_any_text_has_figures_or_none(text: str) -> None:
    found = figures(text)
    assert all(holds(found, figure) for figure in found)


@given(st.dates())
def test_a_day_is_the_same_in_words_and_in_digits(day: date) -> None:
    if day.year >= 1000:
        assert same(f"{day.day} {day:%B} {day.year}", day.isoformat())
        assert same(f"{day:%b} {day.day}, {day.year}", f"on {day.isoformat()}.")
