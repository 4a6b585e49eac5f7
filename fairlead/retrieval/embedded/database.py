"""One collection's file: opened for reading from a pool, for writing one transaction at a time."""

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairlead.errors import SettingsError
from fairlead.retrieval.embedded import sidecar
from fairlead.retrieval.embedded.frame import Frame, Head, loaded, refreshed
from fairlead.retrieval.embedded.tables import MIGRATIONS
from fairlead.retrieval.embedded.terms import Terms
from fairlead.storage import open_database, plainly


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """A write transaction; `generation` goes on every document that it changes."""

    connection: sqlite3.Connection
    generation: int
    epoch: int
    terms: Terms


class CollectionFile:
    """The SQLite file of one tenant's collection. Reading it never creates it."""

    def __init__(self, path: Path, tenant: str, name: str) -> None:
        self.path = path
        self.tenant = tenant
        self.name = name
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._loading = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._identity: tuple[int, int] | None = None
        self._identity_of_writer: tuple[int, int] | None = None
        self._writer: sqlite3.Connection | None = None
        self._frame: Frame | None = None
        self._terms = Terms()

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
    def writing(self) -> Iterator[Transaction]:
        """One write transaction: all of it is stored, or nothing. Begins a generation."""
        with self._writing, plainly(self.path):
            connection = self._opened_for_writing()
            connection.execute("BEGIN IMMEDIATE")
            try:
                generation = _next_generation(connection)
                epoch = int(state(connection, "epoch") or 0)
                yield Transaction(
                    connection=connection, generation=generation, epoch=epoch, terms=self._terms
                )
                connection.execute("COMMIT")
            except BaseException:
                self._terms.forget()
                if connection.in_transaction:  # a full disk has rolled back already
                    connection.execute("ROLLBACK")
                raise

    def frame(self, connection: sqlite3.Connection) -> Frame | None:
        """The collection in memory as the connection's transaction sees it.

        None where a frame of a later state is held already: begin another transaction.
        """
        with self._loading:
            head = head_of(connection)
            held = self._frame
            if held is not None and held.key == head.key:
                if held.generation > head.generation:
                    return None
                found = refreshed(connection, held, head)
            else:
                kept = sidecar.opened(sidecar.sidecar_path(self.path), head)
                found = refreshed(connection, kept, head) if kept else loaded(connection, head)
            self._frame = found
            return found

    def keep(self) -> None:
        """Writes the frame beside the database, where it is large and much changed since.

        Both get a mark, so that a file that is put back as it was, or a new one in its place, is
        never read with the frame of another.
        """
        with self.reading() as connection:
            frame = self.frame(connection) if connection is not None else None
            head = head_of(connection) if connection is not None else None
        path = sidecar.sidecar_path(self.path)
        if frame is None or head is None or not sidecar.due(path, frame, head.kept):
            return
        with self._writing, plainly(self.path):  # no erasure in between
            writer = self._opened_for_writing()
            writer.execute("BEGIN IMMEDIATE")
            try:
                if head_of(writer).key == frame.key:
                    mark = uuid.uuid4().hex
                    sidecar.save(frame, path, mark)
                    set_state(writer, "kept", mark)
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise

    def forget_frame(self) -> None:
        """After an erasure: nothing of it stays in memory or beside the database."""
        sidecar.remove(sidecar.sidecar_path(self.path))
        with self._loading:
            self._frame = None

    def truncate_log(self) -> None:
        """Empties the write-ahead log, which still holds what was deleted, if readers let it."""
        with self._writing, plainly(self.path):
            self._opened_for_writing().execute("PRAGMA wal_checkpoint(TRUNCATE)")

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
        try:
            with plainly(self.path):
                if connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # just being made
                    connection.close()
                    return None
                connection.execute("CREATE TEMP TABLE wanted (row INTEGER PRIMARY KEY)")
        except BaseException:
            connection.close()
            raise
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
            self._writer.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
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
        self._frame = None
        self._identity = None

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self._terms.forget()


def head_of(connection: sqlite3.Connection) -> Head:
    """What the file says of itself."""
    build = int(state(connection, "build") or 0)
    row = connection.execute("SELECT embedder FROM build WHERE number = ?", (build,)).fetchone()
    return Head(
        generation=int(state(connection, "generation") or 0),
        epoch=int(state(connection, "epoch") or 0),
        build=build,
        embedder=row[0] if row else "",
        kept=state(connection, "kept"),
    )


def state(connection: sqlite3.Connection, key: str) -> str:
    """A value of the `state` table, empty where it was never set."""
    row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def set_state(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))


def index_version(connection: sqlite3.Connection) -> int:
    """The number of the newest version, 0 before the first."""
    found = connection.execute("SELECT max(number) FROM version").fetchone()[0]
    return int(found or 0)


def shown_version(number: int) -> str:
    """A version number as callers see it: ordered as a string too; empty for none."""
    return f"{number:08d}" if number else ""


def _next_generation(connection: sqlite3.Connection) -> int:
    """What is cached for readers holds for one generation: every write begins another."""
    generation = int(state(connection, "generation") or 0) + 1
    set_state(connection, "generation", str(generation))
    return generation


def _require_fts5() -> None:
    """Its tokenizer gives the stems."""
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
