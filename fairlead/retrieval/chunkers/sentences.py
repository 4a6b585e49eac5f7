"""Prose cut into sentences, sentences into lines."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block, split, trimmed
from fairlead.retrieval.chunkers.protocol import Span

_END: Final = re.compile(r"[.!?…][\"'”’)\]*_`]*(?=\s)|[。！？]+[」』”）]*")
_SHORT: Final = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|cf|approx|inc|ltd|corp|co|nos?|mr|mrs|ms|dr|prof|st|figs?|sec|art|ver|"
    r"dept|est|incl|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|[a-z])\.$",
    re.IGNORECASE,
)
"""Abbreviations and initials, whose full stop ends no sentence."""
_LONGEST_SHORT: Final = 8
_LINE: Final = re.compile(r"\n")


def sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentences of a paragraph, over its line breaks."""
    begin = start
    for found in _END.finditer(text, start, end):
        mark, after = found.start(), found.end()
        before = text[max(begin, mark - _LONGEST_SHORT) : mark + 1]
        if text[after : after + 3].lstrip()[:1].islower() or _SHORT.search(before):
            continue
        yield from trimmed(text, begin, after)
        begin = after
    yield from trimmed(text, begin, end)


def sentence_blocks(text: str, start: int, end: int) -> Iterator[Block]:
    """The same as blocks, cut at line breaks where one does not fit."""
    for a, b in sentences(text, start, end):
        yield Block(start=a, end=b, atom=True, parts=partial(_lines, text, a, b))


def _lines(text: str, start: int, end: int) -> Iterator[Block]:
    for a, b in split(text, start, end, _LINE):
        yield Block(start=a, end=b)
