"""Chunks that follow the structure of a text: sections, lists, quotes, tables, code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block, headed, trimmed
from fairlead.retrieval.chunkers.outline import Outline
from fairlead.retrieval.chunkers.packing import Packing
from fairlead.retrieval.chunkers.parameters import identity, parameter
from fairlead.retrieval.chunkers.protocol import Chunk, Count, Markup
from fairlead.retrieval.chunkers.sections import Section, sections
from fairlead.retrieval.chunkers.sentences import sentence_blocks
from fairlead.retrieval.chunkers.source_code import code_blocks, language_of

_LONGEST_HEADING: Final = 300
"""Characters that stay with the block below them whatever it is."""


@dataclass(frozen=True, kw_only=True)
class StructureChunker:
    """At most `tokens` in a chunk, none over a heading.

    Lists, quotes and code are cut only where they do not fit, code between its statements with the
    line that opens it carried. A table is whole up to `table` tokens; beyond, it is cut between
    rows with its header carried.
    """

    tokens: int = parameter(256, 16, 8192)
    table: int = parameter(512, 16, 8192)

    @property
    def identity(self) -> str:
        return identity(self, "structure/1")

    def chunk(
        self, text: str, *, start: int, markup: Markup, count: Count, source: str = ""
    ) -> list[Chunk]:
        packing = Packing(text, count, self.tokens, table=self.table)
        return [
            chunk
            for section, blocks in structure(text, start, markup, source)
            for chunk in packing.section(section, blocks)
        ]


def structure(
    text: str, start: int, markup: Markup, source: str = ""
) -> Iterator[tuple[Section, Iterator[Block]]]:
    """The sections of a text with their blocks, which are read only where they are asked for.

    Source code is one section, under the path that it comes from.
    """
    if markup == "code":
        blocks = code_blocks(text, start, len(text), language_of(source))
        yield (
            Section(start=start, body=start, end=len(text), headings=(source,) if source else ()),
            iter(blocks),
        )
    outline = Outline(text, markup)
    for section in sections(text, start, markup) if markup != "code" else ():
        yield section, _below(text, section, outline)


def _below(text: str, section: Section, outline: Outline) -> Iterator[Block]:
    """The blocks of a section, its heading with the first of them."""
    blocks = outline.blocks(section.body, section.end)
    for a, b in trimmed(text, section.start, section.body):
        first = next(blocks, None)
        if first and b - a <= _LONGEST_HEADING:
            yield headed(a, first)
        else:
            yield from sentence_blocks(text, a, b)
            if first:
                yield first
    yield from blocks
