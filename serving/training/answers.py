"""The answers as a whole: whether they are a few labels, how balanced these are, else how long the
answers are and how they begin."""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fairlead.serving.training.recipe import Thresholds
from fairlead.serving.training.wording import normalised, words

_LABEL_WORDS: Final = 5
"""Words of the longest label."""
_SHARE: Final = 5
"""Times that a label must stand on average: with fewer, short answers are only short."""
_COUNTED: Final = 1000
"""Different first words that are counted."""
_SHOWN: Final = 10


@dataclass(frozen=True, kw_only=True)
class AnswerStatistics:
    """`labels` is empty where the answers are no closed set; the rest is of all answers."""

    labels: Mapping[str, int] = field(default_factory=dict)
    imbalance: float = 0.0
    """The commonest label over the rarest."""
    rare: tuple[str, ...] = ()
    """Labels that are rarer than the threshold allows."""
    words: Mapping[str, int] = field(default_factory=dict)
    """Words of an answer: least, median, 95th percentile, most."""
    beginnings: Mapping[str, float] = field(default_factory=dict)
    """The commonest first words, with their share."""


class Answers:
    """Takes answers one after the other."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._lengths = array("l")
        self._labels: Counter[str] | None = Counter()
        self._first: Counter[str] = Counter()

    def note(self, answer: str) -> None:
        said = words(answer)
        self._lengths.append(len(said))
        first = said[0] if said else ""
        if first in self._first or len(self._first) < _COUNTED:
            self._first[first] += 1
        if self._labels is None:
            return
        label = normalised(answer)
        if len(said) > _LABEL_WORDS or len(self._labels) > self._thresholds.labels:
            self._labels = None
        else:
            self._labels[label] += 1

    def statistics(self) -> AnswerStatistics:
        labels = self._closed()
        least = min(labels.values(), default=0)
        most = max(labels.values(), default=0)
        limit = most / self._thresholds.imbalance
        return AnswerStatistics(
            labels=labels,
            imbalance=round(most / least, 2) if least else 0.0,
            rare=tuple(sorted(label for label, count in labels.items() if count < limit)),
            words=self._words(),
            beginnings={
                first: round(count / len(self._lengths), 3)
                for first, count in self._first.most_common(_SHOWN)
            },
        )

    def _closed(self) -> dict[str, int]:
        found = self._labels or Counter()
        if not 2 <= len(found) <= self._thresholds.labels:
            return {}
        if sum(found.values()) < _SHARE * len(found):
            return {}
        return dict(found.most_common())

    def _words(self) -> dict[str, int]:
        said = sorted(self._lengths)
        if not said:
            return {}
        at = {"least": 0, "median": len(said) // 2, "p95": len(said) * 95 // 100, "most": -1}
        return {name: said[place] for name, place in at.items()}
