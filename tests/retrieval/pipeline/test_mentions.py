from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.pipeline.mentions import BONUS, Mentions
from fairlead.schema import Hit

HIT = Hit(
    passage_id="p",
    document_id="d",
    version="v",
    source="news/today.md",
    title="",
    text="text",
    score=0.0,
    rank=1,
    start=0,
    end=4,
    tenant="t",
    collection="c",
)


def named(question: str, *, source: str = "x", day: date | None = None) -> bool:
    published = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
    bonus = Mentions(question).bonus(replace(HIT, source=source, published_at=published))
    assert bonus in (0.0, BONUS)
    return bonus > 0


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("What was said in 2024?", date(2024, 1, 1), date(2024, 12, 31)),
        ("What was said in March 2024?", date(2024, 3, 1), date(2024, 3, 31)),
        ("all news since Mar 2024", date(2024, 3, 1), None),
        ("prices from 2024 on", date(2024, 1, 1), None),
        ("prices after 2024", date(2025, 1, 1), None),
        ("prices after February 2024", date(2024, 3, 1), None),
        ("prices before 2024", None, date(2023, 12, 31)),
        ("prices before March 2024", None, date(2024, 2, 29)),
        ("prices until March 2024", None, date(2024, 3, 31)),
        ("prices until 2024", None, date(2024, 12, 31)),
    ],
)
@given(day=st.dates(date(2019, 1, 1), date(2029, 12, 31)))
def test_a_period_holds_its_days_and_no_other(
    question: str, first: date | None, last: date | None, day: date
) -> None:
    within = (first is None or first <= day) and (last is None or day <= last)
    assert named(question, day=day) == within


@pytest.mark.parametrize(
    "question",
    [
        "news of 2024-03-01",
        "what came on March 1, 2024?",
        "what came on Mar. 1st 2024?",
        "what came on 1 March 2024?",
        "what came on the 1st Mar, 2024?",
        "what came on March 1?",
    ],
)
def test_a_day_in_several_spellings(question: str) -> None:
    assert named(question, day=date(2024, 3, 1))
    assert not named(question, day=date(2024, 3, 2))
    assert not named(question, day=date(2024, 4, 1))


def test_a_day_without_its_year_is_that_of_any_year() -> None:
    assert named("what came on March 1?", day=date(2019, 3, 1))
    assert not named("what came on March 1, 2024?", day=date(2019, 3, 1))


def test_no_date_known_is_never_named() -> None:
    assert not named("everything before 2024, in 2024 and since 2024")


def test_a_file_is_named_with_its_ending_only() -> None:
    assert named("What does Today.md say?", source="news/today.md")
    assert not named("What is today?", source="news/today.md")


def test_another_source_is_named_by_two_words_or_as_a_name() -> None:
    assert named("what did the daily star write?", source="Daily Star")
    assert named("What did Reuters write?", source="Reuters")
    assert not named("what do reuters write?", source="Reuters")
    assert not named("what is the time", source="The")
    assert not named("What is in the dailystar?", source="Daily Star")


@pytest.mark.parametrize("name", ["not-today.md", "old.today.md", "today.mdx", "today.md-old"])
def test_a_file_is_not_named_by_one_whose_name_holds_its_own(name: str) -> None:
    assert not named(f"What does {name} say?", source="news/today.md")
    assert named(f"What do {name} and news/today.md say?", source="news/today.md")
