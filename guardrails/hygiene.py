"""Characters a reader cannot see, taken out of a text.

Covers the tag block, zero-width and invisible format characters, bidirectional controls, variation
selectors that select nothing, Hangul fillers, the soft hyphen and control characters. Joiners stay
inside emoji and in scripts that need them, variation selectors after a base that has variants.
Flags spelled with tags (England, Scotland, Wales) become the black flag they begin with.
Does not cover text hidden by other means: white on white, tiny print, look-alike letters.
"""

import re
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

_ALWAYS: Final = (
    "\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls but tab, line and page breaks
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_JOINERS: Final = "\u200c\u200d"
_SELECTORS: Final = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
HIDDEN: Final = f"[{_ALWAYS}{_JOINERS}{_SELECTORS}]"
"""A character class of what may have to go, for `re` and for RE2."""

_candidates: Final = re.compile(f"{HIDDEN}+")
_always: Final = re.compile(f"[{_ALWAYS}]+")
_tags: Final = re.compile("[\U000e0020-\U000e007e]")
_selector: Final = re.compile(f"[{_SELECTORS}]")
_ideograph: Final = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_mongolian: Final = re.compile("[\u1820-\u1842\u1880-\u18aa]")
_pictorial: Final = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff]"
)
_keycap: Final = re.compile("[0-9#*]")
_joining: Final = re.compile(  # letters and signs of scripts whose spelling uses the joiners
    "[\u0600-\u06ff\u0700-\u077f\u07c0-\u07ff\u0840-\u085f\u08a0-\u08ff\u0900-\u0dff\u0f00-\u109f"
    "\u1780-\u17b3\u17b6-\u17ff\u1800-\u180a\u1810-\u18af\u1a20-\u1aaf\u1b00-\u1bff"
    "\ua840-\ua87f\ua8e0-\ua8ff\ua980-\ua9df\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010aff\U00010d00-\U00010fff\U00011000-\U00011fff]"
)


def hidden(text: str) -> "array[int]":
    """Where the characters stand that have to go, in rising order. Linear time."""
    gone = array("I")
    for found in _candidates.finditer(text):
        at, end = found.span()
        while at < end:
            always = _always.match(text, at, end)
            if always:
                gone.extend(range(at, always.end()))
            elif not _needed(text, at, gone):
                gone.append(at)
            at = always.end() if always else at + 1
    return gone


def _needed(text: str, at: int, gone: Sequence[int]) -> bool:
    """Whether the joiner or selector at `at` does something for the visible text around it."""
    if not at or (gone and gone[-1] == at - 1):
        return False
    before = text[at - 1]
    if _selector.match(text, at):
        return _selects(text[at], before)
    if at + 1 == len(text) or _candidates.match(text, at + 1):
        return False
    if _joining.match(before) and _joining.match(text, at + 1):
        return unicodedata.category(before)[0] in "LM"
    return text[at] == "\u200d" and _emoji(text, at - 1) and bool(_pictorial.match(text, at + 1))


def _selects(selector: str, base: str) -> bool:
    if selector in "\ufe0e\ufe0f":
        return bool(_pictorial.match(base) or _keycap.match(base))
    if selector <= "\u180f":
        return bool(_mongolian.match(base))
    if selector >= "\U000e0100":
        return bool(_ideograph.match(base))
    return bool(_ideograph.match(base) or "\u2190" <= base <= "\u2bff")


def _emoji(text: str, at: int) -> bool:
    """Whether an emoji ends at `at`; a selector is one when it follows a pictorial character."""
    if text[at] == "\ufe0f" and at:
        at -= 1
    return bool(_pictorial.match(text, at))


def without(text: str, gone: Sequence[int]) -> str:
    """`text` less the characters at `gone`."""
    if not gone:
        return text
    pieces, start = [], 0
    for at in gone:
        if at > start:
            pieces.append(text[start:at])
        start = at + 1
    pieces.append(text[start:])
    return "".join(pieces)


def runs(gone: Sequence[int]) -> Iterator[tuple[int, int]]:
    """`gone` as half-open spans of neighbours, each found in logarithmic time."""
    first = 0
    while first < len(gone):
        apart = gone[first] - first
        last = bisect_right(range(len(gone)), apart, first, key=lambda at: gone[at] - at)
        yield gone[first], gone[last - 1] + 1
        first = last


def described(stretch: str) -> str:
    """What a hidden stretch was, for the record: code points, and what a tag block spells."""
    tags = islice(_tags.finditer(stretch), 200)
    spelled = "".join(chr(ord(tag.group()) - 0xE0000) for tag in tags)
    if spelled:
        return f"{len(stretch)} hidden characters that spell {spelled!r}"
    names = sorted({f"U+{ord(c):04X}" for c in stretch[:200]})[:6]
    return f"{len(stretch)} hidden: {' '.join(names)}"
