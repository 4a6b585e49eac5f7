"""SQLite files and PostgreSQL: opening, migrating, and saying plainly what is wrong with them."""

from fairlead.storage.database import Database, Step, shared_database
from fairlead.storage.lease import Leases
from fairlead.storage.sqlite import Migration, open_database, plainly

__all__ = [
    "Database",
    "Leases",
    "Migration",
    "Step",
    "open_database",
    "plainly",
    "shared_database",
]
