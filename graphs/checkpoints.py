"""Checkpoints in SQLite, written on the event loop, one row per superstep.

A row holds the channels that changed, and for the others the id of the checkpoint that holds them,
so a step costs what it adds, not what the thread holds.
A thread belongs to its tenant: every row is keyed by both, and a config
without a principal is refused.

A hop is durable once its guard has run. What comes before that (the input, what a guard is about
to look at, the writes of a single finished task) is held back for `GRACE_SECONDS` and goes into the
transaction of the checkpoint that often follows at once; interrupts and errors are written
immediately.
"""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
)

from fairlead.graphs.principal import principal_of
from fairlead.graphs.values import Values
from fairlead.schema import Principal
from fairlead.storage import open_database, plainly

GRACE_SECONDS = 0.02
THREADS_REMEMBERED = 1000
_HELD = frozenset({"branch:to:admit", "branch:to:guard"})
"""Channels with a value where these nodes come next: nothing was decided yet, or what was found is
yet to be looked at."""
_TOGETHER = 8
"""Rows of one statement, which is a transaction of its own and lets go of the interpreter once."""
_INSERT_PENDING = "INSERT OR REPLACE INTO pending VALUES(?,?,?,?,?,?,?,?,?,?)"
_MIGRATIONS = (
    """
    CREATE TABLE checkpoint(
        seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, thread TEXT NOT NULL, ns TEXT NOT NULL,
        id TEXT NOT NULL, parent TEXT, body BLOB NOT NULL);
    CREATE UNIQUE INDEX checkpoint_place ON checkpoint(tenant, thread, ns, id);
    CREATE TABLE pending(
        tenant TEXT, thread TEXT, ns TEXT, id TEXT, task TEXT, position INTEGER, path TEXT,
        name TEXT, type TEXT, value BLOB,
        PRIMARY KEY(tenant, thread, ns, id, task, position)) WITHOUT ROWID;
    """,
)
_Key = tuple[str, str, str]


class Checkpoints(BaseCheckpointSaver[str]):
    """A LangGraph saver on one SQLite file; survives `kill -9` at any moment."""

    def __init__(self, path: Path, *, principal: Principal | None = None) -> None:
        super().__init__(serde=Values())
        self._path = path
        self._principal = principal
        self._lock = threading.RLock()
        self._db = open_database(path, _MIGRATIONS)
        self._held: dict[tuple[_Key, str], list[tuple[Any, ...]]] = {}
        self._waiting = False
        self._rows: list[tuple[Any, ...]] = []
        """Checkpoints held back."""
        self._last: dict[_Key, tuple[str, dict[str, str]]] = {}
        """A thread's newest checkpoint made here, and which checkpoint holds each channel."""

    def close(self) -> None:
        with self._lock:
            self._flush()
            self._db.close()

    # --- reading ---------------------------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        key, wanted = self._key(config), config["configurable"].get("checkpoint_id")
        with self._lock, plainly(self._path):
            self._flush()
            row = self._db.execute(
                "SELECT id, parent, body FROM checkpoint WHERE tenant=? AND thread=? AND ns=?"
                f" {'AND id=?' if wanted else ''} ORDER BY id DESC LIMIT 1",
                (*key, wanted) if wanted else key,
            ).fetchone()
            return self._tuple(key, config, row) if row else None

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Newest first. A config is required: listing every tenant's threads is not offered."""
        if config is None:
            raise ValueError("list() needs a config with a thread_id and a principal")
        key = self._key(config)
        until = before["configurable"].get("checkpoint_id") if before else None
        with self._lock, plainly(self._path):
            self._flush()
            rows = self._db.execute(
                "SELECT id, parent, body FROM checkpoint WHERE tenant=? AND thread=? AND ns=?"
                " AND (? IS NULL OR id < ?) ORDER BY id DESC",
                (*key, until, until),
            ).fetchall()
        found = 0
        for row in rows:
            with self._lock:
                item = self._tuple(key, config, row)
            if all(item.metadata.get(k) == v for k, v in (filter or {}).items()):
                yield item
                found += 1
            if limit is not None and found >= limit:
                return

    def _tuple(self, key: _Key, config: RunnableConfig, row: tuple[Any, ...]) -> CheckpointTuple:
        at, parent, packed = row
        body = self._unpacked(packed)
        values = {}
        for name in body["checkpoint"]["channel_versions"]:
            held = body["changed"].get(name) or self._elsewhere(key, body["homes"], name)
            if held:
                values[name] = self.serde.loads_typed((held[0], held[1]))
        pending = self._db.execute(
            "SELECT task, name, type, value FROM pending WHERE tenant=? AND thread=? AND ns=?"
            " AND id=? ORDER BY path, task, position",
            (*key, at),
        ).fetchall()
        return CheckpointTuple(
            config=self._at(config, key, at),
            checkpoint=cast(Checkpoint, {**body["checkpoint"], "channel_values": values}),
            metadata=body["metadata"],
            parent_config=self._at(config, key, parent) if parent else None,
            pending_writes=[(t, n, self.serde.loads_typed((kind, v))) for t, n, kind, v in pending],
        )

    def _unpacked(self, packed: bytes) -> dict[str, Any]:
        body: dict[str, Any] = self.serde.loads_typed(("msgpack", packed))
        return body

    def _elsewhere(self, key: _Key, homes: dict[str, str], name: str) -> Sequence[Any] | None:
        """A channel's type and bytes, from the checkpoint that holds them."""
        packed = self._body(key, homes.get(name))
        held: Sequence[Any] | None = packed["changed"].get(name) if packed else None
        return held

    def _body(self, key: _Key, at: str | None) -> dict[str, Any] | None:
        row = self._db.execute(
            "SELECT body FROM checkpoint WHERE tenant=? AND thread=? AND ns=? AND id=?", (*key, at)
        ).fetchone()
        return self._unpacked(row[0]) if row else None

    def _homes(self, key: _Key, parent: str | None) -> dict[str, str]:
        """Which checkpoint holds each channel of the checkpoint `parent`."""
        known = self._last.get(key)
        if known and known[0] == parent:
            return known[1]
        if parent is None:
            return {}
        self._flush()
        body = self._body(key, parent)
        return {**body["homes"], **dict.fromkeys(body["changed"], parent)} if body else {}

    # --- writing ---------------------------------------------------------------------------------

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        key, parent = self._key(config), config["configurable"].get("checkpoint_id")
        bare = dict(checkpoint)
        values = cast(dict[str, Any], bare.pop("channel_values"))
        changed = {  # lists: for a tuple the serialiser calls back into Python
            n: [*self.serde.dumps_typed(values[n])] for n in new_versions if n in values
        }
        with self._lock:
            homes = {n: h for n, h in self._homes(key, parent).items() if n not in new_versions}
            body = {
                "checkpoint": bare,
                "metadata": get_checkpoint_metadata(config, metadata),
                "changed": changed,
                "homes": homes,
            }
            at = checkpoint["id"]
            self._rows.append((*key, at, parent, self.serde.dumps_typed(body)[1]))
            self._held.pop((key, parent or ""), None)  # this checkpoint says all they said
            self._remember(key, at, {**homes, **dict.fromkeys(changed, at)})
            if metadata.get("source") != "input" and _HELD.isdisjoint(values):
                self._flush()
        return self._at(config, key, at)

    def _remember(self, key: _Key, at: str, homes: dict[str, str]) -> None:
        self._last.pop(key, None)
        self._last[key] = (at, homes)
        if len(self._last) > THREADS_REMEMBERED:
            del self._last[next(iter(self._last))]

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        key, at = self._key(config), config["configurable"]["checkpoint_id"]
        rows = [
            (*key, at, task_id, WRITES_IDX_MAP.get(name, n), task_path, name, value)
            for n, (name, value) in enumerate(writes)
        ]
        with self._lock:
            self._held.setdefault((key, at), []).extend(rows)
            if any(name in WRITES_IDX_MAP for name, _ in writes):
                self._flush()

    def delete_thread(self, thread_id: str) -> None:
        """Deletes the thread of the saver's own principal; others go through their own config."""
        key = self._key({"configurable": {"thread_id": thread_id}})[:2]
        with self._lock, plainly(self._path):
            self._flush()
            self._last = {k: v for k, v in self._last.items() if k[:2] != key}
            for table in ("checkpoint", "pending"):
                self._db.execute(f"DELETE FROM {table} WHERE tenant=? AND thread=?", key)

    def _flush(self) -> None:
        """Writes what was held back and is not superseded."""
        if not self._held and not self._rows:
            return
        held, self._held = self._held, {}
        rows, self._rows = self._rows, []
        pending = [
            (*row[:-1], *self.serde.dumps_typed(row[-1])) for many in held.values() for row in many
        ]
        with plainly(self._path):
            if len(rows) <= _TOGETHER and not pending:
                self._db.execute(_insert(len(rows)), [cell for row in rows for cell in row])
                return
            with self._db:  # commits, or undoes where it cannot
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(_insert(1), rows)
                self._db.executemany(_INSERT_PENDING, pending)

    def _flush_later(self) -> None:
        self._waiting = False
        with self._lock:
            self._flush()

    # --- the same, on the event loop -------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self.get_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        for item in self.list(config, filter=filter, before=before, limit=limit):
            yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        placed = self.put(config, checkpoint, metadata, new_versions)
        self._flush_soon()
        return placed

    def _flush_soon(self) -> None:
        if (self._held or self._rows) and not self._waiting:
            self._waiting = True
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._flush_later)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        self.put_writes(config, writes, task_id, task_path)
        self._flush_soon()

    async def adelete_thread(self, thread_id: str) -> None:
        self.delete_thread(thread_id)

    # --- keys ------------------------------------------------------------------------------------

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Ordered, and different on every branch of a forked thread."""
        number = int(current.partition(".")[0]) if current else 0
        return f"{number + 1:010}.{random.getrandbits(32):08x}"

    def _key(self, config: RunnableConfig) -> _Key:
        place = config["configurable"]
        tenant = principal_of(config, self._principal).tenant
        return tenant, str(place["thread_id"]), place.get("checkpoint_ns", "")

    @staticmethod
    def _at(config: RunnableConfig, key: _Key, at: str) -> RunnableConfig:
        place = {"thread_id": key[1], "checkpoint_ns": key[2], "checkpoint_id": at}
        who = config["configurable"].get("fairlead_principal")
        if who is not None:
            place["fairlead_principal"] = who
        return {"configurable": place}


@cache
def _insert(rows: int) -> str:
    values = ", ".join(["(?,?,?,?,?,?)"] * rows)
    columns = "tenant, thread, ns, id, parent, body"
    return f"INSERT OR REPLACE INTO checkpoint({columns}) VALUES {values}"
