"""The embedded store: SQLite files, searched as arrays in memory."""

from fairlead.retrieval.embedded.index import EmbeddedStore

__all__ = ["EmbeddedStore"]
