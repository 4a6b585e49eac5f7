"""A model's text cut into claims: every sentence, list item, row and heading that says something.

Goes line by line and leaves nothing out, unlike `units`, which reads documents and skips what is
markup there: what a model wrote is checked wherever it stands.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fairlead.agents.blocks import DIVIDER, HEADING, ITEM, Span, quote_marker
from fairlead.agents.units import sentences

_FENCE: Final = re.compile(r"\s*(?:`{3,}|~{3,})\s*[\w+#.-]{0,20}\s*$")
_CODE: Final = re.compile(r"(`{3,}|~{3,})[\s\S]*?(?:\1|\Z)|(?<!`)(`{1,2})(?!`)[^\n]*?(?<!`)\2(?!`)")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A stretch of a text that is supported or is not."""

    start: int
    end: int
    block: int
    """Claims of one paragraph, list item or table share it."""
    leads: bool = False
    """Whether it only introduces what follows: a heading, a table's head, a line with a colon."""


@lru_cache(maxsize=64)  # an answer's are looked at by its writer and by its verifier
def claims(text: str) -> tuple[Claim, ...]:
    """The claims of a text in order; together they hold every word but list and heading marks."""
    return tuple(_Lines(text).read())


def code_spans(text: str) -> list[Span]:
    """Where code stands, in fences or between backticks."""
    return [found.span() for found in _CODE.finditer(text)]


class _Lines:
    """Goes through the lines once, collecting the lines of a paragraph."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._block = 0
        self._open: list[Span] = []

    def read(self) -> Iterator[Claim]:
        spans = list(_lines(self._text))
        for number, (start, end) in enumerate(spans):
            line = self._text[start:end]
            if not line.strip() or _FENCE.match(line) or not re.search(r"\w", line):
                yield from self._paragraph()
            elif HEADING.match(line):
                yield from self._paragraph()
                yield self._whole((start, end), leads=True)
                self._block += 1
            elif "|" in line and line.count("|") >= 2:
                yield from self._row((start, end), spans[number + 1 : number + 2])
            else:
                at = start + quote_marker(line)
                item = ITEM.match(self._text, at, end)
                if item:
                    yield from self._paragraph()
                    at = item.end()
                self._open.append(_stripped(self._text, at, end))
        yield from self._paragraph()

    def _row(self, span: Span, following: Sequence[Span]) -> Iterator[Claim]:
        if self._open:
            yield from self._paragraph()
        heads = any(DIVIDER.match(self._text[slice(*after)]) for after in following)
        yield self._whole(span, leads=heads)

    def _paragraph(self) -> Iterator[Claim]:
        for spans in sentences(self._text, self._open):
            start, end = spans[0][0], spans[-1][1]
            leads = self._text[start:end].rstrip("*_ ").endswith(":")
            yield Claim(start=start, end=end, block=self._block, leads=leads)
        self._open = []
        self._block += 1

    def _whole(self, span: Span, *, leads: bool) -> Claim:
        start, end = _stripped(self._text, *span)
        return Claim(start=start, end=end, block=self._block, leads=leads)


def _lines(text: str) -> Iterator[Span]:
    at = 0
    for line in text.splitlines(keepends=True):
        yield at, at + len(line.rstrip("\r\n"))
        at += len(line)


def _stripped(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
