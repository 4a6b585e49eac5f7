"""Where the section titles of a reStructuredText stand: by lines, without docutils.

Follows docutils' rules of adornment: a line of one punctuation mark under the title, or one over
and one under it, no shorter than the title; levels in the order in which the styles appear. What is
indented (literal blocks, directives, quotations) holds no titles. Agrees with docutils on the test
corpus; unlike docutils it does not mind a level that is skipped.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, TypeAlias

Heading: TypeAlias = tuple[int, int, int, str]
"""Start, end (code points, adornment included), level from 1, title as it is written."""
_Line: TypeAlias = tuple[int, int, str]

_ADORNMENT: Final = re.compile(r"([!-/:-@\[-`{-~])\1*\s*$")
_OTHER: Final = re.compile(r"[-+*•‣⁃]\s|\.\.(?:\s|$)|>>>|\|\s|:[^:\s][^:]*:\s|__\s")
"""What begins a list, directive, doctest, line block, field or target."""
_WIDE: Final = frozenset("WF")
_SHORTEST: Final = 4
"""Underlines shorter than this must be as long as their title."""


def headings(text: str, start: int = 0) -> Iterator[Heading]:
    """Each section title below code point `start`, in order."""
    lines = _lines(text, start)
    styles: list[str] = []
    at, free = 0, True  # free: no paragraph is open
    while at < len(lines):
        found = _title(lines, at) if free else None
        if found is None:
            free = not lines[at][2].strip()
            at += 1
            continue
        title, style, height = found
        if style not in styles:
            styles.append(style)
        yield lines[at][0], lines[at + height - 1][1], styles.index(style) + 1, title
        at += height
        free = True


def _lines(text: str, start: int) -> list[_Line]:
    """Start, end with the line break, and content of each line."""
    found, at = [], start
    for line in text[start:].splitlines(keepends=True):
        found.append((at, at + len(line), line.rstrip()))
        at += len(line)
    return found


def _title(lines: list[_Line], at: int) -> tuple[str, str, int] | None:
    """Title, style and number of lines of a title that begins here."""
    line = lines[at][2]
    below = [content for _, _, content in lines[at + 1 : at + 3]]
    if not line or line[0].isspace() or not below or not below[0]:
        return None
    if _ADORNMENT.match(line):
        title = below[0].strip()
        framed = len(below) == 2 and below[1] == line and not _ADORNMENT.match(title)
        return (title, line[0] * 2, 3) if framed and _fits(title, line) else None
    if not _ADORNMENT.match(below[0]) or _OTHER.match(line) or not _fits(line, below[0]):
        return None
    return line, below[0][0], 2


def _fits(title: str, underline: str) -> bool:
    return len(underline) >= min(_width(title), _SHORTEST)


def _width(title: str) -> int:
    """Columns: wide characters of East Asia take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in _WIDE)
        for char in title
    )
