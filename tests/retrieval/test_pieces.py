"""What is stored of a chunk, and the small things that it is made of."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError
from fairlead.retrieval.chunkers import Chunk, estimate_tokens, open_chunker
from fairlead.retrieval.pieces import (
    Place,
    chunked,
    content_hash,
    embedded_text,
    pieces,
    scalars,
    text_hash,
)
from fairlead.retrieval.records import Record
from fairlead.retrieval.texts import deflated, inflated
from fairlead.retrieval.times import parse_time, seconds, stamp, until, utc

TEXT = "# Prices\n\n| tea | price |\n|---|---|\n| green | 4.90 |\n| black | 3.90 |\n"
PLACE = Place(tenant="acme", collection="c", document_id="d", version="1", chunker="x/1")


def record(text: str = TEXT, **more: Any) -> Record:
    values = {"id": "d", "source": "s", "origin": "s", "title": "Tea", **more}
    return Record(text=text, **values)


# --- pieces --------------------------------------------------------------------------------------


def test_a_piece_is_the_stretch_that_it_says() -> None:
    given_ = record(published_at="2026-03-01T00:00:00Z", metadata={"tags": ["hot", {"n": 7}]})
    rows = Chunk(start=56, end=72, headings=("Prices",), kind="table", lead=((10, 25),))
    (piece,) = pieces(given_, [rows], PLACE)
    assert (piece.ordinal, piece.title, piece.carried) == (0, "Tea › Prices", "| tea | price |")
    assert piece.body == TEXT[56:72] and piece.to_embed == f"| tea | price |\n{piece.body}"
    assert piece.meta == "s 2026-03-01 hot 7 | tea | price |"
    assert piece.embedded == text_hash(piece.to_embed)
    assert piece.titled == text_hash("Tea › Prices")


def test_a_passage_id_is_that_of_one_place_and_text() -> None:
    chunk = Chunk(start=0, end=8)
    others = [
        Place(**{**vars(PLACE), name: "other"})
        for name in ("tenant", "collection", "document_id", "version", "chunker")
    ]
    ids = [pieces(record(), [chunk], place)[0].passage_id for place in (PLACE, *others)]
    ids += [each.passage_id for each in pieces(record(), [chunk, chunk], PLACE)[1:]]
    ids.append(pieces(record("# Places" + TEXT[8:]), [chunk], PLACE)[0].passage_id)
    assert len(set(ids)) == len(ids)
    assert ids[0] == pieces(record(), [chunk], PLACE)[0].passage_id


def test_equal_words_are_one_passage_and_one_document() -> None:
    one, other = (pieces(record(t), [Chunk(start=0, end=len(t))], PLACE) for t in ("a  b", "a\nb"))
    assert one[0].digest == other[0].digest
    assert one[0].embedded != other[0].embedded
    assert content_hash("A  b\n") == content_hash("a b") != content_hash("ab")


@pytest.mark.parametrize(
    ("headings", "body", "embedded"),
    [
        ((), "short", "short"),
        (("Pay",), "short", "short"),
        (("Pay", "Late"), "word " * 100, "Late\n" + "word " * 100),
        ((), "word " * 100, "Tea\n" + "word " * 100),
        (("Pay",), "## Pay\n" + "word " * 100, "## Pay\n" + "word " * 100),
    ],
)
def test_a_long_passage_is_embedded_with_its_heading(
    headings: tuple[str, ...], body: str, embedded: str
) -> None:
    assert embedded_text("Tea", headings, body) == embedded


def test_what_no_chunk_can_be_made_of_is_one_chunk() -> None:
    (chunk,) = chunked(record("\x0c"), open_chunker("recursive"), estimate_tokens)
    assert (chunk.start, chunk.end) == (0, 1)


def test_the_words_of_metadata() -> None:
    value = {"a": ["x", 1, 2.5, True, None], "b": {"c": ("y",)}}
    assert list(scalars(value)) == ["x", "1", "2.5", "y"]


# --- texts, times -------------------------------------------------------------------------


@given(st.text(max_size=500) | st.integers(0, 900).map("é ".__mul__))
def test_texts_come_back(text: str) -> None:
    assert inflated(deflated(text)) == text
    assert deflated(text) == deflated(text)


MOMENTS = st.datetimes(
    datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.sampled_from([None, UTC])
)


@given(MOMENTS, MOMENTS)
def test_stamps_order_as_the_moments_do(one: datetime, other: datetime) -> None:
    aware = [m if m.tzinfo else m.replace(tzinfo=UTC) for m in (one, other)]
    assert (stamp(one) < stamp(other)) == (aware[0] < aware[1])
    assert parse_time(stamp(one)) == parse_time(utc(one)) == aware[0]
    assert seconds(stamp(one)) == aware[0].timestamp()


def test_a_zone_is_turned_into_utc() -> None:
    moment = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert utc(moment) == "2026-02-28T23:00:00Z"
    assert parse_time(" 2026-03-01T01:00:00+02:00 ") == moment


@pytest.mark.parametrize(
    "expires",
    ["2026-03-01", date(2026, 3, 1), datetime(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)],
)
def test_a_date_ends_at_its_beginning(expires: Any) -> None:
    assert until(expires) == "2026-03-01T00:00:00.000000Z"
    assert until(None) == ""


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "0001-01-01T00:00+05:00"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(InputError, match="is no date or time"):
        parse_time(text)
