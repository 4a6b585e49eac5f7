"""Redaction: what may stand on a span."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import Unavailable
from fairlead.tracing import names
from fairlead.tracing.redaction import MESSAGE_LIMIT, described, one_line, without_content


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("no tool 'refund Ann'", "no tool …"),
        ('no tool "it\'s \\"here\\""', "no tool …"),
        ("cannot reach http://user:pw@host:1/x?key=1 now", "cannot reach … now"),
        ("mail to ann@example.com failed", "mail to … failed"),
        ("key sk-0123456789abcdefghijklmnop is wrong", "key … is wrong"),
        ("card 4111111111111111 refused", "card … refused"),
        ("took 1200 ms\nTraceback (most recent call last):", "took 1200 ms"),
        ("  \n", ""),
    ],
)
def test_takes_out_what_a_message_quotes_or_gives_away(message: str, kept: str) -> None:
    assert one_line(message, content=False) == kept


def test_with_content_the_line_stays_whole() -> None:
    assert one_line("no tool 'refund Ann'\nmore", content=True) == "no tool 'refund Ann'"


@given(st.text(), st.booleans())
def test_is_always_one_short_line(message: str, content: bool) -> None:
    line = one_line(message, content=content)
    assert len(line) <= MESSAGE_LIMIT and "\n" not in line


@given(st.text(alphabet=st.characters(categories=["Ll"]), min_size=1))
def test_quoted_text_never_stays(secret: str) -> None:
    assert one_line(f"no entry {secret!r} here", content=False) == "no entry … here"


def test_only_our_own_words_describe_an_error() -> None:
    assert described(Unavailable("the store is down")) == ("Unavailable", "the store is down")
    assert described(KeyError("what the user typed")) == ("KeyError", "")
    assert described(FileNotFoundError(2, "No such file", "/home/ann")) == (
        "FileNotFoundError",
        "No such file",
    )
    assert described(TimeoutError()) == ("TimeoutError", "")


def test_reasons_are_kept_without_what_they_quote() -> None:
    said = "find: its description fits, and the question holds email “jane@mail.example”"
    kept = without_content({names.DECISION_REASON: said, names.DECISION: "call"})
    assert (
        kept[names.DECISION_REASON] == "find: its description fits, and the question holds email …"
    )
    assert kept[names.DECISION] == "call"
