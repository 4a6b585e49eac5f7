"""Vectors of texts that were compared before: planner and answerer look at the same stretches."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from fairlead.errors import Unavailable
from fairlead.protocols import Embedder

if TYPE_CHECKING:  # numpy costs 60 ms to import and is needed here for annotations
    from numpy import float32
    from numpy.typing import NDArray

KEPT: Final = 2048
"""Vectors of one embedder; 3 MB at 384 dimensions."""


class Memory:
    """Embeds each text once while it is among the last 2,048. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[bool, str], NDArray[float32]] = OrderedDict()

    def embed(self, embedder: Embedder, texts: Sequence[str], *, query: bool) -> "NDArray[float32]":
        """One row for each text."""
        import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

        with self._lock:
            held = {text: self._vectors.get((query, text)) for text in texts}
        new = [text for text, vector in held.items() if vector is None]
        if new:
            held.update(zip(new, embedder.embed(new, query=query), strict=True))
        with self._lock:
            for text in texts:
                vector = held[text]
                assert vector is not None, "every text was embedded"
                self._vectors[query, text] = vector
                self._vectors.move_to_end((query, text))
            while len(self._vectors) > KEPT:
                self._vectors.popitem(last=False)
        return np.stack([vector for text in texts if (vector := held[text]) is not None])


_memories: WeakKeyDictionary[Embedder, Memory] = WeakKeyDictionary()
_guard = threading.Lock()


def embed(
    embedder: Embedder | None, texts: Sequence[str], *, query: bool = False
) -> "NDArray[float32] | None":
    """Vectors of `texts`, remembered for this embedder; None without one, or while it is away.

    Raises `ValueError` without a text.
    """
    if embedder is None:
        return None
    with _guard:
        memory = _memories.setdefault(embedder, Memory())
    try:
        return memory.embed(embedder, texts, query=query)
    except Unavailable:
        return None
