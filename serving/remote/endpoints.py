"""Several servers of one model: which is asked, and which after it."""

import hashlib
from collections.abc import Sequence
from typing import Final

from fairlead.serving.remote.wire import Wire

SLACK: Final = 1.25
"""A server may have so many times the mean of requests in flight, and then `SPARE` more, before a
thread is sent elsewhere (consistent hashing with bounded loads, arXiv:1608.01350)."""
SPARE: Final = 2


class Endpoints:
    """Servers of one model, equal but for what their caches hold."""

    def __init__(self, wires: Sequence[Wire]) -> None:
        self.wires = tuple(wires)
        self._places: dict[str, Wire] = {}

    def order(self, thread: str, tried: Sequence[Wire] = ()) -> list[Wire]:
        """The servers, best first: a thread's own while it is not overloaded, then the least
        loaded. Those that were tried come last."""
        if len(self.wires) == 1:
            return list(self.wires)
        ranked = sorted(self.wires, key=lambda wire: (wire in tried, wire.in_flight))
        if thread:
            home = self._home(thread)
            mean = sum(wire.in_flight for wire in self.wires) / len(self.wires)
            if home not in tried and home.in_flight <= SLACK * mean + SPARE:
                ranked.remove(home)
                ranked.insert(0, home)
        return ranked

    def _home(self, thread: str) -> Wire:
        """Of each thread the same server, whichever others there are (rendezvous hashing)."""
        home = self._places.get(thread)
        if home is None:
            if len(self._places) > 10_000:
                self._places.clear()
            home = max(
                self.wires,
                key=lambda wire: hashlib.sha256(f"{wire.url}\n{thread}".encode()).digest(),
            )
            self._places[thread] = home
        return home
