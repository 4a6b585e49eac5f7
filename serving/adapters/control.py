"""Everything that answers by adapters need while a process serves, started and stopped together."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Final

from fairlead.serving.adapters.outcomes import Outcomes
from fairlead.serving.adapters.reconcile import Reconciler, Replica
from fairlead.serving.adapters.registry import Registry, open_registry
from fairlead.serving.adapters.shares import Selector, Shares
from fairlead.serving.adapters.watch import Watch
from fairlead.settings import Settings
from fairlead.tracing import Tracing

_TIDYING: Final = 3600.0
"""Seconds between two deletions of what is kept too long."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """A request asks `shares` which version answers, and tells `outcomes` what became of it."""

    registry: Registry
    shares: Shares
    outcomes: Outcomes
    reconciler: Reconciler


@asynccontextmanager
async def controlled(
    settings: Settings,
    replicas: Sequence[Replica],
    *,
    routes: Collection[Selector] = (),
    tracing: Tracing | None = None,
) -> AsyncIterator[Control]:
    """Keeps `replicas` as the registry says and canaries under watch, as long as the block runs.

    The first round has been made when the block begins; a server that is away then, or comes back
    without its adapters, is mended by a later one. `routes` are the selectors that routes name;
    `tracing` gets spans of what is changed on servers and of canaries that are sent back.
    Raises `Unavailable` where the registry cannot be read at the start.
    """
    registry = open_registry(settings)
    outcomes = Outcomes(registry.database)
    rollout = settings.rollout
    reconciler: Reconciler | None = None
    shares = Shares(
        registry,
        pin_hours=rollout.pin_hours,
        ready=lambda name: reconciler is not None and reconciler.ready(name),
    )
    reconciler = Reconciler(
        registry,
        replicas,
        shares.pins,
        wanted=routes,
        seconds=rollout.reconcile_seconds,
        tracing=tracing,
    )
    watch = Watch(registry, rollout, tracing=tracing)
    upkeep = _Upkeep(watch, outcomes, shares, reconciler)
    task = None
    try:
        await reconciler.round()
        await asyncio.to_thread(shares.refresh)
        # In a context of its own: its spans must not hang below whatever span was current here.
        task = asyncio.create_task(reconciler.run(upkeep.tend), context=Context())
        yield Control(registry=registry, shares=shares, outcomes=outcomes, reconciler=reconciler)
    finally:
        if task:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(outcomes.close)
        registry.close()


class _Upkeep:
    """What follows each round."""

    def __init__(
        self, watch: Watch, outcomes: Outcomes, shares: Shares, reconciler: Reconciler
    ) -> None:
        self._watch, self._outcomes = watch, outcomes
        self._shares, self._reconciler = shares, reconciler
        self._tidied = time.monotonic()

    async def tend(self) -> None:
        """Sends bad canaries back; once an hour deletes what is kept too long."""
        if await asyncio.to_thread(self._watch.check):
            await asyncio.to_thread(self._shares.refresh)
            self._reconciler.wake()
        if time.monotonic() - self._tidied > _TIDYING:
            self._tidied = time.monotonic()
            await asyncio.to_thread(self._outcomes.prune)
            await asyncio.to_thread(self._shares.pins.forget)
