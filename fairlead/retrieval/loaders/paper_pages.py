"""Pages of lines put together as one text, as a reader goes through them.

A form feed stands before every page but the first. It is white space, so it is in nobody's way, and
`page_at` finds the page of any place. Headings such as "Page 3" would be cut into chunks, embedded
with each of them, and end every paragraph that runs on.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

Pages: TypeAlias = Sequence[Sequence[str]]
"""Lines of each page."""

PAGE: Final = "\f"
_HYPHEN: Final = re.compile(r"(\w*[a-zß-ÿ])[-\u00ad\u2010]$")
_GOES_ON: Final = re.compile(r"[a-zß-ÿ]+")
_WORD: Final = re.compile(r"[\w-]+")
_ENDS: Final = tuple(".!?:;|”\"')]")


def page_at(text: str, position: int) -> int:
    """The page, from 1, on which a code point of the text stands."""
    return text.count(PAGE, 0, position) + 1


def joined(pages: Pages) -> str:
    """One text, in which words that were split at the end of a line are whole again."""
    known = {word.lower() for page in pages for line in page for word in _WORD.findall(line)}
    parts: list[str] = []
    flowing = False
    for number, page in enumerate(pages):
        lines = "\n".join(_rejoined(page, known)).strip("\n").split("\n")
        if number:
            first = next((line for line in lines if line), "")
            runs_on = flowing and first[:1].islower()
            parts.append(PAGE if runs_on else f"\n\n{PAGE}")
        parts.append("\n".join(lines))
        if lines:
            flowing = bool(lines[-1]) and not lines[-1].endswith(_ENDS)
    return "".join(parts).strip("\n") + "\n"


def _rejoined(lines: Sequence[str], known: set[str]) -> list[str]:
    """The lines, with words whole that a hyphen at the line's end had split.

    The hyphen stays where the text elsewhere writes the word with it.
    """
    found: list[str] = []
    for line in lines:
        broken = _HYPHEN.search(found[-1]) if found else None
        rest = _GOES_ON.match(line) if broken else None
        if broken and rest:
            whole, _, line = line.partition(" ")
            joint = "-" if f"{broken[1]}-{rest[0]}".lower() in known else ""
            found[-1] = found[-1][: broken.end(1)] + joint + whole
            if not line:
                continue
        found.append(line)
    return found
