"""Hidden characters."""

import pytest

from fairlead.guardrails.hygiene import described, hidden, runs, without


def visible(text: str) -> str:
    return without(text, hidden(text))


@pytest.mark.parametrize(
    "text",
    [
        "plain ASCII\twith\r\nlines\x0cand pages",
        "façade – “quoted” … 10 €",
        "👩\u200d💻 👩🏽\u200d🔬 🏳️\u200d🌈 👨\u200d👩\u200d👧",  # joined emoji
        "❤️ ☎︎ 1️⃣ #️⃣ ©️",  # emoji and text presentation, keycaps
        "می\u200cخواهم",  # Persian needs the non-joiner
        "क्\u200dष श्री\u200cमान",  # Devanagari conjuncts
        "葛\U000e0100城",  # an ideographic variant
        "≨︀",  # a mathematical variant
        "ᠠ\u180b",  # a Mongolian variant
        "שלום עולם",
    ],
)
def test_keeps_what_a_reader_sees(text: str) -> None:
    assert not hidden(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\u200bb\u2060c\ufeff", "abc"),
        ("safe\u202etxt.exe\u202c", "safetxt.exe"),
        ("pass\u00adword", "password"),
        ("\U000e0041\U000e0042x\U000e007f", "x"),
        ("a\u3164\uffa0\u115f\u1160b", "ab"),
        ("red \x1b[31mtext\x00\x07", "red [31mtext"),
        ("a\u200db", "ab"),  # a joiner joins no Latin letters
        ("\u200d👩", "👩"),
        ("👩\u200d", "👩"),
        ("👩\u200d x", "👩 x"),
        ("👩\u200b\u200d💻", "👩💻"),
        ("a\ufe0f\ufe01", "a"),  # nothing to select
        ("❤\ufe0f\ufe0f\ufe0e", "❤\ufe0f"),
        ("葛\U000e0100\U000e0101", "葛\U000e0100"),
        ("x\u180b", "x"),
        ("\ufe0f", ""),
        ("\u0301\u200d\u0628", "\u0301\u0628"),
        ("۱،\u200cب", "۱،ب"),  # after punctuation it does nothing
    ],
)
def test_takes_out_what_nobody_sees(text: str, left: str) -> None:
    assert visible(text) == left


def test_runs_join_neighbours() -> None:
    assert list(runs([1, 2, 3, 7, 9, 10])) == [(1, 4), (7, 8), (9, 11)]
    assert list(runs([])) == []


def test_a_tag_block_is_spelled_out() -> None:
    smuggled = "".join(chr(0xE0000 + ord(c)) for c in "pay Bob")
    assert described(smuggled) == "7 hidden characters that spell 'pay Bob'"
    assert described("\u200b\u00ad\u200b") == "3 hidden: U+00AD U+200B"
