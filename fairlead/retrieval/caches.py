"""Results, packed contexts and question vectors that were made before, kept for a while.

An entry belongs to everything that decides what it holds: tenant, reader set, collection, state of
the index, embedder, pipeline, query. What is ingested, erased or rolled back begins another state,
so it is never answered from before; an entry ends no later than the first document in it expires.

One small SQLite database for each tenant, in memory or below a folder. One that is damaged is made
anew, and one that cannot be read or written answers nothing: a search goes on without it.
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar

from opentelemetry import metrics

from fairlead.errors import FairleadError, SettingsError
from fairlead.storage import open_database, plainly

Kind: TypeAlias = Literal["embedding", "result", "context"]
_Found = TypeVar("_Found")

_SCHEMA: Final = """
CREATE TABLE entry (
    key BLOB PRIMARY KEY,
    base BLOB NOT NULL,
    kind TEXT NOT NULL,
    collection TEXT NOT NULL,
    at REAL NOT NULL,
    ends REAL NOT NULL,
    used INTEGER NOT NULL,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX entry_base ON entry (base, at);
CREATE INDEX entry_collection ON entry (collection);
CREATE INDEX entry_used ON entry (used);
CREATE TABLE counter (kind TEXT PRIMARY KEY, hits INTEGER NOT NULL, misses INTEGER NOT NULL);
"""
_ERA: Final = """
CREATE TABLE era (collection TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
_MIGRATIONS: Final = (_SCHEMA, _ERA)
_lookups = metrics.get_meter("fairlead").create_counter(
    "fairlead.cache.lookups", description="Lookups by cache and outcome (hit, miss, stale)"
)


@dataclass(frozen=True, kw_only=True)
class Key:
    """What an entry belongs to. Two keys are one only if every part is."""

    kind: Kind
    tenant: str
    collection: str
    readers: tuple[str, ...]
    """Subject and groups."""
    state: str
    """Of the index: another one after every change."""
    embedder: str
    pipeline: str
    query: tuple[str, ...]
    """The question and everything asked with it."""

    @property
    def whole(self) -> bytes:
        return _digest(
            self.kind,
            self.tenant,
            self.collection,
            sorted(set(self.readers)),
            self.state,
            self.embedder,
            self.pipeline,
            self.query,
        )

    @property
    def base(self) -> bytes:
        """Without the state: what can be shown, marked stale, while the store is away."""
        return _digest(
            self.kind,
            self.tenant,
            self.collection,
            sorted(set(self.readers)),
            self.embedder,
            self.pipeline,
            self.query,
        )


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was found in a cache."""

    value: bytes
    age: float
    """Seconds."""


@dataclass(kw_only=True)
class _Tenant:
    connection: sqlite3.Connection
    path: Path | None
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Caches:
    """The caches of all tenants; `folder` None keeps them in memory. Thread-safe.

    `seconds` is how long an entry answers, `stale_seconds` how long it may be shown as stale,
    `limit` the bytes that one tenant's entries may take: the longest unused go first.
    """

    def __init__(
        self, folder: Path | None, *, seconds: float, stale_seconds: float, limit: int
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._stale = stale_seconds
        self._limit = limit
        self._tenants: dict[str, _Tenant] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Kept | None:
        """A fresh entry; None where there is none."""
        if not self._seconds:
            return None
        now = time.time()

        def work(tenant: _Tenant) -> Kept | None:
            row = tenant.connection.execute(
                "SELECT value, at FROM entry WHERE key = ? AND ends > ? AND at > ?",
                (key.whole, now, now - self._seconds),
            ).fetchone()
            tenant.connection.execute(
                f"UPDATE counter SET {'hits = hits' if row else 'misses = misses'} + 1"
                " WHERE kind = ?",
                (key.kind,),
            )
            if row:
                tenant.connection.execute(
                    "UPDATE entry SET used = ? WHERE key = ?", (time.time_ns(), key.whole)
                )
            return Kept(value=row[0], age=now - row[1]) if row else None

        found = self._asked(key.tenant, work, None)
        _lookups.add(1, {"cache": key.kind, "outcome": "hit" if found else "miss"})
        return found

    def stale(self, key: Key) -> Kept | None:
        """The newest entry of any state that is young enough to be shown; None without one."""
        now = time.time()

        def work(tenant: _Tenant) -> Kept | None:
            row = tenant.connection.execute(
                "SELECT value, at FROM entry WHERE base = ? AND ends > ? AND at > ?"
                " ORDER BY at DESC LIMIT 1",
                (key.base, now, now - self._stale),
            ).fetchone()
            return Kept(value=row[0], age=now - row[1]) if row else None

        found = self._asked(key.tenant, work, None)
        if found:
            _lookups.add(1, {"cache": key.kind, "outcome": "stale"})
        return found

    def era(self, tenant: str, collection: str) -> int:
        """How often a collection was forgotten: what is begun in an earlier era is not kept."""

        def work(tenant: _Tenant) -> int:
            row = tenant.connection.execute(
                "SELECT number FROM era WHERE collection = ?", (collection,)
            ).fetchone()
            return int(row[0]) if row else 0

        return self._asked(tenant, work, 0)

    def put(self, key: Key, value: bytes, *, era: int, ends: float | None = None) -> None:
        """Keeps a value, until `ends` (seconds since 1970) at the latest.

        `era` is that in which it was begun to be made. Where the collection has been forgotten
        since, the value may hold what was erased, and is not kept.
        """
        if not (self._seconds or self._stale) or len(value) > self._limit // 4:
            return
        now = time.time()
        until = ends if ends is not None else now + max(self._seconds, self._stale)

        def work(tenant: _Tenant) -> None:
            tenant.connection.execute("DELETE FROM entry WHERE base = ?", (key.base,))
            tenant.connection.execute(
                "INSERT OR REPLACE INTO entry SELECT ?, ?, ?, ?, ?, ?, ?, ?"
                " WHERE coalesce((SELECT number FROM era WHERE collection = ?), 0) = ?",
                (
                    *(key.whole, key.base, key.kind, key.collection),
                    *(now, until, time.time_ns(), value),
                    *(key.collection, era),
                ),
            )
            tenant.bytes += len(value)
            if tenant.bytes > self._limit:
                self._shrink(tenant, now)

        self._asked(key.tenant, work, None)

    def forget(self, tenant: str, collection: str) -> None:
        """Drops everything that was made from a collection, or is being made from it now."""
        held = self._tenant(tenant)
        try:
            with held.lock:
                _forgotten(held, collection)
        except sqlite3.DatabaseError:  # it must not stay: then nothing does
            with self._lock:
                self._tenants.pop(tenant, None)
            held.connection.close()
            if held.path:
                _deleted(held.path)

    def statistics(self, tenant: str) -> Mapping[str, Mapping[str, float]]:
        """Of each cache: hits, misses, the share of hits, entries and bytes."""
        held = self._tenant(tenant)
        with held.lock:
            counted = held.connection.execute("SELECT kind, hits, misses FROM counter").fetchall()
            sizes = {
                kind: (entries, size)
                for kind, entries, size in held.connection.execute(
                    "SELECT kind, count(*), sum(length(value)) FROM entry GROUP BY kind"
                )
            }
        return {
            kind: {
                "hits": hits,
                "misses": misses,
                "hit_rate": round(hits / (hits + misses), 4) if hits + misses else 0.0,
                "entries": sizes.get(kind, (0, 0))[0],
                "bytes": sizes.get(kind, (0, 0))[1],
            }
            for kind, hits, misses in counted
        }

    def close(self) -> None:
        """Closes every database; what is in memory is gone."""
        with self._lock:
            for held in self._tenants.values():
                held.connection.close()
            self._tenants.clear()

    def _asked(self, name: str, work: Callable[[_Tenant], _Found], otherwise: _Found) -> _Found:
        try:
            tenant = self._tenant(name)
            with tenant.lock:
                return work(tenant)
        except (FairleadError, sqlite3.Error):
            return otherwise

    def _shrink(self, tenant: _Tenant, now: float) -> None:
        """Drops what has ended, then the longest unused, down to three quarters of the limit."""
        connection = tenant.connection
        oldest = now - max(self._seconds, self._stale)
        connection.execute("DELETE FROM entry WHERE ends <= ? OR at <= ?", (now, oldest))
        rows = connection.execute(
            "SELECT key, length(value) FROM entry ORDER BY used DESC"
        ).fetchall()
        room = self._limit * 3 // 4
        for key, size in rows:
            room -= size
            if room < 0:
                connection.execute("DELETE FROM entry WHERE key = ?", (key,))
        tenant.bytes = int(
            connection.execute("SELECT coalesce(sum(length(value)), 0) FROM entry").fetchone()[0]
        )

    def _tenant(self, name: str) -> _Tenant:
        with self._lock:
            held = self._tenants.get(name)
            if held is None:
                held = self._tenants[name] = _opened(self._folder, name)
            return held


def _opened(folder: Path | None, name: str) -> _Tenant:
    path = folder / f"{name}.db" if folder else None
    if path is None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for step in _MIGRATIONS:
            connection.executescript(step)
    else:
        connection = _on_disk(path)
    connection.executemany(
        "INSERT OR IGNORE INTO counter VALUES (?, 0, 0)",
        [("embedding",), ("result",), ("context",)],
    )
    held = connection.execute("SELECT coalesce(sum(length(value)), 0) FROM entry").fetchone()[0]
    return _Tenant(connection=connection, path=path, bytes=int(held))


def _on_disk(path: Path) -> sqlite3.Connection:
    """The database of a file, made anew where it is none, or one of another Fairlead."""
    try:
        connection = open_database(path, _MIGRATIONS)
    except SettingsError:
        _deleted(path)
        connection = open_database(path, _MIGRATIONS)
    with plainly(path):
        connection.execute("PRAGMA secure_delete = ON")
    return connection


def _deleted(path: Path) -> None:
    with plainly(path):
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            name.unlink(missing_ok=True)


def _forgotten(held: _Tenant, collection: str) -> None:
    held.connection.execute(
        "INSERT INTO era VALUES (?, 1) ON CONFLICT (collection) DO UPDATE SET number = number + 1",
        (collection,),
    )
    held.connection.execute("DELETE FROM entry WHERE collection = ?", (collection,))
    if held.path:
        held.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _digest(*parts: str | Sequence[str]) -> bytes:
    """A hash of parts, each with its length: no two lists of parts run into one."""
    whole = hashlib.sha256()
    for part in parts:
        listed = [part] if isinstance(part, str) else list(part)
        whole.update(f"{'s' if isinstance(part, str) else 'l'}{len(listed)}:".encode())
        for each in listed:
            data = each.encode("utf-8", "surrogatepass")
            whole.update(len(data).to_bytes(8) + data)
    return whole.digest()
