import pytest
from hypothesis import strategies as st

from fairlead.agents.words import content, fold, near, stem, stems, words

LETTERS = st.text("abcd", max_size=6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return", "returns"),
        ("policy", "policies"),
        ("stop", "stopped"),
        ("terminate", "termination"),
        ("organisation", "organization"),
        ("verify", "verified"),
        ("address", "addresses"),
        ("quick", "quickly"),
        ("cite", "cited"),
        ("box", "boxes"),
    ],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("status", "state"), ("bus", "bu"), ("1042", "104")])
def test_different_words_keep_different_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_folding_makes_spellings_equal() -> None:
    assert fold("Café, the user’s E-Mail") == "cafe, the user's email"


def test_joined_words_are_split() -> None:
    assert words("nargs=-1 in parse_http, the user's e-mail") == [
        "nargs",
        "1",
        "in",
        "parse",
        "http",
        "the",
        "user",
        "email",
    ]


def test_content_leaves_what_the_subject_is() -> None:
    assert content("How do I return the goods?") == ["return", "goods"]
    assert stems("How do I return the goods?") == ["return", "good"]


def test_one_slip_is_forgiven_and_two_in_long_words() -> None:
    known = ["callback", "parameter", "boot"]
    assert near("calback", known) == "callback"
    assert near("clalback", known) == "callback"
    assert near("paramtre", known) is None
    assert near("parameetre", known) == "parameter"
    assert near("root", known) is None, "the first letter must be right"
    assert near("callback", known) is None, "a known word is no slip"
