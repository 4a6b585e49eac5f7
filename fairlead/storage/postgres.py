"""A `Database` in PostgreSQL, over psycopg 3, which is imported here alone."""

import hashlib
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fairlead.errors import FairleadError, SettingsError, Unavailable
from fairlead.storage.database import Dialect, Row, Step, written

if TYPE_CHECKING:
    import psycopg

_CONNECTING: Final = 10
_WAITING: Final = 30
"""Seconds for a connection, and for another process to be done."""


class PostgresDatabase:
    """Tables of one part of Fairlead, connected to at the first use.

    A connection that was lost is made again by the next use; what was under way when it was lost
    has failed, and is undone if it was a transaction.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, url: str, part: str, steps: Sequence[Step]) -> None:
        _imported()
        self._url, self._part = url, part
        self._steps = [written(step, "postgresql") for step in steps]
        self._lock = threading.RLock()
        self._depth = 0
        self._held: psycopg.Connection[Row] | None = None

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        with self._using() as connection:
            found: list[Row] = connection.execute(translated(sql), tuple(parameters)).fetchall()
            return found

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        with self._using() as connection:
            changed: int = connection.execute(translated(sql), tuple(parameters)).rowcount
            return changed

    def change_many(self, sql: str, parameters: Sequence[Sequence[object]]) -> None:
        with self.transaction(), self._using() as connection, connection.cursor() as cursor:
            cursor.executemany(translated(sql), parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if not self._depth:
                with self._using() as connection:
                    connection.execute("BEGIN")
                    self._wait_for_turn(connection)
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if not self._depth:
                    self._undo()
                raise
            self._depth -= 1
            if not self._depth:
                with self._using() as connection:
                    connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            if self._held:
                self._held.close()
            self._held = None

    @contextmanager
    def _using(self) -> "Iterator[psycopg.Connection[Row]]":
        """The connection. Its failures become ours, and a lost one is let go."""
        psycopg = _imported()
        with self._lock:
            try:
                yield self._connection()
            except psycopg.errors.LockNotAvailable as error:
                self._undo()
                raise Unavailable(
                    f"{shown(self._url)!r} is in use by another process",
                    hint="Wait for it, then run it again.",
                ) from error
            except psycopg.Error as error:
                if not self._depth:
                    self._undo()
                raise self._explained(error) from error

    def _connection(self) -> "psycopg.Connection[Row]":
        if self._held is not None and self._held.closed:
            if self._depth:
                raise Unavailable(f"lost the connection to {shown(self._url)!r}")
            self._held = None
        if self._held is None:
            connection = _imported().connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECTING,
                application_name="fairlead",
            )
            try:
                connection.execute(f"SET lock_timeout = '{_WAITING}s'")
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._held = connection
        return self._held

    def _migrate(self, connection: "psycopg.Connection[Row]") -> None:
        if self._version(connection) == len(self._steps):
            return
        with connection.transaction():
            self._wait_for_turn(connection)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS fairlead_schema"
                "(part TEXT PRIMARY KEY, version BIGINT NOT NULL)"
            )
            for step in self._steps[self._version(connection) :]:
                connection.execute(step)
            connection.execute(
                "INSERT INTO fairlead_schema (part, version) VALUES (%s, %s)"
                " ON CONFLICT (part) DO UPDATE SET version = excluded.version",
                (self._part, len(self._steps)),
            )

    def _version(self, connection: "psycopg.Connection[Row]") -> int:
        """Of the part's tables; 0 where there are none yet."""
        there = connection.execute("SELECT to_regclass('fairlead_schema')").fetchone()
        if not there or there[0] is None:
            return 0
        found = connection.execute(
            "SELECT version FROM fairlead_schema WHERE part=%s", (self._part,)
        ).fetchone()
        version: int = found[0] if found else 0
        if version > len(self._steps):
            raise SettingsError(
                f"the tables {self._part!r} in {shown(self._url)!r} have schema version"
                f" {version}; this Fairlead knows {len(self._steps)}",
                hint="A newer Fairlead wrote them. Upgrade this one; nothing was changed.",
            )
        return version

    def _wait_for_turn(self, connection: "psycopg.Connection[Row]") -> None:
        """One transaction at a time for each part, as SQLite has it; rows then also become
        visible in the order of their numbers."""
        key = int.from_bytes(hashlib.sha256(self._part.encode()).digest()[:8], signed=True)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (key,))

    def _undo(self) -> None:
        """Rolls back whatever is open; a connection that does not even take that is closed."""
        psycopg = _imported()
        try:
            if self._held and not self._held.closed:
                self._held.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def _explained(self, error: Exception) -> FairleadError:
        said = str(error).strip().partition("\n")[0]
        if isinstance(error, _imported().errors.InvalidPassword | _imported().ProgrammingError):
            return SettingsError(
                f"{shown(self._url)!r} does not do what is asked: {said}",
                hint="See storage.url: its user must own the tables.",
            )
        return Unavailable(
            f"cannot use {shown(self._url)!r}: {said}",
            hint="See that PostgreSQL runs and storage.url is right.",
        )


@lru_cache(maxsize=256)
def translated(sql: str) -> str:
    """`?` as psycopg wants it. None of our texts in SQL holds a question mark."""
    return sql.replace("%", "%%").replace("?", "%s")


def shown(url: str) -> str:
    """The URL without what is secret in it."""
    url = re.sub(r"(?<=://)([^/@:]*):[^/]*@", r"\1@", url)
    return re.sub(r"(password=)[^&]*", r"\1…", url)


def _imported() -> Any:
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            "storage.url needs psycopg, which is not installed",
            hint="Run: pip install 'fairlead[postgres]'",
        ) from error
    return psycopg
