"""Stretches of a text that belong together, and what each is cut into where it is too long."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from fairlead.retrieval.chunkers.protocol import Kind, Span

_SPACE: Final = re.compile(r"\s+")
_LONGEST_WORD: Final = 400
"""Characters; what is longer is cut here whatever it counts for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Code points `start` to `end`, without white space at either end."""

    start: int
    end: int
    kind: Kind = "text"
    lead: tuple[Span, ...] = ()
    """What it is read with where it is cut from the block around it."""
    names: tuple[str, ...] = ()
    """The symbols it defines or lies in."""
    parts: Callable[[], Iterable["Block"]] | None = None
    """What it is cut into where it does not fit; its words where there is nothing better."""
    whole: bool = False
    """Whether it is kept whole up to the larger limit, as tables are."""
    atom: bool = False
    """Whether it is one unit of reading: a sentence, a row, a fence."""


def trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without white space at its ends; nothing where nothing else is in it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end


def split(text: str, start: int, end: int, mark: re.Pattern[str]) -> Iterator[Span]:
    """What lies before, between and behind the marks, each with the mark that ends it, trimmed."""
    begin = start
    for found in mark.finditer(text, start, end):
        yield from trimmed(text, begin, found.end())
        begin = found.end()
    yield from trimmed(text, begin, end)


def words(text: str, block: Block) -> Iterator[Block]:
    """The words of a block; one that is alone is cut by length, then in halves."""
    pieces = [
        (at, min(at + _LONGEST_WORD, b))
        for a, b in split(text, block.start, block.end, _SPACE)
        for at in range(a, b, _LONGEST_WORD)
    ]
    if pieces == [(block.start, block.end)]:
        middle = (block.start + block.end) // 2
        pieces = [(block.start, middle), (middle, block.end)]
    for a, b in pieces:
        yield Block(start=a, end=b, kind=block.kind, lead=block.lead, names=block.names)


def headed(start: int, block: Block, kind: Kind = "text", lead: tuple[Span, ...] = ()) -> Block:
    """The block with what stands directly before it, from `start` on; its first part keeps it."""
    parts = block.parts

    def cut() -> Iterator[Block]:
        assert parts is not None
        for at, part in enumerate(parts()):
            yield part if at else headed(start, part, kind, lead)

    return replace(block, start=start, kind=kind, lead=lead, parts=parts and cut)


def tailed(block: Block, end: int) -> Block:
    """The block with what stands directly behind it, up to `end`; its last part keeps it."""
    parts = block.parts

    def cut() -> Iterator[Block]:
        assert parts is not None
        *rest, last = parts()
        yield from rest
        yield tailed(last, end)

    return replace(block, end=end, parts=parts and cut)
