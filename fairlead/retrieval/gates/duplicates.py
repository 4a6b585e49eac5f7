"""Documents that say what another one says already: which of the two wins, and why.

Exact: equal but for white space and case. Near: so many five-word runs in common. The one that was
published later wins; without dates the one that was there first. A document that not everybody may
read is never beaten by one that others may read: each reader keeps a copy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fairlead.retrieval.gates.shingles import Shingler
from fairlead.retrieval.pieces import content_hash
from fairlead.retrieval.records import Record
from fairlead.retrieval.store import Index
from fairlead.retrieval.stored import Twin
from fairlead.schema import Json

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

    def __init__(self, index: Index, threshold: float) -> None:
        self._index = index
        self._threshold = threshold
        self._shingler = Shingler()
        self._contents: dict[bytes, Twin] = {}
        self._bands: dict[int, list[Twin]] = {}

    def keys(self, record: Record) -> Keys:
        text = record.text[record.body :]
        bands = self._shingler.bands(text) if self._threshold < 1 else ()
        return Keys(content=content_hash(text), bands=bands)

    def of(self, records: Sequence[tuple[Record, Keys]]) -> list[Duplicate | None]:
        """For each record the document that it is most like, where it is like one."""
        self._contents.clear()  # what came before is stored by now
        self._bands.clear()
        stored = self._index.twins([keys.content for _, keys in records])
        found = []
        for record, keys in records:
            same = [*stored.get(keys.content, ()), *self._earlier(keys)]
            found.append(self._exact(record, same) or self._near(record, keys))
            self._note(record, keys)
        return found

    def _earlier(self, keys: Keys) -> list[Twin]:
        twin = self._contents.get(keys.content)
        return [twin] if twin else []

    def _exact(self, record: Record, twins: Iterable[Twin]) -> Duplicate | None:
        for twin in twins:
            if twin.document_id != record.id and set(twin.acl) == set(record.acl):
                return _judged(record, twin, 1.0)
        return None

    def _near(self, record: Record, keys: Keys) -> Duplicate | None:
        if not keys.bands:
            return None
        twins = {twin.document_id: twin for twin in self._index.neighbours(keys.bands)}
        for band in keys.bands:
            twins.update((twin.document_id, twin) for twin in self._bands.get(band, ()))
        twins.pop(record.id, None)
        best: tuple[float, Twin] | None = None
        text = record.text[record.body :]
        for twin in sorted(twins.values(), key=lambda each: each.document_id)[:_COMPARED]:
            if set(twin.acl) != set(record.acl):
                continue
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
        self._contents.setdefault(keys.content, twin)
        for band in keys.bands:
            self._bands.setdefault(band, []).append(twin)


def _judged(record: Record, twin: Twin, similarity: float) -> Duplicate:
    if record.published_at and twin.published_at and record.published_at != twin.published_at:
        wins = record.published_at > twin.published_at
        why = "it was published later"
    else:
        wins, why = False, "it was there first"
    return Duplicate(twin=twin, similarity=similarity, wins=wins, why=why)
