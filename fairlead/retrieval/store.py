"""What a store must do, and the values that cross its border.

A `Store` keeps collections. An `Index` is one tenant's collection in it: it is written in whole
documents, and every change belongs to an index version. A `Snapshot` is what one reader may see of
an index at one moment; there is no reading past it. The query pipeline knows these and no store.

Reading is asynchronous. Writing and what an ingest asks blocks, and is called in worker threads.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from fairlead.errors import SettingsError
from fairlead.reports import CollectionInfo
from fairlead.retrieval.stored import (
    Archived,
    AuditRow,
    Candidate,
    Entry,
    Integrity,
    Origin,
    Pending,
    Quarantined,
    Ref,
    Scope,
    Scores,
    Spec,
    StoredDocument,
    Tally,
    Twin,
    Vectors,
    Version,
)

if TYPE_CHECKING:  # numpy costs 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What differs between stores; a test compares each entry with what the store does."""

    exact_dense: bool
    """Vectors are compared exactly, not by an approximate index."""
    visible_statistics: bool
    """Word statistics cover only what the reader may see."""
    transactions: bool
    """A batch of documents is stored whole or not at all; else it is only *visible* so."""
    text_first: bool
    """Documents are found by their words before they have vectors."""
    server_side_expiry: bool
    """The server itself deletes what has expired; else only a sweep does."""
    rebuild_scope: Literal["tenant", "collection"]
    """Whom a change of embedder concerns: one tenant's index, or the collection of all tenants."""
    writers: Literal["processes", "machine"]
    """Where writers of one index exclude each other: everywhere, or on one machine."""


class Snapshot(Protocol):
    """What one reader may see of one index at one moment."""

    @property
    def version(self) -> str:
        """The index version, empty before the first."""
        ...

    @property
    def state(self) -> str:
        """Another one after every change of the index, vectors included."""
        ...

    @property
    def spec(self) -> Spec: ...

    @property
    def facts(self) -> Mapping[str, str]:
        """What was learned of the index and stored with it."""
        ...

    @property
    def chunks(self) -> int:
        """Chunks that may be found."""
        ...

    @property
    def vectors(self) -> int:
        """How many of them have a vector."""
        ...

    def narrowed(self, documents: Collection[Ref]) -> "Snapshot":
        """The same, finding passages of these document versions only (`Candidate.document`).

        Statistics, counts and scores stay those of the whole. To be used within this one's time.
        """
        ...

    async def sparse(self, terms: Sequence[str], n: int) -> Scores:
        """The `n` best chunks by BM25 (k1 1.2, b .75; titles weigh three times), higher is better.

        `terms` are words as `analysis.query_terms` gives them; one given twice counts twice.
        """
        ...

    async def dense(self, vector: "NDArray[float32]", n: int) -> Scores:
        """The `n` nearest chunks by cosine."""
        ...

    async def frequencies(self, stems: Sequence[str]) -> Mapping[str, int]:
        """How many chunks hold each stem; absent where none does."""
        ...

    async def similar_stems(self, stem: str, edits: int) -> Mapping[str, int]:
        """Stems within so many edits that begin alike, with how many chunks hold each."""
        ...

    async def vectors_of(self, refs: Sequence[Ref]) -> "NDArray[float32]":
        """Shape (len(refs), dimension); rows of zeros where a chunk has none."""
        ...

    async def candidates(self, refs: Sequence[Ref]) -> Mapping[Ref, Candidate]:
        """The chunks themselves."""
        ...

    async def sample(self, n: int) -> Sequence[Ref]:
        """Some chunks, the same ones each time."""
        ...

    async def linked(self, entities: Sequence[str], n: int) -> Mapping[Ref, Sequence[str]]:
        """Chunks that hold the entities, at most `n` for each, with those that each holds."""
        ...

    async def entities_of(self, refs: Sequence[Ref]) -> Mapping[Ref, Sequence[str]]: ...


class Index(Protocol):
    """One tenant's collection. All but `snapshot` blocks."""

    tenant: str
    name: str
    system: str
    """The database, as OpenTelemetry names it."""

    # --- reading

    def snapshot(self, scope: Scope) -> AbstractAsyncContextManager[Snapshot]:
        """Raises `NotFound` for an index version that does not exist, `Unavailable`."""
        ...

    def information(self) -> CollectionInfo | None:
        """None before anything was written."""
        ...

    def spec(self) -> Spec: ...

    def document(self, document_id: str, version: str | None = None) -> StoredDocument | None:
        """One version, or without `version` the live one, else the newest."""
        ...

    def versions(self) -> Sequence[Version]:
        """Oldest first."""
        ...

    def named(self, name: str) -> bool:
        """Whether a document that is not erased has this id or source."""
        ...

    def learned(self) -> Mapping[str, str]:
        """What `learn` stored."""
        ...

    def verified(self) -> "Integrity":
        """Reads everything."""
        ...

    # --- what an ingest asks

    def stored(self, ids: Collection[str]) -> Mapping[str, str]:
        """Digests of the live documents among `ids`."""
        ...

    def origins(self) -> Mapping[str, Origin]: ...

    def below(self, roots: Sequence[str]) -> Mapping[str, str]:
        """Live documents whose origin is one of the roots or below it: id to origin."""
        ...

    def twins(self, contents: Collection[bytes]) -> Mapping[bytes, Sequence[Twin]]:
        """Live documents with these contents."""
        ...

    def neighbours(self, bands: Collection[int]) -> Sequence[Twin]:
        """Live documents that share one of the bands."""
        ...

    def pending(self, embedder: str) -> Sequence[Pending]:
        """Texts of live chunks without a vector, shortest first; their `text` is left empty."""
        ...

    def pending_texts(self, keys: Sequence[bytes]) -> Mapping[bytes, str]: ...

    # --- changing it

    def commit(
        self, entries: Sequence[Entry], vectors: Vectors, *, embedder: str, run: str
    ) -> Tally:
        """Stores documents in place of what their ids have now: visible all at once.

        What is quarantined under their ids is dropped. Raises `SettingsError` where the index was
        embedded by another embedder, `Unavailable`.
        """
        ...

    def embed(self, vectors: Vectors, *, embedder: str) -> None:
        """Stores vectors of texts that are pending."""
        ...

    def retire(self, ids: Collection[str], *, run: str, reason: str) -> Tally:
        """Makes documents not live; what they said stays readable for old citations."""
        ...

    def remember(self, origins: Collection[Origin], forgotten: Collection[str] = ()) -> None: ...

    def learn(self, facts: Mapping[str, str]) -> None:
        """Stores what was measured of the index, for `Snapshot.facts`."""
        ...

    def renew(self, ids: Collection[str], at: str) -> None:
        """Notes that the documents were seen unchanged at their source."""
        ...

    def erase(self, names: Collection[str], *, why: str, run: str) -> Tally:
        """Leaves only tombstones of documents, by id or else by source; skips unknown names."""
        ...

    def expire(self, now: datetime, max_age_days: float | None, *, run: str) -> Tally:
        """Erases what is past its time, quarantined documents too."""
        ...

    def rollback(self, version: str, *, run: str) -> tuple[Tally, int]:
        """A new version with an old one's documents; also how many of those were erased since.

        Raises `NotFound` for a version that does not exist.
        """
        ...

    def settle(self) -> None:
        """After an ingest: whatever makes the next readers faster."""
        ...

    # --- quarantine and audit

    def hold(self, held: Sequence[Quarantined]) -> None:
        """Puts documents into quarantine, each in place of what its id had there."""
        ...

    def quarantine(self) -> Sequence[Quarantined]:
        """Oldest first, without the documents' texts."""
        ...

    def quarantined(self, id_: str) -> Quarantined | None: ...

    def drop(self, ids: Collection[str]) -> int:
        """How many were there."""
        ...

    def note(self, row: AuditRow) -> None:
        """Writes a line of the audit log."""
        ...

    def audit(self, limit: int) -> Sequence[AuditRow]:
        """Newest first."""
        ...

    # --- another way of cutting or embedding, beside the present one

    def begin_build(self, spec: Spec) -> None:
        """Goes on with a build of that kind if one was begun."""
        ...

    def unbuilt(self, limit: int) -> Sequence[Archived]:
        """Document versions that the build does not have yet, live ones first."""
        ...

    def build(self, entries: Sequence[tuple[Ref, Entry]], vectors: Vectors) -> None: ...

    def build_pending(self) -> Sequence[Pending]:
        """As `pending`, of the build."""
        ...

    def swap(self) -> bool:
        """Puts the build in the present one's place; False while documents are missing from it."""
        ...

    # --- moving it

    def archive(self) -> Iterator[Archived]:
        """Every document version, in the order they came."""
        ...

    def vectors(self, keys: Collection[bytes]) -> Vectors:
        """Stored vectors by the hash of their text; those that are missing are absent."""
        ...

    def restore(
        self, versions: Sequence[Version], documents: Iterator[Archived], spec: Spec
    ) -> None:
        """Fills an index that is empty. Raises `InputError` where it is not."""
        ...


class Store(Protocol):
    """Where collections are kept."""

    name: str
    capabilities: Capabilities

    def index(self, tenant: str, collection: str) -> Index:
        """A handle; nothing is opened or made."""
        ...

    async def collections(self, tenant: str) -> Sequence[str]:
        """Names of a tenant's collections, sorted. Every run asks: it counts nothing."""
        ...

    def specs(self) -> Iterator[tuple[str, str, Spec]]:
        """Tenant, collection and spec of everything stored. Blocks."""
        ...

    async def close(self) -> None: ...


def other_embedder(*, made_by: str, configured: str) -> SettingsError:
    """The refusal to compare vectors of two embedders."""
    return SettingsError(
        f"the index was embedded by {made_by!r}, and retrieval.embedder is {configured!r}",
        hint="Run `fairlead index rebuild`, or set retrieval.embedder back.",
    )
