"""Patterns that say together whether, and each alone where, they match."""

import sys

import pytest

from fairlead.errors import SettingsError
from fairlead.guardrails.patterns import Patterns, encodable


def test_says_which_occur_and_where() -> None:
    patterns = Patterns(["b+", "x", "(a)|(c)"])
    assert patterns.present("é bb c") == [0, 2]
    assert list(patterns.spans(0, "é bb b")) == [(2, 4), (5, 6)]
    assert list(patterns.spans(2, "é c a")) == [(2, 3), (4, 5)]
    assert patterns.present("é") == []


def test_signs_stand_for_patterns() -> None:
    patterns = Patterns(["a{5}", "b{5}"], ["a", "b"])
    assert patterns.present("xa") == [0]
    assert list(patterns.spans(0, "xa")) == []


class GaveUp:
    """RE2's automaton out of memory: it reports no match at all."""

    def Match(self, text: bytes) -> None:
        return None


def test_an_automaton_that_gives_up_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = Patterns(["a", "b"])
    monkeypatch.setattr(patterns, "_set", GaveUp())
    assert patterns.present("") == [0, 1]


def test_halves_of_characters_become_question_marks() -> None:
    assert encodable("a\ud800b\udfff") == "a?b?"
    assert encodable("é😀") == "é😀"


def test_without_re2_nothing_is_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(SettingsError, match="google-re2"):
        Patterns(["a"])
