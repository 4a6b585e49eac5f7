"""Which of several versions a question is about: country, product, date.

No list of countries or products: where passages carry metadata and the question (or a tool's
result) names one of the values that a key takes, passages with another value of it conflict.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fairlead.agents.words import fold, stems
from fairlead.schema import Passage

_PAST: Final = re.compile(
    r"\b(?:previous(?:ly)?|former(?:ly)?|old|older|earlier|past|used to|original(?:ly)?|history)\b"
)
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")
_DATE: Final = re.compile(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b")
_DATED: Final = ("valid_from", "effective_from", "effective", "updated", "date", "published")
_LONGEST: Final = 60
SAME: Final = 0.5
"""Share of common words from which two stretches of two versions say the same thing."""


class Facets:
    """What the passages' metadata and dates say against each other, given a question."""

    def __init__(
        self, question: str, passages: Sequence[Passage], facts: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._said = f" {' '.join(stems(question))} "
        self._wanted: dict[str, frozenset[str]] = {}
        values: dict[str, set[str]] = {}
        for passage in passages:
            for key, value in passage.metadata.items():
                if isinstance(value, str) and len(value) <= _LONGEST:
                    values.setdefault(key, set()).add(value)
        for key, held in values.items():
            named = {value for value in held if self._names(value)}
            if not named:
                named = {v for v in held for k, fact in facts if k == key and fold(fact) == fold(v)}
            if named and len(held) > 1:
                self._wanted[key] = frozenset(named)
        self._facts = [frozenset(stems(value)) for _, value in facts]
        self._past = bool(_PAST.search(fold(question))) or bool(_YEAR.search(question))
        self._newest: dict[tuple[str, ...], datetime] = {}
        for passage in passages:
            day = _dated(passage)
            if day:
                family = _family(passage)
                self._newest[family] = max(day, self._newest.get(family, day))

    def conflicts(self, passage: Passage) -> bool:
        """Whether the passage's metadata names another value than the one asked for."""
        return any(
            isinstance(passage.metadata.get(key), str) and passage.metadata[key] not in named
            for key, named in self._wanted.items()
        )

    def concerns(self, named: frozenset[str]) -> bool:
        """Whether stems that a passage stands under hold a value that a tool said."""
        return any(fact and fact <= named for fact in self._facts)

    def outdated(self, stretches: Sequence[tuple[Passage, frozenset[str]]]) -> list[bool]:
        """For each stretch, given by its stems, whether a newer version says the same differently.

        Versions are documents of one title, years and numbers aside. Nothing is outdated where
        the question asks for the past.
        """
        newer: dict[tuple[str, ...], list[frozenset[str]]] = {}
        for passage, said in stretches:
            if not self._old(passage):
                newer.setdefault(_family(passage), []).append(_worded(said))
        return [
            self._old(passage)
            and any(_alike(_worded(said), other) for other in newer.get(_family(passage), ()))
            for passage, said in stretches
        ]

    def _old(self, passage: Passage) -> bool:
        day = _dated(passage)
        return bool(day and not self._past and day < self._newest[_family(passage)])

    def _names(self, value: str) -> bool:
        roots = " ".join(stems(value))
        return bool(roots) and f" {roots} " in self._said


def _worded(said: frozenset[str]) -> frozenset[str]:
    return frozenset(root for root in said if not root.isdigit())


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one) and len(one & other) >= SAME * min(len(one), len(other))


def _family(passage: Passage) -> tuple[str, ...]:
    """What versions of one document share: the words of the title, without years and numbers."""
    words = [root for root in stems(passage.title) if not root.isdigit()]
    return tuple(words) if words else (passage.document_id,)


def _dated(passage: Passage) -> datetime | None:
    for key in _DATED:
        value = passage.metadata.get(key)
        found = _DATE.search(value) if isinstance(value, str) else None
        if found:
            year, month, day = map(int, found.groups())
            try:
                return datetime(year, month, day)
            except ValueError:
                continue
    moment = passage.published_at
    return moment.replace(tzinfo=None) if moment else None
