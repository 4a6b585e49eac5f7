"""One small interface to a database that several processes share: a SQLite file, or PostgreSQL.

SQL is written once, for both: `?` marks a parameter, `BIGSERIAL PRIMARY KEY` a number that only
grows, and types are BIGINT, DOUBLE PRECISION and TEXT. What differs is a mapping by dialect.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from sqlite3 import Connection, connect
from typing import Any, Literal, Protocol, TypeAlias

from fairlead.storage.sqlite import open_database, plainly

Dialect: TypeAlias = Literal["sqlite", "postgresql"]
Step: TypeAlias = str | Mapping[Dialect, str]
"""One migration: statements for both, or for each."""
Row: TypeAlias = tuple[Any, ...]


class Database(Protocol):
    """Usable from any thread. Raises `Unavailable` where the database cannot be reached or used."""

    @property
    def dialect(self) -> Dialect: ...

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """What a query finds, or a change returns."""
        ...

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """How many rows a statement changed."""
        ...

    def change_many(self, sql: str, parameters: Sequence[Sequence[object]]) -> None:
        """The statement once for each row of parameters."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and one at a time across processes. One inside another joins it."""
        ...

    def close(self) -> None:
        """Closes the connection; the next use opens it again."""
        ...


class SqliteDatabase:
    """A `Database` in one file, opened at the first use; only a change makes a file that is new."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, steps: Sequence[Step]) -> None:
        self._path = path
        self._steps = [written(step, "sqlite") for step in steps]
        self._lock = threading.RLock()
        self._held: Connection | None = None

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        with self._lock, plainly(self._path):
            if self._held is None and _asks(sql) and not self._path.exists():
                with closing(self._nothing()) as empty:
                    return empty.execute(sql, tuple(parameters)).fetchall()
            return self._connection().execute(sql, tuple(parameters)).fetchall()

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        with self._lock, plainly(self._path):
            return self._connection().execute(sql, tuple(parameters)).rowcount

    def change_many(self, sql: str, parameters: Sequence[Sequence[object]]) -> None:
        with self.transaction(), plainly(self._path):
            self._connection().executemany(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            with plainly(self._path):
                connection = self._connection()
                outer = connection.in_transaction
                if not outer:
                    connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if not outer and connection.in_transaction:  # a full disk has undone it already
                    connection.execute("ROLLBACK")
                raise
            if not outer:
                with plainly(self._path):
                    connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            if self._held:
                self._held.close()
            self._held = None

    def _nothing(self) -> Connection:
        """The tables as they would be in a new file."""
        connection = connect(":memory:")
        for step in self._steps:
            connection.executescript(step)
        return connection

    def _connection(self) -> Connection:
        if self._held is None:
            self._held = open_database(self._path, self._steps, durable=True)
        return self._held


def _asks(sql: str) -> bool:
    return sql.lstrip()[:6].upper() == "SELECT"


def shared_database(path: Path, url: str | None, steps: Sequence[Step]) -> Database:
    """The database of one part of Fairlead: the file `path`, or tables of `url` where it is set.

    `path.stem` names the part, whose schema has a version of its own. Nothing is opened yet.
    Raises `SettingsError` where a URL is set and psycopg is not installed.
    """
    if url is None:
        return SqliteDatabase(path, steps)
    from fairlead.storage.postgres import PostgresDatabase  # noqa: PLC0415 - only where one is set

    return PostgresDatabase(url, path.stem, steps)


def written(step: Step, dialect: Dialect) -> str:
    """A migration's statements as the dialect wants them."""
    text = step if isinstance(step, str) else step[dialect]
    if dialect == "sqlite":
        return text.replace("BIGSERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
    return text
