"""Documents that say what another one says already: which of the two wins, and why.

Exact: equal but for white space and case. Near: so many five-word runs in common. The one that was
published later wins; without dates the one that was there first. A document that not everybody may
read is never beaten by one that others may read: each reader keeps a copy. One that is past its
time stands in nobody's way, although no sweep has erased it yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fairlead.retrieval.analysis import words
from fairlead.retrieval.pieces import content_hash
from fairlead.retrieval.records import Record
from fairlead.retrieval.store import Index
from fairlead.retrieval.stored import Twin
from fairlead.retrieval.times import ending, stamp
from fairlead.schema import Json
from fairlead.shingles import Shingler

_COMPARED = 16
"""Candidates of one document whose texts are compared."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What a document is found by."""

    content: bytes
    bands: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """Another document that says the same."""

    twin: Twin
    similarity: float
    wins: bool
    """Whether the new document wins."""
    why: str

    def finding(self, record: Record, *, acted: bool) -> Mapping[str, Json]:
        winner = record.source if self.wins else self.twin.source
        return {
            "source": record.source,
            "document_id": record.id,
            "kind": "duplicate" if self.similarity == 1.0 else "near_duplicate",
            "what": self.twin.source,
            "of": self.twin.document_id,
            "similarity": round(self.similarity, 3),
            "wins": winner,
            "why": self.why,
            "action": "quarantined" if acted else "flagged",
        }


class Duplicates:
    """Compares the documents of a batch with those stored and with one another."""

    def __init__(self, index: Index, threshold: float, max_age_days: float | None = None) -> None:
        self._index = index
        self._threshold = threshold
        self._max_age_days = max_age_days
        self._shingler = Shingler(words)
        self._contents: dict[bytes, list[Twin]] = {}
        self._bands: dict[int, list[Twin]] = {}
        self._batch: frozenset[str] = frozenset()
        self._lost: set[str] = set()

    def keys(self, record: Record) -> Keys:
        text = record.text[record.body :]
        bands = self._shingler.bands(text) if self._threshold < 1 else ()
        return Keys(content=content_hash(text), bands=bands)

    def of(self, records: Sequence[tuple[Record, Keys]], *, acting: bool) -> list[Duplicate | None]:
        """For each record the document that it is most like, where it is like one.

        `acting` says that losers are kept out: then none of them stands in another one's way.
        """
        self._contents.clear()  # what came before is stored by now
        self._bands.clear()
        self._lost.clear()
        self._batch = frozenset(record.id for record, _ in records)
        stored = self._index.twins([keys.content for _, keys in records])
        found = []
        for record, keys in records:
            duplicate = self._exact(record, keys, stored) or self._near(record, keys)
            if duplicate and acting:
                self._lost.add(duplicate.twin.document_id if duplicate.wins else record.id)
            self._note(record, keys)
            found.append(duplicate)
        return found

    def _exact(
        self, record: Record, keys: Keys, stored: Mapping[bytes, Sequence[Twin]]
    ) -> Duplicate | None:
        key = keys.content
        twins = self._rivals(record, stored.get(key, ()), self._contents.get(key, ()))
        return _judged(record, twins[0], 1.0) if twins else None

    def _rivals(
        self, record: Record, stored: Iterable[Twin], earlier: Iterable[Twin]
    ) -> list[Twin]:
        """Twins that the same readers may read; of a document in the batch not its old version."""
        now = stamp(datetime.now(UTC))
        lasting = (twin for twin in stored if twin.document_id not in self._batch)
        return [
            twin
            for twin in (*lasting, *earlier)
            if twin.document_id not in self._lost
            and twin.document_id != record.id
            and set(twin.acl) == set(record.acl)
            and not self._over(twin, now)
        ]

    def _over(self, twin: Twin, now: str) -> bool:
        end = ending(twin.valid_until, twin.seen_at, self._max_age_days)
        return bool(end) and end <= now

    def _near(self, record: Record, keys: Keys) -> Duplicate | None:
        if not keys.bands:
            return None
        earlier = [twin for band in keys.bands for twin in self._bands.get(band, ())]
        rivals = self._rivals(record, self._index.neighbours(keys.bands), earlier)
        twins = {twin.document_id: twin for twin in rivals}
        best: tuple[float, Twin] | None = None
        text = record.text[record.body :]
        for _, twin in sorted(twins.items())[:_COMPARED]:
            similarity = self._shingler.similarity(text, twin.text)
            if similarity >= self._threshold and (best is None or similarity > best[0]):
                best = min(similarity, 0.999), twin
        return _judged(record, best[1], best[0]) if best else None

    def _note(self, record: Record, keys: Keys) -> None:
        twin = Twin(
            document_id=record.id,
            source=record.source,
            published_at=record.published_at,
            text=record.text[record.body :],
            acl=record.acl,
        )
        self._contents.setdefault(keys.content, []).append(twin)
        for band in keys.bands:
            self._bands.setdefault(band, []).append(twin)


def _judged(record: Record, twin: Twin, similarity: float) -> Duplicate:
    if record.published_at and twin.published_at and record.published_at != twin.published_at:
        wins = record.published_at > twin.published_at
        why = "it was published later"
    else:
        wins, why = False, "it was there first"
    return Duplicate(twin=twin, similarity=similarity, wins=wins, why=why)
