"""The words of chunks: as numbers in the database, and packed into one blob per chunk.

A blob holds the numbers of a chunk's distinct stems (four bytes each) and then their weights (one
byte each): how often the stem stands in the body and in what is searched beyond it, and three times
how often in the title.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from fairlead.retrieval.analysis import STEMMER, TITLE_WEIGHT, words
from fairlead.retrieval.pieces import Piece

if TYPE_CHECKING:  # 60 ms to import
    import numpy as np
    from numpy.typing import NDArray

ENTRY = 5
"""Bytes of a stem in a blob."""
_KNOWN = 1_000_000


class Terms:
    """Gives stems their numbers. Belongs to one writer; forgets all at a new epoch."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._epoch = ""

    def packed(
        self, connection: sqlite3.Connection, pieces: Iterable[Piece], epoch: str
    ) -> list[tuple[int, bytes]]:
        """Of each piece its length in words and its blob, inside the caller's transaction."""
        if epoch != self._epoch or len(self._known) > _KNOWN:
            self._known, self._epoch = {}, epoch
        split = [(words(p.title), words(f"{p.body} {p.meta}")) for p in pieces]
        stems = STEMMER.stems([word for pair in split for part in pair for word in part])
        bags = [_bag(title, rest, stems) for title, rest in split]
        self._number(connection, {stem for _, bag in bags for stem in bag})
        return [(length, self._blob(bag)) for length, bag in bags]

    def forget(self) -> None:
        """After a transaction that was undone: its numbers were never given."""
        self._known = {}

    def _number(self, connection: sqlite3.Connection, stems: Collection[str]) -> None:
        missing = [stem for stem in stems if stem not in self._known]
        if not missing:
            return
        connection.executemany(
            "INSERT OR IGNORE INTO term (stem) VALUES (?)", [(s,) for s in missing]
        )
        self._known.update(term_numbers(connection, missing))

    def _blob(self, bag: Mapping[str, int]) -> bytes:
        import numpy as np  # noqa: PLC0415 - see above

        numbers = np.fromiter((self._known[stem] for stem in bag), dtype=np.uint32, count=len(bag))
        weights = np.fromiter(bag.values(), dtype=np.int64, count=len(bag))
        return numbers.tobytes() + np.minimum(weights, 255).astype(np.uint8).tobytes()


def term_numbers(connection: sqlite3.Connection, stems: Collection[str]) -> dict[str, int]:
    """The numbers of the stems that the collection knows."""
    found: dict[str, int] = {}
    wanted = list(stems)
    for at in range(0, len(wanted), 500):
        some = wanted[at : at + 500]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(f"SELECT stem, id FROM term WHERE stem IN ({marks})", some)
        found.update(dict(rows))
    return found


def unpacked(
    blobs: list[bytes],
) -> "tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]":
    """How many terms each blob holds, and all numbers and weights in order."""
    import numpy as np  # noqa: PLC0415 - see above

    counts = np.fromiter((len(blob) // ENTRY for blob in blobs), dtype=np.int64, count=len(blobs))
    numbers = b"".join(blob[: len(blob) // ENTRY * 4] for blob in blobs)
    weights = b"".join(blob[len(blob) // ENTRY * 4 :] for blob in blobs)
    return counts, np.frombuffer(numbers, dtype=np.uint32), np.frombuffer(weights, dtype=np.uint8)


def _bag(
    title: list[str], rest: list[str], stems: Mapping[str, tuple[str, ...]]
) -> tuple[int, dict[str, int]]:
    """Words in all, and the weight of each stem."""
    bag: dict[str, int] = {}
    length = 0
    for part, weight in ((rest, 1), (title, TITLE_WEIGHT)):
        for word in part:
            for stem in stems[word]:
                bag[stem] = bag.get(stem, 0) + weight
                length += 1
    return length, bag
