"""Which of many texts are nearly the same: MinHash proposes, the similarity itself decides."""

from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from fairlead.serving.training.wording import words
from fairlead.shingles import Shingler

if TYPE_CHECKING:  # 60 ms to import
    import numpy as np
    from numpy.typing import NDArray

RUN: Final = 3
"""Words of a shingle, and the shortest text that has one."""
BANDS: Final = 32
"""Of four bins each: of two texts at .8 all but one in twenty million share a band."""
_COMPARED: Final = 64
"""Earlier texts of one band that a text is compared with: a band that hundreds share without being
alike would else cost the square of them."""
_REMEMBERED: Final = 1_000_000


def shingler() -> Shingler:
    """As every comparison here uses it."""
    return Shingler(words, run=RUN, shortest=RUN, bands=BANDS)


class Groups:
    """Numbers from 0 in groups; what is joined stays joined."""

    def __init__(self, count: int) -> None:
        self._above = array("q", range(count))

    def of(self, number: int) -> int:
        """The least number of its group."""
        while self._above[number] != number:
            self._above[number] = self._above[self._above[number]]
            number = self._above[number]
        return number

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.of(one), self.of(other)))
        self._above[second] = first


class Likeness:
    """Takes texts one after the other and holds 128 bytes of each."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._shingler = shingler()
        self._bands = array("i")
        self._numbers = array("q")
        self.count = 0

    def note(self, text: str) -> None:
        """Takes the next text; one of fewer than three words is like no other."""
        bands = self._shingler.bands(text)
        if bands:
            self._numbers.append(self.count)
            self._bands.extend((band & 0xFFFFFFFF) - (1 << 31) for band in bands)
        self.count += 1

    def pairs(self, text: Callable[[int], str], groups: Groups) -> Iterator[tuple[int, int]]:
        """Joins what is alike, and gives each two that joined groups, the earlier first."""
        import numpy as np  # noqa: PLC0415 - see above

        if not self._numbers:
            return
        numbers = np.frombuffer(self._numbers, dtype=np.int64)
        matrix = np.frombuffer(self._bands, dtype=np.int32).reshape(-1, BANDS)
        unlike: set[tuple[int, int]] = set()
        for band in range(BANDS):
            for members in _equal(matrix[:, band]):
                for one, other in self._alike(numbers[members].tolist(), text, groups, unlike):
                    groups.join(one, other)
                    yield one, other

    def _alike(
        self,
        members: list[int],
        text: Callable[[int], str],
        groups: Groups,
        unlike: set[tuple[int, int]],
    ) -> Iterator[tuple[int, int]]:
        for at, other in enumerate(members):
            for one in members[max(0, at - _COMPARED) : at]:
                if groups.of(one) == groups.of(other) or (one, other) in unlike:
                    continue
                if self._shingler.similarity(text(one), text(other)) >= self._threshold:
                    yield one, other
                elif len(unlike) < _REMEMBERED:
                    unlike.add((one, other))


def _equal(column: "NDArray[np.int32]") -> Iterator["NDArray[np.int64]"]:
    """Places of equal values, rising, where there are at least two of them."""
    import numpy as np  # noqa: PLC0415 - see above

    order = np.argsort(column, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(column[order])) + 1, len(order))
    begins = np.append(0, ends[:-1])
    for several in np.flatnonzero(ends - begins > 1):
        yield order[begins[several] : ends[several]]
