"""Which version each conversation began on, so that it stays there.

A row per tenant, adapter and thread. `used` is when the thread last asked, to within `REFRESH`
seconds: writing it at every turn would cost a transaction each.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from fairlead.storage import Database

REFRESH: Final = 300.0
FORGOTTEN: Final = 30 * 86_400.0
"""Seconds after which a pin is deleted that nobody used."""
BASE: Final = 0
"""The version that stands for the base model."""


@dataclass(frozen=True, kw_only=True)
class Thread:
    """One conversation with one adapter."""

    tenant: str
    name: str
    thread: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.tenant, self.name, self.thread


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The version that a thread stays on, and when it last asked (seconds since 1970)."""

    version: int
    used: float
    trial: int = 0
    """The trial of a canary that it drew lots in, whichever it drew; 0 for none."""


class Pins:
    """The pins in `database`. Usable from any thread; each method is one or two statements."""

    def __init__(
        self, database: Database, *, hours: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._seconds = hours * 3600.0
        self._clock = clock

    def live(self, pin: Pin) -> bool:
        """Whether the conversation still goes on."""
        return pin.used > self._clock() - self._seconds

    def find(self, thread: Thread) -> Pin | None:
        """The thread's pin, even one that is no longer live."""
        rows = self._database.rows(
            "SELECT version, used, trial FROM adapter_pins"
            " WHERE tenant = ? AND name = ? AND thread = ?",
            thread.key,
        )
        return Pin(version=rows[0][0], used=rows[0][1], trial=rows[0][2]) if rows else None

    def put(
        self, thread: Thread, version: int, *, trial: int = 0, instead: Pin | None = None
    ) -> Pin:
        """Pins a thread, unless another process did so meanwhile: then that holds.

        `instead` is the pin that it replaces, as it was found.
        """
        now = self._clock()
        if instead is None:
            self._database.change(
                "INSERT INTO adapter_pins (tenant, name, thread, version, used, trial)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*thread.key, version, now, trial),
            )
        else:
            self._database.change(
                "UPDATE adapter_pins SET version = ?, used = ?, trial = ?"
                " WHERE tenant = ? AND name = ? AND thread = ? AND version = ? AND used <= ?",
                (version, now, trial, *thread.key, instead.version, instead.used),
            )
        return self.find(thread) or Pin(version=version, used=now, trial=trial)

    def refreshed(self, thread: Thread, pin: Pin) -> Pin:
        """The pin as used now; written only where that is news."""
        now = self._clock()
        if now - pin.used < REFRESH:
            return pin
        self._database.change(
            "UPDATE adapter_pins SET used = ?"
            " WHERE tenant = ? AND name = ? AND thread = ? AND version = ?",
            (now, *thread.key, pin.version),
        )
        return replace(pin, used=now)

    def due(self, pin: Pin) -> bool:
        """Whether `refreshed` would write."""
        return self._clock() - pin.used >= REFRESH

    def held(self) -> set[tuple[str, int]]:
        """Names and versions that a conversation goes on with."""
        rows = self._database.rows(
            "SELECT DISTINCT name, version FROM adapter_pins WHERE used > ? AND version > ?",
            (self._clock() - self._seconds, BASE),
        )
        return {(name, version) for name, version in rows}

    def forget(self) -> int:
        """Deletes pins of conversations that are long over; how many."""
        return self._database.change(
            "DELETE FROM adapter_pins WHERE used < ?",
            (self._clock() - max(FORGOTTEN, self._seconds),),
        )
