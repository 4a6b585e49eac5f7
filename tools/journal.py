"""The record of effects: what was about to be done before it is done, what came of it after.

A run that is resumed after a crash asks for the same call again. A finished one is answered from
here; one whose outcome was never written is neither repeated nor guessed.
"""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Final, TypeVar

from pydantic import TypeAdapter

from fairlead.schema import ToolCall, ToolOutput
from fairlead.storage import open_database, plainly

T = TypeVar("T")
_MIGRATIONS: Final = (
    """
    CREATE TABLE effects (
        tenant TEXT NOT NULL, run TEXT NOT NULL, hop INTEGER NOT NULL, digest TEXT NOT NULL,
        tool TEXT NOT NULL, call TEXT NOT NULL, begun REAL NOT NULL,
        outcome TEXT, ended REAL,
        PRIMARY KEY (tenant, run, hop, digest)
    ) WITHOUT ROWID;
    """,
)
_output: Final = TypeAdapter(ToolOutput)


@dataclass(frozen=True, kw_only=True)
class Key:
    """One effect of one run. Equal calls of one hop that are both meant differ in `call_id`."""

    tenant: str
    run: str
    hop: int
    digest: str


def key_of(call: ToolCall, *, tenant: str, run: str, hop: int) -> Key:
    """The key of `call`: tool, arguments and call id, whatever order the arguments came in."""
    content = [call.tool, call.call_id, dict(call.arguments)]
    blob = json.dumps(content, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(blob.encode()).hexdigest()
    return Key(tenant=tenant, run=run, hop=hop, digest=digest)


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An effect that was begun before; `output` is None where its outcome is not known."""

    output: ToolOutput | None


class Journal:
    """Effects in one SQLite file, each row on the disk before the caller goes on.

    The file is opened at the first effect. Covers a killed process and a power cut. Does not undo
    anything, and knows nothing of what an interrupted call did outside.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    async def begin(self, key: Key, call: ToolCall) -> Earlier | None:
        """Writes the intent. What is known of it instead, where it was begun before."""
        return await self._commit(lambda connection: _begin(connection, key, call))

    async def finish(self, key: Key, output: ToolOutput) -> None:
        """Writes the outcome; goes through even when the caller is cancelled meanwhile."""
        await asyncio.shield(
            self._commit(lambda connection: _finish(connection, key, output)),
        )

    def close(self) -> None:
        """Closes the file; the next effect opens it again."""
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    async def _commit(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._locked, work)

    def _locked(self, work: Callable[[Connection], T]) -> T:
        with self._lock:
            if self._connection is None:
                self._connection = open_database(self.path, _MIGRATIONS, durable=True)
            with plainly(self.path):
                return work(self._connection)


def _begin(connection: Connection, key: Key, call: ToolCall) -> Earlier | None:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    added = connection.execute(
        "INSERT INTO effects (tenant, run, hop, digest, tool, call, begun)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (key.tenant, key.run, key.hop, key.digest, call.tool, arguments, time.time()),
    )
    if added.rowcount:
        return None
    (outcome,) = connection.execute(
        "SELECT outcome FROM effects WHERE tenant=? AND run=? AND hop=? AND digest=?",
        (key.tenant, key.run, key.hop, key.digest),
    ).fetchone()
    return Earlier(output=_output.validate_json(outcome) if outcome else None)


def _finish(connection: Connection, key: Key, output: ToolOutput) -> None:
    connection.execute(
        "UPDATE effects SET outcome=?, ended=? WHERE tenant=? AND run=? AND hop=? AND digest=?",
        (
            _output.dump_json(output).decode(),
            time.time(),
            key.tenant,
            key.run,
            key.hop,
            key.digest,
        ),
    )
