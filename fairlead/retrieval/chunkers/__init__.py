"""Texts to chunks: by size, by structure, by definitions, or small within large."""

from fairlead.retrieval.chunkers.protocol import Chunk, Chunker, Count, Kind, Markup, Span
from fairlead.retrieval.chunkers.registry import CHUNKERS, open_chunker
from fairlead.retrieval.chunkers.sections import first_heading
from fairlead.retrieval.chunkers.tokens import estimate_tokens

__all__ = [
    "CHUNKERS",
    "Chunk",
    "Chunker",
    "Count",
    "Kind",
    "Markup",
    "Span",
    "estimate_tokens",
    "first_heading",
    "open_chunker",
]
