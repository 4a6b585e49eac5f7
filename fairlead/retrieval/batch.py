"""A few documents at a time: compared with what is stored, examined, cut, and stored together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fairlead.protocols import Embedder
from fairlead.retrieval.chunkers import Chunker, estimate_tokens
from fairlead.retrieval.entities import Extractor
from fairlead.retrieval.gates import Duplicates, Examination, Held, Passed, Rules
from fairlead.retrieval.gates.duplicates import Duplicate, Keys
from fairlead.retrieval.pieces import Piece, Place, chunked, pieces
from fairlead.retrieval.records import Record, Reject
from fairlead.retrieval.store import Index
from fairlead.retrieval.stored import Entry, Quarantined, Tally, Vectors
from fairlead.retrieval.times import stamp
from fairlead.schema import Json

_DOCUMENTS = 64
_CHARS = 1_000_000


@dataclass(kw_only=True)
class Batch:
    """Documents that are stored in one go."""

    records: list[Record] = field(default_factory=list)
    chars: int = 0

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.chars += len(record.text)

    @property
    def full(self) -> bool:
        return len(self.records) >= _DOCUMENTS or self.chars >= _CHARS


@dataclass(kw_only=True)
class Done:
    """What all batches came to."""

    tally: Tally = field(default_factory=Tally)
    stored: int = 0
    expired: int = 0
    """Documents among them that were past their time when they came."""
    unchanged: list[str] = field(default_factory=list)
    quarantined: int = 0
    embedded: int = 0
    findings: list[Mapping[str, Json]] = field(default_factory=list)
    read: list[Record] = field(default_factory=list)
    """What was stored or found unchanged; the texts are left out."""


class Batches:
    """Takes batches to an index. `digest` stands for everything but the document itself."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder | None,
        rules: Rules,
        chunker: Chunker,
        extractor: Extractor | None = None,
        *,
        run: str,
        digest: str,
        text_first: bool,
    ) -> None:
        self.done = Done()
        self._index, self._embedder = index, embedder
        self._rules, self._chunker, self._extractor = rules, chunker, extractor
        self._run, self._digest, self._text_first = run, digest, text_first
        self._now = datetime.now(UTC)
        self._examination = Examination(rules)
        self._duplicates = Duplicates(index, rules.guard.near_duplicate, rules.ttl_days)
        self._count = embedder.count_tokens if embedder else estimate_tokens
        self._held = {each.document_id: each for each in index.quarantine()}

    def store(self, batch: Batch, *, released: Collection[str] = ()) -> list[Reject]:
        """Stores what is new or changed; what was kept out comes back. `released` are gates that
        a person overruled."""
        rejects: list[Reject] = []
        changed = self._changed(batch.records)
        examined: list[tuple[Record, str, Passed]] = []
        held: list[Quarantined] = []
        for record, digest in changed:
            before = self._held.get(record.id)
            if (
                before
                and before.digest == digest
                and "duplicate" not in before.gate
                and not released
            ):
                rejects.append(_reject(record, before.gate, before.reason))
                continue
            found = self._examination.examine(record, released=released)
            self.done.findings += found.findings
            if isinstance(found, Held):
                held.append(self._quarantined(record, digest, found.gate, found.reason))
                rejects.append(_reject(record, found.gate, found.reason))
            else:
                examined.append((record, digest, found))
        entries = []
        compared, doomed = self._compared(examined, released)
        for (record, digest, passed), keys, beaten in compared:
            if beaten:
                held.append(self._quarantined(record, digest, "duplicate", beaten))
                rejects.append(_reject(record, "duplicate", beaten))
            else:
                entries.append(self._entry(passed.record, digest, keys))
                self.done.expired += bool("" < record.valid_until <= stamp(self._now))
                self.done.read.append(replace(passed.record, text=""))
        if held:
            self._hold(held, released)
        self.done.quarantined += len(rejects)
        self._commit(entries)
        if doomed:  # after the winners are there
            self.done.tally += self._index.retire(doomed, run=self._run, reason="ingest")
        return rejects

    # --- what is to be stored --------------------------------------------------------------------

    def _changed(self, records: Sequence[Record]) -> list[tuple[Record, str]]:
        digests = [record.digest(self._digest) for record in records]
        stored = self._index.stored([record.id for record in records])
        changed = []
        for record, digest in zip(records, digests, strict=True):
            if stored.get(record.id) == digest:
                self.done.unchanged.append(record.id)
                self.done.read.append(replace(record, text=""))
                self.done.tally += Tally(unchanged=1)
            else:
                changed.append((record, digest))
        return changed

    def _compared(
        self, examined: Sequence[tuple[Record, str, Passed]], released: Collection[str]
    ) -> tuple[list[tuple[tuple[Record, str, Passed], Keys, str]], list[str]]:
        """Each with its keys, and why it is beaten by another document where it is; then the
        stored documents that are beaten."""
        policy = self._rules.guard.duplicates
        keyed = [(passed.record, self._duplicates.keys(passed.record)) for _, _, passed in examined]
        if policy == "off" or "duplicate" in released:
            return [(each, keys, "") for each, (_, keys) in zip(examined, keyed, strict=True)], []
        acting = policy == "block"
        duplicates = self._duplicates.of(keyed, acting=acting)
        beaten: dict[str, str] = {}
        for (record, _), duplicate in zip(keyed, duplicates, strict=True):
            if duplicate:
                self.done.findings.append(duplicate.finding(record, acted=acting))
            if duplicate and acting:
                loser, reason = _loser(record, duplicate)
                beaten[loser] = reason
        return [
            (each, keys, beaten.pop(record.id, ""))
            for each, (record, keys) in zip(examined, keyed, strict=True)
        ], list(beaten)

    def _entry(self, record: Record, digest: str, keys: Keys) -> Entry:
        place = Place(
            tenant=self._index.tenant,
            collection=self._index.name,
            document_id=record.id,
            version=record.version or digest[:12],
            chunker=self._chunker.identity,
        )
        cut = pieces(record, chunked(record, self._chunker, self._count), place)
        return Entry(
            record=record,
            digest=digest,
            content=keys.content,
            bands=keys.bands,
            pieces=cut,
            entities=self._entities(cut),
            run=self._run,
            chunker=self._chunker.identity,
        )

    def _entities(self, cut: Sequence[Piece]) -> tuple[tuple[str, ...], ...]:
        if self._extractor is None:
            return ()
        return tuple(tuple(self._extractor(piece.body)) for piece in cut)

    def _quarantined(self, record: Record, digest: str, gate: str, reason: str) -> Quarantined:
        return Quarantined(
            id=f"q{digest[:16]}",
            at=stamp(self._now),
            gate=gate,
            reason=reason,
            document_id=record.id,
            source=record.source,
            origin=record.origin,
            digest=digest,
            run=self._run,
            expires=record.valid_until,
            record=record,
        )

    def _hold(self, held: Sequence[Quarantined], released: Collection[str]) -> None:
        """Into quarantine, in place of what was there of the same documents.

        A document that was to be released keeps the gates that were overruled.
        """
        named = [replace(each, gate=",".join((*released, each.gate))) for each in held]
        self._index.hold(named)
        before = [self._held[each.document_id] for each in held if each.document_id in self._held]
        gone = {each.id for each in before} - {each.id for each in held}
        if gone:
            self._index.drop(gone)
        self._held.update((each.document_id, each) for each in named)

    # --- storing it ------------------------------------------------------------------------------

    def _commit(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        vectors = self._vectors(entries) if self._embedder and not self._text_first else {}
        identity = self._embedder.identity if self._embedder else ""
        self.done.tally += self._index.commit(entries, vectors, embedder=identity, run=self._run)
        self.done.stored += len(entries)

    def _vectors(self, entries: Sequence[Entry]) -> Vectors:
        """Of every piece: those that the index has, and the rest made now."""
        assert self._embedder is not None, "asked for with an embedder only"
        texts = {piece.embedded: piece.to_embed for entry in entries for piece in entry.pieces}
        known = dict(self._index.vectors(texts))
        missing = [key for key in texts if key not in known]
        if missing:
            rows = self._embedder.embed([texts[key] for key in missing])
            known.update(zip(missing, rows, strict=True))
            self.done.embedded += len(missing)
        return known


def _loser(record: Record, duplicate: Duplicate) -> tuple[str, str]:
    """The id of the one of two that is kept out, and why."""
    twin = duplicate.twin
    same = "the same" if duplicate.similarity == 1 else "nearly the same"
    if duplicate.wins:
        return twin.document_id, f"says {same} as {record.source!r}, which wins: {duplicate.why}"
    return record.id, f"says {same} as {twin.source!r}, which wins: {duplicate.why}"


def _reject(record: Record, gate: str, reason: str) -> Reject:
    place = record.place or record.source
    return Reject(source=place, reason=f"quarantined by {gate}: {reason}", origin=record.origin)
