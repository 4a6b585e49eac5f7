"""Source code by its blocks: functions and classes with their methods."""

from dataclasses import dataclass

from fairlead.retrieval.chunkers.packing import Packing
from fairlead.retrieval.chunkers.parameters import identity, parameter
from fairlead.retrieval.chunkers.protocol import Chunk, Count, Markup
from fairlead.retrieval.chunkers.source_code import language_of
from fairlead.retrieval.chunkers.structure import structure


@dataclass(frozen=True, kw_only=True)
class CodeChunker:
    """At most `tokens` in a chunk: statements, functions, classes, or the methods of one.

    Comments and decorators stay with what they stand before. A chunk stands under its source and
    the symbols around it, and carries the signatures of what it is cut from. Source code is what
    is marked up as such or has a source that ends like it; other texts are cut as `structure` does.
    """

    tokens: int = parameter(256, 16, 8192)

    @property
    def identity(self) -> str:
        return identity(self, "code/1")

    def chunk(
        self, text: str, *, start: int, markup: Markup, count: Count, source: str = ""
    ) -> list[Chunk]:
        packing = Packing(text, count, self.tokens)
        known: Markup = "code" if language_of(source) else markup
        return [
            chunk
            for section, blocks in structure(text, start, known, source)
            for chunk in packing.section(section, blocks)
        ]
