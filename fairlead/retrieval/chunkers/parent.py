"""Small chunks that are searched, inside larger ones that are read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fairlead.retrieval.chunkers.packing import Packing, joined
from fairlead.retrieval.chunkers.parameters import identity, parameter
from fairlead.retrieval.chunkers.protocol import Chunk, Count, Markup
from fairlead.retrieval.chunkers.structure import structure


@dataclass(frozen=True, kw_only=True)
class ParentChunker:
    """Children of at most `tokens` are searched, parents of at most `parent` are read.

    A parent is a section, or as many of its blocks as fit; no child lies in two.
    """

    tokens: int = parameter(96, 16, 8192)
    parent: int = parameter(384, 16, 8192)

    @property
    def identity(self) -> str:
        return identity(self, "parent/1")

    def chunk(
        self, text: str, *, start: int, markup: Markup, count: Count, source: str = ""
    ) -> list[Chunk]:
        return list(self._chunks(text, start, markup, count, source))

    def _chunks(
        self, text: str, start: int, markup: Markup, count: Count, source: str
    ) -> Iterator[Chunk]:
        large = Packing(text, count, max(self.parent, self.tokens))
        small = Packing(text, count, self.tokens)
        for section, blocks in structure(text, start, markup, source):
            for group in large.groups(large.pieces(blocks)):
                whole = joined(group)
                for child in small.chunks((piece.block for piece in group), section.headings):
                    yield replace(child, read_start=whole.start, read_end=whole.end)
