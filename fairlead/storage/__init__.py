"""SQLite files: opening, migrating, and saying plainly what is wrong with them."""

from fairlead.storage.sqlite import Migration, open_database, plainly

__all__ = ["Migration", "open_database", "plainly"]
