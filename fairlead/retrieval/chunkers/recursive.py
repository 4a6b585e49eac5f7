"""The default chunker: headings, paragraphs, sentences and words, joined while they fit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block, split, trimmed
from fairlead.retrieval.chunkers.lines import lines
from fairlead.retrieval.chunkers.packing import Packing
from fairlead.retrieval.chunkers.parameters import identity, parameter
from fairlead.retrieval.chunkers.protocol import Chunk, Count, Kind, Markup
from fairlead.retrieval.chunkers.sections import Fences, sections
from fairlead.retrieval.chunkers.tables import find_tables, table_rows

_SENTENCE: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n|(?<=[。！？])")


@dataclass(frozen=True, kw_only=True)
class RecursiveChunker:
    """At most `tokens` in a chunk; a heading stays with the text below it.

    About 256 tokens without overlap did best on a public set of 472 questions. A table that does
    not fit is cut between rows, and its header is carried.
    """

    tokens: int = parameter(256, 16, 8192)

    @property
    def identity(self) -> str:
        return identity(self, "recursive/2")

    def chunk(
        self, text: str, *, start: int, markup: Markup, count: Count, source: str = ""
    ) -> list[Chunk]:
        packing = Packing(text, count, self.tokens)
        return [
            chunk
            for section in sections(text, start, markup)
            for chunk in packing.section(
                section, _paragraphs(text, section.start, section.end, markup)
            )
        ]


def _paragraphs(text: str, start: int, end: int, markup: Markup) -> Iterator[Block]:
    """Runs of lines between blank lines; fenced code is one paragraph."""
    fences = Fences()
    begin = at = start
    kind: Kind = "code"
    for line in text[start:end].splitlines(keepends=True):
        if not fences.holds(line):
            if line.strip():
                kind = "text"
            else:
                yield from _paragraph(text, begin, at, kind, markup)
                begin, kind = at + len(line), "code"
        at += len(line)
    yield from _paragraph(text, begin, end, kind, markup)


def _paragraph(text: str, start: int, end: int, kind: Kind, markup: Markup) -> Iterator[Block]:
    for a, b in trimmed(text, start, end):
        yield Block(start=a, end=b, kind=kind, parts=partial(_cut, text, a, b, kind, markup))


def _cut(text: str, start: int, end: int, kind: Kind, markup: Markup) -> Iterator[Block]:
    """Tables between their rows, everything else between sentences and lines."""
    given = lines(text, start, end) if kind == "text" else []
    tables = find_tables(text, given, markup)
    if not tables:
        for a, b in split(text, start, end, _SENTENCE):
            yield Block(start=a, end=b, kind=kind)
    at = start
    for table in tables:
        rows = table_rows(given, table)
        yield from _paragraph(text, at, rows[0].start, kind, "plain")
        yield from rows
        at = rows[-1].end
    if tables:
        yield from _paragraph(text, at, end, kind, "plain")
