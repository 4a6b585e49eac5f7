"""Which version answers: by the canary's share, and by what the conversation began on.

A new conversation draws a place from 0 to 1, a hash of the canary's digest, the tenant and the
thread; places below the share go to the canary. So a share that grows takes more in and lets nobody
out, and another canary draws anew. What was drawn is kept (`pins`), because the hash alone would
move a conversation when a canary begins, grows, or is promoted under it. It moves in two cases,
with a warning: its version was rolled back or withdrawn, or it rested longer than
`rollout.pin_hours` and another version is due by then.
"""

import asyncio
import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from fairlead.serving.adapters.digest import checked_name
from fairlead.serving.adapters.pins import BASE, Pin, Pins, Thread
from fairlead.serving.adapters.records import AdapterCard, Standing
from fairlead.serving.adapters.registry import Registry
from fairlead.serving.adapters.stages import stage_named

Why: TypeAlias = Literal["stable", "canary", "thread", "named", "base"]
FRESH: Final = 1.0
"""Seconds for which what was read of the registry is used without looking again."""
REMEMBERED: Final = 20_000
"""Threads whose pins are kept in memory."""


@dataclass(frozen=True, kw_only=True)
class Selector:
    """What a route says: `support@stable`, `support@canary`, `support@3`."""

    name: str
    which: str

    @property
    def shared(self) -> bool:
        """Whether canary and conversations are minded; all others mean one version exactly."""
        return self.which == "stable"


def parse_selector(text: str) -> Selector:
    """The selector; a bare name is the stable version. Raises `InputError` for another form."""
    name, _, which = text.partition("@")
    checked_name(name)
    if not which.isdecimal():
        stage_named(which or "stable")
    return Selector(name=name, which=which or "stable")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The version that answers, or None for the base model, and why."""

    card: AdapterCard | None
    why: Why
    warning: str = ""
    trial: int = 0
    """The trial of a canary that the conversation drew lots in; 0 for none."""
    draw: int = 0
    """Tells the conversations of a trial apart."""


def place(digest: str, tenant: str, key: str) -> float:
    """From 0 to 1, the same on every machine; a conversation is in a share that is above it."""
    return _hash(digest, tenant, key) / 2.0**56


class Shares:
    """Chooses versions for the requests of one process.

    What the registry says is looked at anew after `FRESH` seconds, so that a rollback by another
    process holds from then on. `ready` tells whether a served name is loaded on every server that
    can be asked: a version that is not gets no new conversation while the one before it is.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        pin_hours: float = 24.0,
        ready: Callable[[str], bool] = lambda name: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.pins = Pins(registry.database, hours=pin_hours, clock=clock)
        self._registry = registry
        self._ready = ready
        self._lock = threading.Lock()
        self._revision = -1
        self._looked = float("-inf")
        self._standings: dict[str, Standing] = {}
        self._cards: dict[tuple[str, int], AdapterCard] = {}
        self._remembered: OrderedDict[tuple[str, str, str], Pin] = OrderedDict()

    async def choose(
        self, selector: Selector, *, tenant: str, thread: str = "", subject: str = ""
    ) -> Choice:
        """The version for one request. Without a thread every request is a conversation of its own,
        and the subject decides its place. Raises `Unavailable` where the registry cannot be read.
        """
        key = Thread(tenant=tenant, name=selector.name, thread=thread)
        pin = self._remembered.get(key.key)
        stale = time.monotonic() - self._looked > FRESH
        if not stale and selector.shared and pin and not self.pins.due(pin):
            if self._stays(key.name, pin):
                return self._pinned(key, pin)
        if not stale and not (selector.shared and thread):
            return self._fresh(selector, tenant, thread or subject)
        return await asyncio.to_thread(self._choose, selector, key, subject)

    def refresh(self) -> None:
        """Looks at the registry now. Blocks."""
        with self._lock:
            revision = self._registry.revision()
            if revision != self._revision:
                cards = self._registry.versions(removed=True)
                self._cards = {(card.name, card.version): card for card in cards}
                self._standings = self._registry.standings()
                self._revision = revision
            self._looked = time.monotonic()

    def _choose(self, selector: Selector, key: Thread, subject: str) -> Choice:
        """`choose`, with whatever has to be read or written."""
        if time.monotonic() - self._looked > FRESH:
            self.refresh()
        if not (selector.shared and key.thread):
            return self._fresh(selector, key.tenant, key.thread or subject)
        pin = self.pins.find(key)
        if pin and self._stays(key.name, pin):
            self._remember(key, self.pins.refreshed(key, pin))
            return self._pinned(key, pin)
        choice = self._fresh(selector, key.tenant, key.thread)
        drawn = choice.card.version if choice.card else BASE
        held = self.pins.put(key, drawn, trial=choice.trial, instead=pin)
        self._remember(key, held)
        if held.version != drawn:  # another process drew at the same time
            choice = self._pinned(key, held)
        if pin and pin.version != held.version:
            return replace(choice, warning=self._moved(key, pin, choice))
        return choice

    def _fresh(self, selector: Selector, tenant: str, key: str) -> Choice:
        """For a conversation that begins now."""
        if not selector.shared:
            return self._exactly(selector)
        standing = self._standings.get(selector.name, Standing())
        canary, trial, draw = standing.canary, 0, 0
        if canary and self._ready(canary.served_name):
            key = key or secrets.token_hex(8)
            trial, draw = canary.trial, _hash("", tenant, key)
            if place(canary.digest, tenant, key) * 100 < canary.share:
                return Choice(card=canary, why="canary", trial=trial, draw=draw)
        card = self._settled(standing)
        if card:
            return Choice(card=card, why="stable", trial=trial, draw=draw)
        known = any(name == selector.name for name, _ in self._cards)
        said = "no stable version" if known else "no version at all"
        warning = f"adapter {selector.name!r} has {said}: its base answers"
        return Choice(card=None, why="base", warning=warning, trial=trial, draw=draw)

    def _settled(self, standing: Standing) -> AdapterCard | None:
        """The stable version, or the one before it while only that is loaded."""
        stable, previous = standing.stable, standing.previous
        if stable and previous and not self._ready(stable.served_name):
            return previous if self._ready(previous.served_name) else stable
        return stable

    def _exactly(self, selector: Selector) -> Choice:
        name, which = selector.name, selector.which
        if which.isdecimal():
            card = self._cards.get((name, int(which)))
        else:
            found = [c for (n, _), c in self._cards.items() if n == name and c.stage == which]
            card = max(found, key=lambda each: each.version, default=None)
        if card is None or card.removed or card.condemned:
            what = "was rolled back" if card and card.condemned else "is not there"
            warning = f"adapter {name}@{which} {what}: its base answers"
            return Choice(card=None, why="base", warning=warning)
        return Choice(card=card, why="named")

    def _stays(self, name: str, pin: Pin) -> bool:
        """Whether a conversation goes on with its version."""
        if not self.pins.live(pin):
            return False
        return pin.version == BASE or serves(self._cards.get((name, pin.version)))

    def _pinned(self, key: Thread, pin: Pin) -> Choice:
        card = self._cards.get((key.name, pin.version))
        draw = _hash("", key.tenant, key.thread) if pin.trial else 0
        return Choice(card=card, why="thread" if card else "base", trial=pin.trial, draw=draw)

    def _moved(self, key: Thread, pin: Pin, choice: Choice) -> str:
        before = f"{key.name}@{pin.version}" if pin.version else "the base model"
        after = choice.card.label if choice.card else "the base model"
        card = self._cards.get((key.name, pin.version))
        if pin.version and not serves(card):
            why = "was rolled back" if card and card.condemned else "was withdrawn"
        else:
            why = "rested too long"
        return f"this conversation began with {before}, which {why}; {after} goes on with it"

    def _remember(self, key: Thread, pin: Pin) -> None:
        with self._lock:
            self._remembered[key.key] = pin
            self._remembered.move_to_end(key.key)
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)


def serves(card: AdapterCard | None) -> bool:
    """Whether conversations that began on a version may go on with it.

    One that answers, or that a better one replaced; not one that was rolled back or withdrawn.
    """
    if card is None or card.removed or card.condemned:
        return False
    return card.stage in ("canary", "stable") or (card.stage == "retired" and card.stood > 0)


def _hash(*parts: str) -> int:
    """From 0 to 2^56, the same on every machine."""
    content = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(content).digest()[:7])
