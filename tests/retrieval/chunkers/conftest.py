"""A text cut by a named chunker."""

from collections.abc import Sequence

from fairlead.retrieval.chunkers import Chunk, Markup, estimate_tokens, open_chunker


def cut(
    name: str, text: str, markup: Markup = "markdown", *, source: str = "", start: int = 0
) -> Sequence[Chunk]:
    chunker = open_chunker(name)
    return chunker.chunk(text, start=start, markup=markup, count=estimate_tokens, source=source)


def texts(text: str, chunks: Sequence[Chunk]) -> list[str]:
    """What each chunk holds."""
    return [text[chunk.start : chunk.end] for chunk in chunks]


def leads(text: str, chunks: Sequence[Chunk]) -> list[str]:
    """What each is read with."""
    return ["\n".join(text[a:b] for a, b in chunk.lead) for chunk in chunks]
