"""A folded copy of a text for matching: what a reader takes it for, in plain lower-case letters.

Compatibility forms (full-width, mathematical, ligatures), letter case, accents and the commonest
Cyrillic and Greek look-alikes are folded; spaces, dashes and quotation marks of every kind become
ASCII ones. The copy is matched against and thrown away: folding changes the meaning of some text,
so it never replaces it.
"""

import re
import unicodedata
from array import array
from bisect import bisect_right
from typing import Final

_LOOK_ALIKES: Final = dict(
    zip(
        "абвгԁеһіјкӏмноԛрсѕтуѵԝхзьαβεηικνορτυχωɑɡıƒ",
        "abbrdehijklmhoqpcstyvwx3babenikvoptuxwagif",
        strict=True,
    )
)
_SIGNS: Final = {"Zs": " ", "Zl": "\n", "Zp": "\n", "Pd": "-", "Pi": "'", "Pf": "'"}
_LONGEST: Final = 4
"""Characters one character may fold to; U+FDFA alone would become eighteen."""
_HELD: Final = 20_000
"""Folded characters kept in memory."""


class _Folding(dict[int, str]):
    """Code point → folded characters, worked out when first met."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if len(self) < _HELD:
            self[code] = folded
        return folded


def _fold(character: str) -> str:
    sign = _SIGNS.get(unicodedata.category(character))
    if sign:
        return sign
    parts = unicodedata.normalize("NFKD", character).lower()
    kept = (p for p in parts if unicodedata.category(p) not in ("Mn", "Me", "Cf"))
    return "".join(_LOOK_ALIKES.get(p, p) for p in kept)[:_LONGEST]


_folding: Final = _Folding()
_foreign: Final = re.compile(r"[^\x00-\x7f]+")


def folded(text: str) -> str:
    """The shadow of `text`; for ASCII its lower-case form."""
    return text.lower() if text.isascii() else _foreign.sub(_fold_stretch, text).lower()


def _fold_stretch(found: re.Match[str]) -> str:
    return found.group().translate(_folding)


class Origin:
    """Spans of the shadow as spans of the text it was made from.

    Kept are only the characters whose folded form is not one character long.
    """

    def __init__(self, text: str) -> None:
        self._places = array("I")
        self._copies = array("I")
        self._lengths = array("B")
        odd = "".join(c for c in set(text) if c > "\x7f" and len(_folding[ord(c)]) != 1)
        if not odd:
            return
        longer = 0
        for found in re.finditer(f"[{re.escape(odd)}]", text):
            self._places.append(found.start())
            self._copies.append(found.start() + longer)
            self._lengths.append(len(_folding[ord(found.group())]))
            longer += self._lengths[-1] - 1

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters that `shadow[start:end]`, which is not empty, was folded from."""
        return self._place(start), self._place(end - 1) + 1

    def _place(self, at: int) -> int:
        last = bisect_right(self._copies, at) - 1
        if last < 0:
            return at
        beyond = at - self._copies[last] - self._lengths[last]
        return self._places[last] + max(0, beyond + 1)
