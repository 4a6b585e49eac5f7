"""One ingest: read, examine, cut, store, prune, embed. Runs in a thread; blocks."""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fairlead.errors import FairleadError, InputError
from fairlead.protocols import Embedder
from fairlead.reports import IngestReport
from fairlead.retrieval.batch import Batch, Batches
from fairlead.retrieval.chunkers import Chunker
from fairlead.retrieval.entities import Extractor
from fairlead.retrieval.gates import Rules
from fairlead.retrieval.given import ENDINGS, Entry
from fairlead.retrieval.rebuild import rebuilt
from fairlead.retrieval.records import Earlier, Record, Reject, Unchanged, Validators
from fairlead.retrieval.sources import Source, Sources
from fairlead.retrieval.store import Index, Store, other_embedder
from fairlead.retrieval.stored import AuditRow, Origin, Spec
from fairlead.retrieval.times import stamp, until
from fairlead.retrieval.vectors import Progress, embed_pending

_SHOWN = 1000
"""Rejects and findings in a report."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the caller asked for, and what the collection's settings say."""

    given: Sequence[Source]
    chunker: Chunker
    rules: Rules = field(default_factory=Rules)
    as_name: str | None = None
    prune: bool = False
    text_only: bool = False
    expires: str = ""
    allow_hosts: Sequence[str] = ()
    extractor: Extractor | None = None
    renews: bool = False
    """Whether being seen again at its source keeps a document from its collection's expiry."""
    actor: str = "local"

    @property
    def digest(self) -> str:
        """Of everything but the sources that decides how a document is stored."""
        linked = getattr(self.extractor, "__qualname__", "") if self.extractor else ""
        said = "\n".join((self.chunker.identity, self.rules.digest, self.expires, linked))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(kw_only=True)
class _Met:
    """What was come across in the sources."""

    ids: dict[str, str] = field(default_factory=dict)
    """Document id → where it stood."""
    spoilt: set[str] = field(default_factory=set)
    """Origins of which something was not stored: they are read again next time."""
    unchanged: list[str] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict)
    """Origins with several documents → hash of the file."""


class Ingest:
    """Takes one order to an index. `stopped` is asked between batches."""

    def __init__(
        self,
        store: Store,
        index: Index,
        embedder: Embedder | None,
        order: Order,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        self._store, self._index, self._embedder = store, index, embedder
        self._order, self._progress, self._stopped = order, progress, stopped
        self._run = uuid.uuid4().hex
        self._met = _Met()
        self._warnings: list[str] = []
        self._origins = index.origins()
        self._sources = Sources(
            order.given,
            index.name,
            order.as_name,
            code=order.chunker.identity.startswith("code"),
            allow_hosts=order.allow_hosts,
            earlier=self._earlier,
        )
        self._rejects = self._sources.rejects()
        self._batches = Batches(
            index,
            embedder if not order.text_only else None,
            order.rules,
            order.chunker,
            order.extractor,
            run=self._run,
            digest=order.digest,
            text_first=store.capabilities.text_first,
        )

    def run(self) -> IngestReport:
        """Raises `InputError` when no document was good, `SettingsError` where the index was
        embedded by another embedder; nothing visible is changed then."""
        self._same_kind()
        try:
            self._read()
        finally:
            self._sources.close()
        done = self._batches.done
        if not (done.stored or self._met.unchanged or done.tally.unchanged):
            raise self._nothing()
        if self._order.prune and not self._stopped():
            self._prune()
        embedded = self._embed()
        return self._report(embedded)

    # --- reading ---------------------------------------------------------------------------------

    def _read(self) -> None:
        batch = Batch()
        entries = self._sources.entries
        for at, entry in enumerate(entries):
            self._progress("text", at, len(entries))
            for found in self._documents(entry):
                if self._stopped():
                    return
                if isinstance(found, Reject):
                    self._rejects.append(found)
                    self._met.spoilt.add(found.origin)
                elif isinstance(found, Unchanged):
                    self._met.ids[found.id] = found.source
                    self._met.unchanged.append(found.id)
                elif self._first(found):
                    batch.add(self._dated(found))
                if batch.full:
                    self._store_batch(batch)
                    batch = Batch()
        self._store_batch(batch)
        self._remember()
        self._progress("text", len(entries), len(entries))

    def _documents(self, entry: Entry) -> Iterator[Record | Reject | Unchanged]:
        """What is in an entry; a file of several documents that is as it was is not parsed."""
        if entry.path is None or entry.path.suffix.lower() not in (".json", ".jsonl"):
            yield from self._sources.read(entry)
            return
        try:
            with entry.path.open("rb") as file:
                digest = f"{self._order.digest}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except OSError:
            yield from self._sources.read(entry)
            return
        held = self._origins.get(entry.source)
        if held and held.digest == digest:
            for id_, origin in self._index.below([entry.source]).items():
                yield Unchanged(id=id_, source=origin, origin=origin)
            return
        self._met.whole[entry.source] = digest
        yield from self._sources.read(entry)

    def _earlier(self, source: str) -> Earlier | None:
        held = self._origins.get(source)
        if held is None or not held.digest.startswith(f"{self._order.digest}:"):
            return None
        validators = None
        if held.etag or held.last_modified:
            validators = Validators(url=source, etag=held.etag, last_modified=held.last_modified)
        return Earlier(fingerprint=held.digest.partition(":")[2], validators=validators)

    def _first(self, record: Record) -> bool:
        """Whether this run has not seen the id before; a second one is rejected."""
        place = record.place or record.source
        before = self._met.ids.get(record.id)
        if before is None:
            self._met.ids[record.id] = place
            return True
        reason = f"the id {record.id!r} was given before, by {before!r}"
        self._rejects.append(Reject(source=place, reason=reason, origin=record.origin))
        self._met.spoilt.add(record.origin)
        return False

    def _dated(self, record: Record) -> Record:
        """With the earlier of its own end and the order's."""
        ends = [each for each in (until(record.valid_until or None), self._order.expires) if each]
        return replace(record, valid_until=min(ends)) if ends else record

    # --- storing ---------------------------------------------------------------------------------

    def _same_kind(self) -> None:
        """Refuses another embedder; with another chunker all is cut anew, beside what is there."""
        spec, wanted = self._index.spec(), self._order.chunker.identity
        if spec.embedder and self._embedder and spec.embedder != self._embedder.identity:
            raise other_embedder(made_by=spec.embedder, configured=self._embedder.identity)
        if spec.chunker in ("", wanted):
            return
        self._progress("rebuild", 0, 1)
        count = rebuilt(
            self._index,
            Spec(chunker=wanted, embedder=spec.embedder),
            self._order.chunker,
            self._embedder if spec.embedder else None,
            self._order.extractor,
            self._progress,
        )
        self._warnings.append(
            f"the chunker was {spec.chunker!r}: {count} documents were cut anew with {wanted!r}"
        )

    def _store_batch(self, batch: Batch) -> None:
        for reject in self._batches.store(batch):
            self._rejects.append(reject)
            self._met.spoilt.add(reject.origin)

    def _remember(self) -> None:
        """Notes what was read whole, so that it is not parsed again while it stays the same."""
        origins = [
            Origin(
                source=record.source,
                digest=f"{self._order.digest}:{record.fingerprint}",
                documents=1,
                etag=record.validators.etag if record.validators else "",
                last_modified=record.validators.last_modified if record.validators else "",
            )
            for record in self._batches.done.read
            if (record.fingerprint or record.validators) and record.source not in self._met.spoilt
        ]
        origins += [
            Origin(source=source, digest=digest, documents=0)
            for source, digest in self._met.whole.items()
            if source not in self._met.spoilt
        ]
        if origins:
            self._index.remember(origins)
        if self._order.renews:
            self._index.renew(
                [*self._met.unchanged, *self._batches.done.unchanged], stamp(datetime.now(UTC))
            )

    def _prune(self) -> None:
        spared = {each.origin for each in self._rejects}
        live = self._index.below(self._sources.roots)
        gone = [
            id_
            for id_, origin in live.items()
            if id_ not in self._met.ids and not _below(origin, spared)
        ]
        if gone:
            tally = self._index.retire(gone, run=self._run, reason="ingest")
            self._batches.done.tally += tally
        roots = tuple(self._sources.roots)
        vanished = [
            held.id
            for held in self._index.quarantine()
            if held.document_id not in self._met.ids
            and any(held.origin == root or held.origin.startswith(f"{root}/") for root in roots)
        ]
        if vanished:
            self._index.drop(vanished)

    def _embed(self) -> int:
        embedded = self._batches.done.embedded
        if self._order.text_only or self._embedder is None:
            return embedded
        try:
            more = embed_pending(self._index, self._embedder, self._progress, self._stopped)
        except FairleadError as error:
            hint = f" {error.hint}" if error.hint else ""
            self._warnings.append(
                f"the texts are stored and searchable, but not all have vectors: {error.message}."
                f"{hint}"
            )
            return embedded
        return embedded + more

    # --- reporting -------------------------------------------------------------------------------

    def _report(self, embedded: int) -> IngestReport:
        done = self._batches.done
        tally = done.tally
        if done.expired:
            self._warnings.append(f"{done.expired} documents were past their time when they came")
        facts = self._index.information()
        chunks, vectors = (facts.chunks, facts.vectors) if facts else (0, 0)
        documents = {
            "added": tally.added,
            "changed": tally.changed,
            "unchanged": tally.unchanged + len(self._met.unchanged),
            "deleted": tally.deleted,
            "rejected": len(self._rejects),
        }
        if tally.added or tally.changed or tally.deleted:
            self._note(documents)
        return IngestReport(
            documents=documents,
            chunks={
                "added": tally.chunks_added,
                "kept": max(0, chunks - tally.chunks_added),
                "removed": tally.chunks_removed,
            },
            vectors={
                "added": embedded,
                "kept": max(0, vectors - embedded),
                "pending": chunks - vectors,
            },
            rejects=tuple(
                {"source": each.source, "reason": each.reason} for each in self._rejects[:_SHOWN]
            ),
            quarantined=done.quarantined,
            findings=tuple(done.findings[:_SHOWN]),
            index_version=facts.index_version if facts else "",
            warnings=(*self._sources.warnings(), *self._warnings),
        )

    def _note(self, documents: Mapping[str, int]) -> None:
        given = [str(getattr(each, "source", each)) for each in self._order.given[:8]]
        self._index.note(
            AuditRow(
                at=stamp(datetime.now(UTC)),
                actor=self._order.actor,
                action="ingest",
                target=", ".join(given)[:400],
                detail={**documents, "run": self._run},
            )
        )

    def _nothing(self) -> InputError:
        reasons = "; ".join(f"{each.source!r}: {each.reason}" for each in self._rejects[:3])
        more = f"; and {len(self._rejects) - 3} more" if len(self._rejects) > 3 else ""
        if self._batches.done.quarantined:
            hint = "`fairlead quarantine ls` lists what was kept out, with `release` and `drop`."
        else:
            hint = f"Give files ({' '.join(ENDINGS)}), folders that hold some, or web addresses."
        return InputError(
            f"no document could be stored: {reasons or 'nothing was given'}{more}", hint=hint
        )


def _below(origin: str, places: set[str]) -> bool:
    parts = origin.split("/")
    return any("/".join(parts[:n]) in places for n in range(1, len(parts) + 1))
