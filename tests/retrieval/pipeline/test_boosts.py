from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.pipeline.boosts import Boosts
from fairlead.schema import Hit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HIT = Hit(
    passage_id="p",
    document_id="d",
    version="v",
    source="docs/guide.md",
    title="",
    text="text",
    score=0.0,
    rank=1,
    start=0,
    end=4,
    tenant="t",
    collection="c",
)
RECENT = Boosts(half_life_days=30, recency=0.2, now=NOW)


def aged(days: float) -> Hit:
    return replace(HIT, published_at=NOW - timedelta(days=days))


def test_news_counts_half_after_each_half_life() -> None:
    assert RECENT.of(aged(0)) == pytest.approx(0.2)
    assert RECENT.of(aged(30)) == pytest.approx(0.1)
    assert RECENT.of(aged(60)) == pytest.approx(0.05)


@given(st.floats(-1000, 20_000), st.floats(-1000, 20_000))
def test_the_newer_never_counts_less(one: float, other: float) -> None:
    newer, older = sorted((one, other))
    assert 0.2 >= RECENT.of(aged(newer)) >= RECENT.of(aged(older)) >= 0.0


def test_a_date_to_come_counts_as_today() -> None:
    assert RECENT.of(aged(-400)) == pytest.approx(0.2)


def test_without_a_date_there_is_no_recency() -> None:
    assert RECENT.of(HIT) == 0.0


def test_now_is_the_clock_unless_given() -> None:
    boosts = Boosts(half_life_days=30, recency=0.2)
    assert boosts.of(replace(HIT, published_at=datetime.now(UTC))) == pytest.approx(0.2, abs=1e-4)


def test_the_longest_beginning_of_a_source_counts() -> None:
    boosts = Boosts(authority={"docs/": 0.1, "docs/guide": 0.3, "blog/": 0.9})
    assert boosts.of(HIT) == 0.3
    assert boosts.of(replace(HIT, source="docs/old.md")) == 0.1
    assert boosts.of(replace(HIT, source="elsewhere")) == 0.0


def test_both_are_added() -> None:
    boosts = Boosts(half_life_days=30, recency=0.2, authority={"docs/": 0.1}, now=NOW)
    assert boosts.of(aged(30)) == pytest.approx(0.2)


def test_whether_anything_is_boosted() -> None:
    assert not Boosts()
    assert not Boosts(recency=0.2)
    assert not Boosts(half_life_days=30)
    assert Boosts(recency=0.2, half_life_days=30)
    assert Boosts(authority={"docs/": -0.1})
