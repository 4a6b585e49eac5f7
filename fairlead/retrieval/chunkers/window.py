"""Single sentences that are searched, and the sentences around them that are read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from fairlead.retrieval.chunkers.packing import Packing, Piece, joined
from fairlead.retrieval.chunkers.parameters import identity, parameter
from fairlead.retrieval.chunkers.protocol import Chunk, Count, Markup
from fairlead.retrieval.chunkers.structure import structure

_TOKENS: Final = 256


@dataclass(frozen=True, kw_only=True)
class WindowChunker:
    """A sentence, a table's row or a piece of code is searched; `around` more on each side read.

    Two neighbours of at most `short` tokens are searched as one. Windows end with their section.
    """

    around: int = parameter(2, 0, 20)
    short: int = parameter(12, 0, 128)

    @property
    def identity(self) -> str:
        return identity(self, "window/1")

    def chunk(
        self, text: str, *, start: int, markup: Markup, count: Count, source: str = ""
    ) -> list[Chunk]:
        packing = Packing(text, count, _TOKENS, atoms=True)
        return [
            chunk
            for section, blocks in structure(text, start, markup, source)
            for chunk in self._windows(packing.pieces(blocks), section.headings)
        ]

    def _windows(self, pieces: Iterable[Piece], headings: tuple[str, ...]) -> Iterator[Chunk]:
        units = [joined(group, headings) for group in self._units(pieces)]
        for at, unit in enumerate(units):
            first, last = max(0, at - self.around), min(len(units), at + self.around + 1) - 1
            yield replace(unit, read_start=units[first].start, read_end=units[last].end)

    def _units(self, pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
        held: Piece | None = None
        for piece in pieces:
            if held and max(held.size, piece.size) <= self.short:
                yield [held, piece]
                held = None
                continue
            if held:
                yield [held]
            held = piece
        if held:
            yield [held]
