"""Opens SQLite files the same way everywhere: WAL, a busy time-out, schema versions, plain errors.

`synchronous=NORMAL` in WAL mode survives the death of the process, not a power cut; a caller whose
rows must survive both (the journal of effects) asks for `durable=True`.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from fairlead.errors import FairleadError, SettingsError, Unavailable

Migration: TypeAlias = str | Callable[[sqlite3.Connection], None]
"""One step from a schema version to the next: SQL statements, or a function of the connection."""
WAITING: Final = 30.0
"""Seconds for another process to be done with the file."""


def open_database(
    path: Path, migrations: Sequence[Migration], *, durable: bool = False, read_only: bool = False
) -> sqlite3.Connection:
    """A connection in autocommit mode, its schema brought to `len(migrations)`.

    May be used from any thread, by one thread at a time. Raises `SettingsError` for a folder that
    cannot be written, a file that is no database or that a newer Fairlead wrote; `Unavailable`
    when the disk is full or another process holds the file for longer than 30 s.
    """
    with plainly(path):
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=WAITING,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if not read_only:
                _write_ahead(connection)
                connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys=ON")
            _migrate(connection, path, migrations, read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turns the log on. SQLite does not wait for another process that does so on a new file."""
    until = time.monotonic() + WAITING
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration], read_only: bool
) -> None:
    def version() -> int:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found

    if version() > len(migrations):
        raise SettingsError(
            f"{str(path)!r} has schema version {version()}; this Fairlead knows {len(migrations)}",
            hint="A newer Fairlead wrote it. Upgrade this one; nothing was changed.",
        )
    if read_only or version() == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may be migrating: look again inside
    try:
        for number, step in enumerate(migrations[version() :], start=version() + 1):
            for statement in statements(step) if isinstance(step, str) else ():
                connection.execute(statement)
            if not isinstance(step, str):
                step(connection)
            connection.execute(f"PRAGMA user_version={number}")
    except BaseException:
        if connection.in_transaction:  # a full disk has undone it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def statements(script: str) -> Iterator[str]:
    """The statements of a script (`executescript` would commit between them)."""
    held = ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
    if held.strip():
        yield held


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turns SQLite's and the file system's errors into ours, naming the file and what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _explained(path, str(error)) from error
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise _explained(path, "readonly") from error
    except OSError as error:
        raise _explained(path, error.strerror or str(error)) from error


def _explained(path: Path, said: str) -> FairleadError:
    name, low = str(path), said.lower()
    if "readonly" in low or "read-only" in low or "unable to open" in low:
        return SettingsError(
            f"cannot write {name!r}",
            hint="Make the folder writable, or set storage.path to another.",
        )
    if "full" in low or "no space" in low:
        return Unavailable(
            f"no space left to write {name!r}", hint="Free some disk space and run it again."
        )
    if "locked" in low or "busy" in low:
        return Unavailable(
            f"{name!r} is in use by another process", hint="Wait for it, then run it again."
        )
    if "not a database" in low or "malformed" in low:
        return SettingsError(
            f"{name!r} is not a Fairlead database: {said}", hint="Move it away and ingest again."
        )
    return Unavailable(f"cannot use {name!r}: {said}")
