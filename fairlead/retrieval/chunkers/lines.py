"""The lines of a text and how far they are indented."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from fairlead.retrieval.chunkers.protocol import Span

BLANK: Final = -1
_TAB: Final = 4


class Line(NamedTuple):
    """A line without the white space behind it; `indent` is `BLANK` where nothing is on it."""

    start: int
    body: int
    """Where its first character stands."""
    end: int
    indent: int
    """Columns before that, a tab counting as four."""


def lines(text: str, start: int, end: int) -> list[Line]:
    """Every line between two places."""
    found = []
    at = start
    for raw in text[start:end].splitlines(keepends=True):
        said = raw.rstrip()
        bare = said.lstrip()
        space = len(said) - len(bare)
        indent = space + (_TAB - 1) * said.count("\t", 0, space) if said else BLANK
        found.append(Line(at, at + space, at + len(said), indent))
        at += len(raw)
    return found


def margin(given: Sequence[Line]) -> int:
    """The smallest indentation; 0 where all lines are blank."""
    return min((line.indent for line in given if line.indent != BLANK), default=0)


def extent(given: Sequence[Line]) -> Span:
    """From the first character to the last; some line must not be blank."""
    filled = [line for line in given if line.indent != BLANK]
    return filled[0].body, filled[-1].end
