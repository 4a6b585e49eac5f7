"""The folded copy that rules are matched on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails import shadow
from fairlead.guardrails.shadow import Origin, folded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ignore ALL", "ignore all"),
        ("ｉｇｎｏｒｅ", "ignore"),
        ("𝐢𝐠𝐧𝐨𝐫𝐞", "ignore"),
        ("іgnоrе", "ignore"),  # Cyrillic look-alikes
        ("ígnörê", "ignore"),
        ("i\u0301gnore", "ignore"),
        ("ﬁle", "file"),
        ("a\u00a0b\u2003c\u2028d", "a b c\nd"),
        ("“a” – b", "'a' - b"),
        ("忽略", "忽略"),
        ("İ", "i"),
    ],
)
def test_folds_to_what_a_reader_takes_it_for(text: str, expected: str) -> None:
    assert folded(text) == expected


def test_one_character_becomes_four_at_most() -> None:
    assert len(folded("\ufdfa" * 1000)) <= 4000


def test_not_every_character_ever_seen_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_HELD", len(shadow._folding))
    assert folded("\U0001d56f") == "d"
    assert 0x1D56F not in shadow._folding


def test_spans_lead_back_across_changed_lengths() -> None:
    text = "ﬃ e\u0301 ＩＧＮＯＲＥ x"
    at = folded(text).index("ignore")
    start, end = Origin(text).span(at, at + 6)
    assert text[start:end] == "ＩＧＮＯＲＥ"


@given(st.text())
def test_every_span_lies_inside_the_text(text: str) -> None:
    copy, origin = folded(text), Origin(text)
    for at in range(len(copy)):
        start, end = origin.span(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert copy[at] in folded(text[start:end])
