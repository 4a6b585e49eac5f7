"""Keeps one engine running until told to stop."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from fairlead.errors import Unavailable
from fairlead.serving.launch.process import Engine, Launcher, Patience, Target

T = TypeVar("T")


class Supervisor:
    """An engine that dies is started again, after a pause; adapters that were loaded into it by
    request are gone then. `target` is the engine that answers now, None while there is none.
    """

    def __init__(
        self,
        launcher: Launcher,
        log: Path,
        *,
        say: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self.target: Target | None = None
        self._launcher = launcher
        self._log = log
        self._say = say
        self._patience = patience or Patience()
        self._stopping = asyncio.Event()
        self._killing = asyncio.Event()
        self._answered = False
        self._deaths: deque[float] = deque()

    async def run(self, ready: Callable[[Target], None]) -> None:
        """Starts the engine, calls `ready` each time that one answers, returns once stopped.

        Raises `Unavailable` where the first start fails, and when the engine died too often.
        """
        while not self._stopping.is_set():
            try:
                died = await self._live(ready)
            except Unavailable as error:
                if not self._answered:
                    raise
                died = error.message
            if not self._stopping.is_set():
                await self._pause(died)

    def stop(self) -> None:
        """Lets the engine finish what it does, then ends `run`. Called again: at once."""
        if self._stopping.is_set():
            self._killing.set()
        self._stopping.set()

    async def _live(self, ready: Callable[[Target], None]) -> str:
        """One engine from its start to its end; what the end was."""
        engine = await Engine.start(self._launcher, self._log, self._patience)
        try:
            await _unless(self._stopping, engine.ready())
            if self._stopping.is_set():
                return "stopped"
            self.target, self._answered = engine.target, True
            self._forget_old_deaths()
            ready(engine.target)
            return f"the engine ended with status {await _unless(self._stopping, engine.ended())}"
        finally:
            self.target = None  # from here on the front takes nothing in
            try:
                await _unless(self._killing, engine.stop())
            finally:
                await engine.kill()

    async def _pause(self, died: str) -> None:
        """Waits before the next start. Raises `Unavailable` when there were too many."""
        limits = self._patience
        self._deaths.append(time.monotonic())
        if len(self._deaths) > limits.restarts:
            raise Unavailable(
                f"the engine died {len(self._deaths)} times within "
                f"{limits.window_seconds:g} seconds, the last time so: {died}",
                hint=f"The log of its last start is {self._log}.",
            )
        pause = min(limits.first_pause * 2 ** (len(self._deaths) - 1), limits.longest_pause)
        self._say(f"{died.splitlines()[0]}; it is started again in {pause:g} s")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)

    def _forget_old_deaths(self) -> None:
        """Only once it answers again: one that never does is given up however long it takes."""
        while self._deaths and time.monotonic() - self._deaths[0] > self._patience.window_seconds:
            self._deaths.popleft()


async def _unless(event: asyncio.Event, awaited: Coroutine[Any, Any, T]) -> T | None:
    """What comes of it, or None as soon as the event is set."""
    task, waiting = asyncio.create_task(awaited), asyncio.create_task(event.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, waiting):
            each.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
