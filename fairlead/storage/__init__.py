"""SQLite files: opening, migrating, and saying plainly what is wrong with them."""

from fairlead.storage.lease import Leases
from fairlead.storage.sqlite import Migration, open_database, plainly

__all__ = ["Leases", "Migration", "open_database", "plainly"]
