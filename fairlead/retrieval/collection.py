"""One collection's file: opened for reading from a pool, for writing one transaction at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.errors import SettingsError
from fairlead.retrieval.matrix import Matrix
from fairlead.retrieval.tables import MIGRATIONS
from fairlead.storage import open_database, plainly


class CollectionFile:
    """The SQLite file of one tenant's collection. Reading it never creates it."""

    def __init__(self, path: Path, tenant: str, name: str) -> None:
        self.path = path
        self.tenant = tenant
        self.name = name
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._identity: tuple[int, int] | None = None
        self._identity_of_writer: tuple[int, int] | None = None
        self._writer: sqlite3.Connection | None = None
        self._matrices: dict[str, tuple[str, Matrix]] = {}

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection inside one read transaction; None where nothing was ever written."""
        connection = self._taken()
        if connection is None:
            yield None
            return
        try:
            with plainly(self.path):
                connection.execute("BEGIN")
                yield connection
        finally:
            self._given_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one write transaction: all of it is stored, or nothing."""
        with self._writing, plainly(self.path):
            connection = self._opened_for_writing()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                _raise_generation(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has rolled back already
                    connection.execute("ROLLBACK")
                raise

    def matrix(self, connection: sqlite3.Connection, identity: str) -> Matrix:
        """The live vectors of one embedder as the connection's transaction sees them."""
        generation = state(connection, "generation")
        with self._lock:
            held = self._matrices.get(identity)
        if held is None or held[0] != generation:
            held = generation, Matrix.load(connection, identity)
            with self._lock:
                self._matrices[identity] = held
        return held[1]

    def close(self) -> None:
        """Closes what is open; it can be used again afterwards."""
        with self._lock:
            self._close_readers()
        with self._writing:
            self._close_writer()

    # --- connections -----------------------------------------------------------------------------

    def _taken(self) -> sqlite3.Connection | None:
        identity = self._on_disk()
        if identity is None:
            return None
        with self._lock:
            if identity != self._identity:  # erased, or another file put in its place
                self._close_readers()
                self._identity = identity
            if self._idle:
                return self._idle.pop()
        connection = open_database(self.path, MIGRATIONS, read_only=True)
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # being made just now
            connection.close()
            return None
        connection.execute("CREATE VIRTUAL TABLE temp.term USING fts5vocab('main', 'fts', 'row')")
        connection.execute("CREATE TEMP TABLE allowed (document INTEGER PRIMARY KEY)")
        return connection

    def _given_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._lock:
            if self._identity is not None and self._identity == self._on_disk():
                self._idle.append(connection)
                return
        connection.close()

    def _opened_for_writing(self) -> sqlite3.Connection:
        if self._writer is not None and self._identity_of_writer != self._on_disk():
            self._close_writer()
        if self._writer is None:
            _require_fts5()
            self._writer = open_database(self.path, MIGRATIONS)
            self._identity_of_writer = self._on_disk()
        return self._writer

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            with plainly(self.path):
                raise
        return found.st_dev, found.st_ino

    def _close_readers(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        self._matrices.clear()
        self._identity = None

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def state(connection: sqlite3.Connection, key: str) -> str:
    """A value of the `state` table, empty where it was never set."""
    row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def index_version(connection: sqlite3.Connection) -> int:
    """The number of the newest version, 0 before the first."""
    found = connection.execute("SELECT max(number) FROM version").fetchone()[0]
    return int(found or 0)


def shown_version(number: int) -> str:
    """A version number as callers see it: ordered as a string too; empty for none."""
    return f"{number:08d}" if number else ""


def _raise_generation(connection: sqlite3.Connection) -> None:
    """What is cached for readers holds for one generation: every write begins another."""
    connection.execute(
        "INSERT INTO state VALUES ('generation', '1') "
        "ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
    )


def _require_fts5() -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
    except sqlite3.OperationalError as error:
        raise SettingsError(
            "this Python's SQLite has no full-text search (FTS5)",
            hint="Use a Python from python.org, uv or your distribution.",
        ) from error
    finally:
        connection.close()
