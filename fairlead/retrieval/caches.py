"""Results, packed contexts and question vectors that were made before, kept for a while.

An entry belongs to everything that decides what it holds: tenant, reader set, collection, state of
the index, embedder, pipeline, query. What is ingested, erased or rolled back begins another state,
so it is never answered from before; an entry ends no later than the first document in it expires.

One small SQLite database for each tenant, in memory or below a folder.
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from opentelemetry import metrics

from fairlead.storage import open_database, plainly

Kind: TypeAlias = Literal["embedding", "result", "context"]

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
        tenant = self._tenant(key.tenant)
        with tenant.lock:
            row = tenant.connection.execute(
                "SELECT value, at FROM entry WHERE key = ? AND ends > ? AND at > ?",
                (key.whole, now, now - self._seconds),
            ).fetchone()
            outcome = "hit" if row else "miss"
            tenant.connection.execute(
                f"UPDATE counter SET {'hits = hits' if row else 'misses = misses'} + 1"
                " WHERE kind = ?",
                (key.kind,),
            )
            if row:
                tenant.connection.execute(
                    "UPDATE entry SET used = ? WHERE key = ?", (time.monotonic_ns(), key.whole)
                )
        _lookups.add(1, {"cache": key.kind, "outcome": outcome})
        return Kept(value=row[0], age=now - row[1]) if row else None

    def stale(self, key: Key) -> Kept | None:
        """The newest entry of any state that is young enough to be shown; None without one."""
        now = time.time()
        tenant = self._tenant(key.tenant)
        with tenant.lock:
            row = tenant.connection.execute(
                "SELECT value, at FROM entry WHERE base = ? AND ends > ? AND at > ?"
                " ORDER BY at DESC LIMIT 1",
                (key.base, now, now - self._stale),
            ).fetchone()
        if row:
            _lookups.add(1, {"cache": key.kind, "outcome": "stale"})
        return Kept(value=row[0], age=now - row[1]) if row else None

    def put(self, key: Key, value: bytes, *, ends: float | None = None) -> None:
        """Keeps a value, until `ends` (seconds since 1970) at the latest."""
        if not (self._seconds or self._stale) or len(value) > self._limit // 4:
            return
        now = time.time()
        tenant = self._tenant(key.tenant)
        with tenant.lock:
            tenant.connection.execute("DELETE FROM entry WHERE base = ?", (key.base,))
            tenant.connection.execute(
                "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key.whole,
                    key.base,
                    key.kind,
                    key.collection,
                    now,
                    ends if ends is not None else now + max(self._seconds, self._stale),
                    time.monotonic_ns(),
                    value,
                ),
            )
            tenant.bytes += len(value)
            if tenant.bytes > self._limit:
                self._shrink(tenant, now)

    def forget(self, tenant: str, collection: str) -> None:
        """Drops everything that was made from a collection."""
        held = self._tenant(tenant)
        with held.lock:
            held.connection.execute("DELETE FROM entry WHERE collection = ?", (collection,))
            if held.path:
                held.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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
        connection.executescript(_SCHEMA)
    else:
        connection = open_database(path, (_SCHEMA,))
        with plainly(path):
            connection.execute("PRAGMA secure_delete = ON")
    connection.executemany(
        "INSERT OR IGNORE INTO counter VALUES (?, 0, 0)",
        [("embedding",), ("result",), ("context",)],
    )
    held = connection.execute("SELECT coalesce(sum(length(value)), 0) FROM entry").fetchone()[0]
    return _Tenant(connection=connection, path=path, bytes=int(held))


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
