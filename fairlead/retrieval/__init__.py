"""Documents: ingesting, chunking, embedding, storing and searching them."""

from fairlead.retrieval.integrity import Integrity
from fairlead.retrieval.library import Library
from fairlead.retrieval.vectors import Progress

__all__ = ["Integrity", "Library", "Progress"]
