"""How alike two texts are: the share of word runs they have in common, and keys to find it by.

Jaccard similarity of shingles, by default of 5 words (Broder 1997), found by MinHash with one
permutation and densified bins (Li, Owen and Zhang 2012; Shrivastava and Li 2014): 128 bins, by
default in 16 bands of 8, so that of two texts at .9 all but one in 10,000 share a band, at .8 19 of
20. More bands miss fewer and propose more. A shared band is only a candidate; what counts is the
similarity itself.
"""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # 60 ms to import
    import numpy as np
    from numpy.typing import NDArray

SHORTEST: Final = 20
"""Words under which a text has no near duplicates, only exact ones."""
_BINS: Final = 128
_LONGEST: Final = 200_000
"""Words that are looked at of a very long text."""


class Shingler:
    """Remembers the hashes of words. Not for several threads at once.

    `split` gives a text's words in order; `run` of them make a shingle; a text of fewer words than
    `shortest` has no bands; `bands` divides 128.
    """

    def __init__(
        self,
        split: Callable[[str], Sequence[str]],
        *,
        run: int = 5,
        shortest: int = SHORTEST,
        bands: int = 16,
    ) -> None:
        self._split = split
        self._shortest = shortest - run + 1
        self._bands = bands
        self._steps = [pow(0x9E3779B97F4A7C15, n, 2**64) | 1 for n in range(1, run + 1)]
        self._known: dict[str, int] = {}

    def shingles(self, text: str) -> "NDArray[np.uint64]":
        """The distinct shingles of a text, rising; none where it is shorter than one."""
        import numpy as np  # noqa: PLC0415 - see above

        said = self._split(text)[:_LONGEST]
        if len(said) < len(self._steps):
            return np.zeros(0, dtype=np.uint64)
        if len(self._known) > 1_000_000:
            self._known.clear()
        known = self._known
        for word in set(said).difference(known):
            known[word] = zlib.crc32(word.encode())
        hashes = np.fromiter((known[word] for word in said), dtype=np.uint64, count=len(said))
        count = len(said) - len(self._steps) + 1
        total = np.zeros(count, dtype=np.uint64)
        for at, step in enumerate(self._steps):
            total += hashes[at : at + count] * np.uint64(step)
        return np.unique(_mixed(total))

    def bands(self, text: str) -> tuple[int, ...]:
        """Keys of a text, of which near duplicates share one; none for a short text."""
        shingles = self.shingles(text)
        if len(shingles) < self._shortest:
            return ()
        rows = _densified(shingles).reshape(self._bands, -1)
        return tuple(
            int.from_bytes(
                hashlib.blake2b(row.tobytes(), digest_size=8, salt=bytes([at])).digest(),
                signed=True,
            )
            for at, row in enumerate(rows)
        )

    def similarity(self, one: str, other: str) -> float:
        """Jaccard similarity, 0 to 1."""
        import numpy as np  # noqa: PLC0415 - see above

        left, right = self.shingles(one), self.shingles(other)
        common = len(np.intersect1d(left, right, assume_unique=True))
        union = len(left) + len(right) - common
        return common / union if union else 0.0


def _mixed(values: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """Every bit of the result depends on every bit of the value (splitmix64's last steps)."""
    import numpy as np  # noqa: PLC0415 - see above

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _densified(shingles: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """The least shingle of each bin; an empty bin takes that of the next full one."""
    import numpy as np  # noqa: PLC0415 - see above

    bins = (shingles % np.uint64(_BINS)).astype(np.int64)
    least = np.full(_BINS, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(least, bins, shingles)
    full = np.zeros(_BINS, dtype=bool)
    full[bins] = True
    places = np.flatnonzero(full)
    donors = places[np.searchsorted(places, np.arange(_BINS)) % len(places)]
    away = ((donors - np.arange(_BINS)) % _BINS).astype(np.uint64)
    return least[donors] + away * np.uint64(0x9E3779B97F4A7C15)
