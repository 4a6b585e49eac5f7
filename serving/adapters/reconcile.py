"""Makes what every model server has loaded equal to what the registry says, again and again.

New before old: a version that is replaced stays loaded until the new one is on every server, and a
little longer for requests under way. Served names carry the digest, so a name that is loaded is the
right content, and nothing is ever loaded in place of something else. Adapters that the registry
does not know are left alone and reported. Servers read the content from the registry's own folder.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from fairlead.errors import FairleadError
from fairlead.serving.adapters.changes import Changes, Key
from fairlead.serving.adapters.digest import parsed_served_name
from fairlead.serving.adapters.pins import Pins
from fairlead.serving.adapters.records import AdapterCard, Standing
from fairlead.serving.adapters.registry import Registry
from fairlead.serving.adapters.shares import Selector, serves
from fairlead.tracing import Tracing

log = logging.getLogger(__name__)

GLANCE: Final = 1.0
"""Seconds between two looks at whether the registry changed."""
PATIENCE: Final = 120.0
"""Seconds for one server in one round."""
LINGER: Final = 10.0
"""Seconds that an adapter stays loaded after nobody needs it any more: requests that were given its
name may still be on their way."""


class Replica(Protocol):
    """One model server. Each method raises a `FairleadError` where it is away or refuses."""

    @property
    def name(self) -> str: ...

    async def loaded(self) -> Collection[str]:
        """The served names of its adapters, without the base model's."""
        ...

    async def load(self, served_name: str, path: Path) -> None:
        """Loads an adapter from a folder. A name that is loaded already may be refused."""
        ...

    async def unload(self, served_name: str) -> None:
        """Forgets an adapter. A name that is not loaded may be refused."""
        ...


@dataclass(frozen=True, kw_only=True)
class ReplicaState:
    """What one round found and did on one server."""

    name: str
    answered: bool
    loaded: frozenset[str] = frozenset()
    """Afterwards."""
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    """Adapters that the registry does not know."""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Round:
    """One comparison of the registry with all servers."""

    replicas: tuple[ReplicaState, ...]
    ready: frozenset[str]
    """Served names that every server has which answered."""
    complete: bool
    """Whether every server has all that it should, and nothing of ours that it should not."""


@dataclass
class _Wanted:
    """What servers should have."""

    cards: dict[str, AdapterCard] = field(default_factory=dict)
    """To be loaded, by served name."""
    kept: dict[str, str] = field(default_factory=dict)
    """Not to be unloaded before another is everywhere: the old served name, and the new one."""
    known: dict[str, AdapterCard] = field(default_factory=dict)
    """Every version of the registry, removed ones too, by served name."""

    def ours(self, served_name: str) -> bool:
        return parsed_served_name(served_name) is not None and served_name in self.known


class Reconciler:
    """Compares and mends, in rounds; `run` makes them until it is cancelled.

    `wanted` are versions that routes name besides the stable and canary ones. A round never raises
    for a server: one that is away or refuses is reported, and the others go on.
    """

    def __init__(
        self,
        registry: Registry,
        replicas: Sequence[Replica],
        pins: Pins,
        *,
        wanted: Collection[Selector] = (),
        seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        tracing: Tracing | None = None,
    ) -> None:
        self._registry = registry
        self._replicas = tuple(replicas)
        self._pins = pins
        self._selectors = tuple(wanted)
        self._seconds = seconds
        self._clock = clock
        self._tracing = tracing or Tracing()
        self._failed: Set[Key] = frozenset()
        self._unneeded: dict[tuple[str, str], float] = {}
        """Since when an adapter on a server is needed by nobody."""
        self._ready: frozenset[str] = frozenset()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._revision = -1
        self._said: Mapping[str, tuple[str, ...]] = {}
        self.last: Round | None = None
        """The round before; None before the first."""

    def ready(self, served_name: str) -> bool:
        """Whether every server that answered last has it; without servers, always."""
        return not self._replicas or served_name in self._ready

    def wake(self) -> None:
        """Lets the next round begin now. From any thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """Rounds until cancelled, with `after` following each; trouble is logged, never raised."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            for step in (self.round, after):
                try:
                    if step:
                        await step()
                except FairleadError as error:
                    log.warning("adapters: %s", error)
                except Exception:  # a round that fails must not end all that come after it
                    log.exception("adapters: an unexpected failure")
            await self._pause()

    async def _pause(self) -> None:
        """Until the next round: the settings' seconds, or less where the registry changes."""
        pause = self._seconds * random.uniform(0.8, 1.2)  # so that processes do not march in step
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._woken.wait(), min(left, GLANCE))
                return
            except TimeoutError:
                with suppress(FairleadError):
                    if await asyncio.to_thread(self._registry.revision) != self._revision:
                        return

    async def round(self) -> Round:
        """Loads what is missing, then unloads what nobody needs. Raises `Unavailable` where the
        registry cannot be read; nothing was changed then."""
        wanted = await asyncio.to_thread(self._wanted)
        changes = Changes(self._tracing, self._failed)
        try:
            self.last = found = await self._compared(wanted, changes)
            changes.end(found.replicas, complete=found.complete)
        finally:
            changes.end()  # also of a round that was cancelled
            self._failed = changes.failed
        return found

    async def _compared(self, wanted: _Wanted, changes: Changes) -> Round:
        added = await asyncio.gather(
            *(self._guarded(self._add, replica, wanted, changes) for replica in self._replicas)
        )
        everywhere = set.intersection(*(set(state.loaded) for state in added)) if added else set()
        wanted.kept = {old: new for old, new in wanted.kept.items() if new not in everywhere}
        states = await asyncio.gather(
            *(
                self._guarded(self._drop, replica, wanted, changes, state)
                for replica, state in zip(self._replicas, added, strict=True)
                if state.answered
            )
        )
        done = {state.name: state for state in (*added, *states)}
        return self._concluded(tuple(done.values()), wanted)

    def _wanted(self) -> _Wanted:
        self._revision = self._registry.revision()  # before the rest: a change after it is news
        wanted, known = _Wanted(), self._registry.versions(removed=True)
        wanted.known = {card.served_name: card for card in known}
        for standing in self._registry.standings().values():
            for card in (standing.stable, standing.canary):
                if card:
                    wanted.cards[card.served_name] = card
            _keep_previous(wanted, standing)
        held = self._pins.held()
        for card in known:
            if (card.name, card.version) in held and serves(card):
                wanted.cards[card.served_name] = card
            if not card.removed and not card.condemned and self._is_named(card):
                wanted.cards[card.served_name] = card
        return wanted

    def _is_named(self, card: AdapterCard) -> bool:
        return any(
            each.name == card.name and each.which in (str(card.version), card.stage)
            for each in self._selectors
        )

    async def _guarded(
        self, step: Callable[..., Awaitable[ReplicaState]], replica: Replica, *given: object
    ) -> ReplicaState:
        """One server's part, in time and without an exception."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await step(replica, *given)
        except TimeoutError:
            said = f"it did not answer for {PATIENCE:g} s"
        except FairleadError as error:
            said = error.message
        except Exception as error:  # a server of somebody's own must not stop the others
            log.exception("adapters: %r failed", replica.name)
            said = f"unexpected {type(error).__name__}"
        return ReplicaState(name=replica.name, answered=False, errors=(said,))

    async def _add(self, replica: Replica, wanted: _Wanted, changes: Changes) -> ReplicaState:
        have, added, errors = set(await replica.loaded()), [], []
        strangers = sorted(name for name in have if not wanted.ours(name))
        for name, card in sorted(wanted.cards.items()):
            if name in have:
                continue
            with changes.change("load", replica.name, card) as change:
                try:
                    path = await asyncio.to_thread(self._registry.store.check, card.digest)
                    await replica.load(name, path)
                except FairleadError as error:
                    if name not in await replica.loaded():  # else another process was faster
                        change.fail(error)
                        errors.append(f"cannot load {name!r}: {error.message}")
            if not change.failed:
                have.add(name)
                added.append(name)
        return ReplicaState(
            name=replica.name,
            answered=True,
            loaded=frozenset(have),
            added=tuple(added),
            strangers=tuple(strangers),
            errors=tuple(errors),
        )

    async def _drop(
        self, replica: Replica, wanted: _Wanted, changes: Changes, state: ReplicaState
    ) -> ReplicaState:
        have, dropped, errors = set(state.loaded), [], list(state.errors)
        for name in sorted(have):
            key = (replica.name, name)
            if name in wanted.cards or name in wanted.kept or not wanted.ours(name):
                self._unneeded.pop(key, None)
                continue
            since = self._unneeded.setdefault(key, self._clock())
            if self._clock() - since < LINGER:
                continue
            with changes.change("unload", replica.name, wanted.known[name]) as change:
                try:
                    await replica.unload(name)
                except FairleadError as error:
                    if name in await replica.loaded():  # else another process was faster
                        change.fail(error)
                        errors.append(f"cannot unload {name!r}: {error.message}")
            if not change.failed:
                del self._unneeded[key]
                have.discard(name)
                dropped.append(name)
        return ReplicaState(
            name=state.name,
            answered=True,
            loaded=frozenset(have),
            added=state.added,
            dropped=tuple(dropped),
            strangers=state.strangers,
            errors=tuple(errors),
        )

    def _concluded(self, states: tuple[ReplicaState, ...], wanted: _Wanted) -> Round:
        answered = [state for state in states if state.answered]
        if answered:
            self._ready = frozenset.intersection(*(state.loaded for state in answered))
        complete = all(
            state.answered
            and wanted.cards.keys() <= state.loaded
            and not {n for n in state.loaded if wanted.ours(n)} - wanted.cards.keys()
            for state in states
        )
        self._report(states)
        return Round(replicas=states, ready=self._ready, complete=complete)

    def _report(self, states: tuple[ReplicaState, ...]) -> None:
        """Logs what was done, and what is wrong where that is news."""
        said = {}
        for state in states:
            for verb, names in (("loaded", state.added), ("unloaded", state.dropped)):
                if names:
                    log.info("%r %s %s", state.name, verb, ", ".join(names))
            strange = tuple(f"{name!r} is not of the registry" for name in state.strangers)
            said[state.name] = (*state.errors, *strange)
            for each in said[state.name]:
                if each not in self._said.get(state.name, ()):
                    log.warning("model server %r: %s", state.name, each)
        self._said = said


def _keep_previous(wanted: _Wanted, standing: Standing) -> None:
    if standing.stable and standing.previous:
        wanted.kept[standing.previous.served_name] = standing.stable.served_name
