"""How many chunks hold each stem: kept as sums and changes of them, and held in memory.

The server's own statistics cannot be listed, and asking for one word costs a request. These counts
are of the tenant's live chunks, whoever may read them.
"""

import base64
import threading
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fairlead.edits import within_edits
from fairlead.retrieval.analysis import STEMMER, words
from fairlead.retrieval.pieces import Piece
from fairlead.retrieval.weaviate.names import object_id
from fairlead.retrieval.weaviate.tables import Row, Wanted, among, conditions

SUMMED_AT: Final = 32
"""Changes from which they are summed up."""
KEPT: Final = Wanted(values=("data", "version", "added"))


def stems_of(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """Of each piece the stems of its title and of the rest, as they are searched."""
    split = [(words(p.title), words(f"{p.body} {p.meta}")) for p in pieces]
    known = STEMMER.stems([word for pair in split for part in pair for word in part])
    return [
        (
            " ".join(stem for word in title for stem in known[word]),
            " ".join(stem for word in rest for stem in known[word]),
        )
        for title, rest in split
    ]


def counted(stems: Iterable[tuple[str, str]]) -> Counter[str]:
    """In how many of the chunks each stem is."""
    found: Counter[str] = Counter()
    for title, rest in stems:
        found.update({*title.split(), *rest.split()})
    return found


def packed(counts: Mapping[str, int]) -> str:
    lines = "\n".join(f"{stem} {count}" for stem, count in counts.items() if count)
    return base64.b85encode(zlib.compress(lines.encode(), 6)).decode()


def unpacked(text: str) -> Counter[str]:
    lines = zlib.decompress(base64.b85decode(text)).decode().split("\n")
    pairs = (line.rsplit(" ", 1) for line in lines if line)
    return Counter({stem: int(count) for stem, count in pairs})


def row(counts: Mapping[str, int], build: int, generation: int, *, whole: bool) -> Row:
    """Counts of a build as they are stored: the sum of all, or a change."""
    return Row(
        id=object_id("words", f"{build}/{generation}"),
        values={
            "kind": "words",
            "version": "sum" if whole else "change",
            "added": generation,
            "removed": 2**53 - 1,
            "order": generation,
            "builds": [build],
            "data": packed(counts),
        },
    )


def after(build: int, before: int, generation: int) -> Any:
    """What was stored of a build in the generations after `before`."""
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    added = Filter.by_property("added")
    within = added.greater_than(before) & added.less_or_equal(generation)
    return conditions(kind="words") & among("builds", [build]) & within


@dataclass(kw_only=True)
class Vocabulary:
    """The stems of one build and their counts, as of a generation."""

    generation: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    _by_letter: dict[str, list[str]] = field(default_factory=dict)

    def with_rows(self, rows: Sequence[Row], generation: int) -> "Vocabulary":
        """Brought up to date with what was stored since."""
        ordered = sorted(rows, key=lambda each: int(each.values["added"]))
        sums = [at for at, each in enumerate(ordered) if each.values["version"] == "sum"]
        counts = Counter() if sums else Counter(self.counts)
        for each in ordered[sums[-1] if sums else 0 :]:
            counts.update(unpacked(each.values["data"]))
        kept = Counter({stem: count for stem, count in counts.items() if count > 0})
        return Vocabulary(generation=generation, counts=kept)

    def frequencies(self, stems: Iterable[str]) -> dict[str, int]:
        return {stem: self.counts[stem] for stem in set(stems) if stem in self.counts}

    def similar(self, stem: str, edits: int) -> dict[str, int]:
        """Stems within so many edits that begin with one of its first two letters."""
        if not self._by_letter:
            for each in self.counts:
                self._by_letter.setdefault(each[:1], []).append(each)
        near = (
            other
            for letter in dict.fromkeys(stem[:2])
            for other in self._by_letter.get(letter, ())
            if abs(len(other) - len(stem)) <= edits
        )
        return {each: self.counts[each] for each in near if within_edits(stem, each, edits)}


class Vocabularies:
    """Of the collections that were read last. Thread-safe."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._held: dict[tuple[str, int], Vocabulary] = {}
        self._lock = threading.Lock()

    def held(self, born: str, build: int, generation: int) -> Vocabulary:
        """What is known already and not newer than the generation."""
        with self._lock:
            found = self._held.get((born, build))
        return found if found and found.generation <= generation else Vocabulary()

    def keep(self, born: str, build: int, found: Vocabulary) -> None:
        with self._lock:
            before = self._held.pop((born, build), found)
            newer = found if found.generation >= before.generation else before
            self._held[born, build] = newer
            while len(self._held) > self._most:
                self._held.pop(next(iter(self._held)))

    def forget(self, born: str) -> None:
        """After an erasure."""
        with self._lock:
            for place in [each for each in self._held if each[0] == born]:
                del self._held[place]


def differing(before: Collection[Counter[str]], now: Collection[Counter[str]]) -> Counter[str]:
    """What to add to the counts when some chunks go and others come."""
    found: Counter[str] = Counter()
    for each in now:
        found.update(each)
    for each in before:
        found.subtract(each)
    return found
