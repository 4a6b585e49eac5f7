"""What was read of the newest state of each collection, so that it is not read again.

A change of a collection is another state, and nothing of an earlier one is kept.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fairlead.retrieval.stored import Candidate, Ref

if TYPE_CHECKING:  # numpy costs 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

_COLLECTIONS: Final = 16
_FACTS: Final = 256
_CHUNKS: Final = 4096
_Found = TypeVar("_Found")


@dataclass(kw_only=True)
class State:
    """Of one state of one collection; its dictionaries may be read and filled by several threads.

    Vectors of 384 numbers take 6 MB at most, passages about as much.
    """

    name: str = ""
    facts: dict[object, Any] = field(default_factory=dict)
    vectors: "dict[Ref, NDArray[float32] | None]" = field(default_factory=dict)
    candidates: dict[Ref, Candidate] = field(default_factory=dict)

    def keep_fact(self, name: object, value: _Found) -> _Found:
        bounded(self.facts, ((name, value),), _FACTS)
        return value

    def keep_vectors(self, found: "Mapping[Ref, NDArray[float32] | None]") -> None:
        bounded(self.vectors, found.items(), _CHUNKS)

    def keep_candidates(self, found: Mapping[Ref, Candidate]) -> None:
        bounded(self.candidates, found.items(), _CHUNKS)


class States:
    """The newest state of the collections that were read last. Thread-safe."""

    def __init__(self) -> None:
        self._held: dict[str, State] = {}
        self._lock = threading.Lock()

    def of(self, born: str, name: str) -> State:
        """What is remembered of a state; an earlier one of the same collection is forgotten."""
        with self._lock:
            found = self._held.pop(born, None)
            if found is None or found.name != name:
                found = State(name=name)
            self._held[born] = found
            while len(self._held) > _COLLECTIONS:
                del self._held[next(iter(self._held))]
            return found

    def forget(self, born: str) -> None:
        """After an erasure: nothing that was erased stays in memory."""
        with self._lock:
            self._held.pop(born, None)


def missing(refs: Iterable[Ref], held: Collection[Ref]) -> list[str]:
    """Those that are not held, each once."""
    return [str(ref) for ref in dict.fromkeys(refs) if ref not in held]


def bounded(held: dict[Any, Any], found: Iterable[tuple[Any, Any]], most: int) -> None:
    """Adds to a dictionary; the oldest go where it gets too large."""
    for name, value in list(found):
        held[name] = value
    while len(held) > most:
        held.pop(next(iter(held)), None)
