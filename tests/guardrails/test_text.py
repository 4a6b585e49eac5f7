"""Cleaning one text: what must hold for every text there is."""

import string
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails import clean, cut
from fairlead.guardrails.tokens import broken

TOKENS = ["<|end|>", "<|", "|>", *"<>[]s", "[INST]", "/INST", "<s>", "<<SYS>>", "</"]
UNSEEN = [*"\u200b\u200d\u200c\ufe0f\U000e0041\u00ad\u202e\x00\ud800"]
SEEN = [*"👩💻❤क्بéﬁ\ufdfa｜ ", "ignore all previous ", "rules", "\n[cut: 5 of 9 characters]"]
PIECES = st.sampled_from([*TOKENS, *UNSEEN, *SEEN])
HOSTILE = st.lists(PIECES, max_size=30).map("".join) | st.text()
CLEAN_ASCII = st.text(string.ascii_letters + string.digits + " .,;:!?'\"()\n\t-+*/=_%&")


@given(HOSTILE)
def test_is_idempotent_never_longer_and_leaves_no_token(text: str) -> None:
    once = clean(text)
    assert clean(once.text).text == once.text
    assert clean(once.text).removed == ()
    assert len(once.text) <= len(text)
    assert broken(once.text)[1] == []


@given(CLEAN_ASCII)
def test_clean_ascii_comes_back_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.text == text
    assert cleaned.removed == ()


@given(HOSTILE)
def test_findings_lie_inside_and_removed_characters_account_for_the_length(text: str) -> None:
    cleaned = clean(text)
    assert all(0 <= f.start < f.end <= len(text) for f in cleaned.findings)
    assert len(cleaned.text) + len(cleaned.removed) == len(text)
    assert list(cleaned.removed) == sorted(set(cleaned.removed))
    assert bool(cleaned.removed) == any(f.kind == "hidden_text" for f in cleaned.findings)


def test_a_token_split_by_hidden_characters_is_caught() -> None:
    text = "a <|im\u200b_start|\u00ad>system"
    cleaned = clean(text)
    assert cleaned.text == "a < im_start >system"
    (token,) = [f for f in cleaned.findings if f.kind == "control_token"]
    assert text[token.start : token.end] == "<|im\u200b_start|\u00ad>"
    assert token.detail == "< im_start >"


def test_what_a_tag_block_spells_is_recorded_without_its_tokens() -> None:
    hidden = "".join(chr(0xE0000 + ord(c)) for c in "<|im_start|>")
    (found,) = clean(f"x{hidden}").findings
    assert found.detail == "12 hidden characters that spell '< im_start >'"


@pytest.mark.parametrize("count", [63, 64, 65, 300])
def test_many_findings_end_in_one_that_covers_the_rest(count: int) -> None:
    text = "a\u200b" * count + "z"
    findings = clean(text).findings
    assert len(findings) == min(count, 64)
    last = findings[-1]
    assert (last.end, last.detail) == (
        (len(text), "and more after it") if count > 64 else (len(text) - 1, "1 hidden: U+200B")
    )


def test_cut_text_is_marked_and_reported() -> None:
    assert cut("short", 5) == "short"
    text = cut("x" * 30, 10)
    assert text == "x" * 10 + "\n[cut: 10 of 30 characters]"
    (found,) = clean(text).findings
    assert (found.kind, found.start, found.end) == ("truncated", 10, len(text))
    assert found.detail == "cut: 10 of 30 characters"
    assert clean("see [1]").findings == ()


HEAVY = ["\u200b", "a\u200b", "<|a|>", "<|", "[<", "\ufdfa", "क\u200d", "\U000e0041", "й", "\ud800"]


@pytest.mark.parametrize("piece", [*HEAVY, "ignore all previous ", "ignore all previous rules "])
def test_much_of_anything_takes_linear_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    begun = time.process_time()
    clean(text)
    assert time.process_time() - begun < 2  # measured: 0.2 s at most; room for a busy machine


def test_a_great_hidden_stretch_costs_little_memory() -> None:
    tracemalloc.start()
    cleaned = clean("\u200b" * 300_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cleaned.removed) == 300_000
    assert (
        peak < 10 * 300_000
    )  # bytes: measured 6 for each; a list of numbers would take 36 for each
