from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.pipeline.packing import packed, shown
from fairlead.schema import Hit

TEXT = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen."
SPANS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 25)), max_size=12
)
"""Document, start and length of passages, best first."""


def hit(start: int, end: int, document: str = "a", **more: Any) -> Hit:
    plain = Hit(
        passage_id=f"{document}/{start}-{end}",
        document_id=document,
        version="v1",
        source=document,
        title="T",
        text=TEXT[start:end],
        score=1.0,
        rank=0,
        start=start,
        end=end,
        tenant="t",
        collection="default",
    )
    return replace(plain, **more)


def words(text: str) -> int:
    return len(text.split())


def fitted(hits: Sequence[Hit], tokens: int | None) -> tuple[Hit, ...]:
    return packed(hits, lambda _, start, end: TEXT[start:end], tokens=tokens, count=words)


def hits_of(spans: list[tuple[str, int, int]]) -> list[Hit]:
    return [hit(start, start + size, document) for document, start, size in spans]


def covered(hits: Sequence[Hit]) -> set[tuple[str, int]]:
    return {(one.document_id, at) for one in hits for at in range(one.start, one.end)}


@given(SPANS, st.sampled_from([None, 10_000]))
def test_no_text_is_lost_and_none_stands_twice(
    spans: list[tuple[str, int, int]], tokens: int | None
) -> None:
    given_hits = hits_of(spans)
    result = fitted(given_hits, tokens)
    assert len(covered(result)) == sum(one.end - one.start for one in result)
    added = covered(result) - covered(given_hits)
    assert covered(given_hits) <= covered(result)
    assert all(TEXT[at].isspace() for _, at in added)
    assert all(one.text == TEXT[one.start : one.end] for one in result)
    assert [one.rank for one in result] == list(range(1, len(result) + 1))


@given(SPANS, st.sampled_from([None, 10_000]))
def test_a_passage_stands_where_its_best_hit_stood(
    spans: list[tuple[str, int, int]], tokens: int | None
) -> None:
    given_hits = hits_of(spans)

    def best(passage: Hit) -> int:
        return min(
            at
            for at, one in enumerate(given_hits)
            if one.document_id == passage.document_id
            and passage.start <= one.start < one.end <= passage.end
        )

    result = fitted(given_hits, tokens)
    places = [best(passage) for passage in result]
    assert places == sorted(places)
    assert [given_hits[at].passage_id for at in places] == [one.passage_id for one in result]


@given(SPANS, st.integers(1, 30))
def test_the_budget_is_never_exceeded(spans: list[tuple[str, int, int]], tokens: int) -> None:
    result = fitted(hits_of(spans), tokens)
    assert sum(words(shown(one)) for one in result) <= tokens
    assert all(one.text and one.text == TEXT[one.start : one.end] for one in result)


@given(SPANS, st.integers(1, 30))
def test_a_larger_budget_never_drops_the_best(
    spans: list[tuple[str, int, int]], tokens: int
) -> None:
    first, more = (fitted(hits_of(spans), budget) for budget in (tokens, tokens + 5))
    if first:
        assert more[0].passage_id == first[0].passage_id
        assert len(more[0].text) >= len(first[0].text)


def test_a_hit_that_bridges_two_joins_all_three() -> None:
    (one,) = fitted([hit(0, 10), hit(20, 30), hit(8, 22)], None)
    assert (one.start, one.end, one.passage_id) == (0, 30, "a/0-10")


def test_neighbours_are_joined_within_a_budget_only() -> None:
    neighbours = [hit(5, 8), hit(0, 4)]
    assert TEXT[0:4] + TEXT[4:5] + TEXT[5:8] == "zero one"
    assert [one.text for one in fitted(neighbours, None)] == ["one", "zero"]
    (one,) = fitted(neighbours, 100)
    assert (one.text, one.passage_id) == ("zero one", "a/5-8")


def test_passages_with_words_between_stay_apart() -> None:
    assert [one.text for one in fitted([hit(0, 4), hit(9, 12)], 100)] == ["zero", "two"]


def test_another_version_of_the_document_is_another_text() -> None:
    result = fitted([hit(0, 10), hit(0, 10, version="v2")], 100)
    assert len(result) == 2


def test_a_document_that_is_gone_keeps_what_the_search_read_of_it() -> None:
    """It may be erased between the search and the packing."""
    hits = [hit(0, 8), hit(5, 12), hit(13, 18)]
    result = packed(hits, lambda *_: "", tokens=100, count=words)
    assert [one.text for one in result] == ["zero one two", "three"]
    assert all(one.text == TEXT[one.start : one.end] for one in result)


def test_a_table_keeps_its_header_and_a_section_its_headings() -> None:
    one = hit(5, 12, headings=("Other",))
    two = hit(0, 8, lead="| day | price |", headings=("Prices",))
    (joined,) = fitted([one, two], 100)
    assert (joined.lead, joined.headings) == ("| day | price |", ("Prices",))
    assert shown(joined).splitlines() == ["T › Prices", "| day | price |", "zero one two"]


def test_what_a_passage_carries_counts() -> None:
    carrying = hit(0, 4, lead="four words of header")
    assert words(shown(carrying)) == 6
    assert fitted([carrying], 6) == (hit(0, 4, lead="four words of header", rank=1),)
    assert fitted([carrying], 5) == ()


def test_a_first_passage_that_is_too_long_is_cut_at_a_word() -> None:
    (one,) = fitted([hit(0, 60), hit(70, 80)], 4)
    assert one.text == "zero one two"
    assert (one.start, one.end) == (0, 12)


def test_a_shorter_passage_takes_the_place_that_a_longer_one_leaves() -> None:
    result = fitted([hit(0, 4), hit(0, 60, "b"), hit(5, 8, "c")], 5)
    assert [one.document_id for one in result] == ["a", "c"]


def test_the_date_is_shown() -> None:
    dated = hit(
        0,
        4,
        title="Prices",
        headings=("Prices", "Old"),
        published_at=datetime(2024, 3, 1, tzinfo=UTC),
    )
    assert shown(dated) == "Prices › Old (2024-03-01)\nzero"
