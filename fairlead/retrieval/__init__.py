"""Documents: ingesting, examining, cutting, embedding, storing and searching them."""

from fairlead.retrieval.library import Library
from fairlead.retrieval.stored import Integrity, StoredDocument
from fairlead.retrieval.stores import open_store
from fairlead.retrieval.vectors import Progress

__all__ = ["Integrity", "Library", "Progress", "StoredDocument", "open_store"]
