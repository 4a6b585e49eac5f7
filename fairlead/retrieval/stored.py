"""The values that cross a store's border: what is written to an index, and what is read of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from fairlead.retrieval.filters import Filter
from fairlead.retrieval.pieces import Piece
from fairlead.retrieval.records import Record
from fairlead.schema import Hit, Json, Principal

if TYPE_CHECKING:  # numpy costs 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

Ref: TypeAlias = int | str
"""A chunk as one store names it."""
Scores: TypeAlias = Mapping[Ref, float]
Vectors: TypeAlias = "Mapping[bytes, NDArray[float32]]"
"""Unit vectors by the hash of the text they stand for."""


# --- what is written -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One document version to be stored."""

    record: Record
    digest: str
    """Of everything that is stored: an equal one is unchanged."""
    content: bytes
    bands: tuple[int, ...] = ()
    """Keys that near duplicates share."""
    pieces: tuple[Piece, ...] = ()
    entities: tuple[tuple[str, ...], ...] = ()
    """Of each piece, where the collection links them."""
    run: str = ""
    chunker: str = ""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What one change came to: documents and chunks by what happened to them."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    chunks_added: int = 0
    chunks_removed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What is remembered of a source as it was last read whole."""

    source: str
    digest: str
    documents: int
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A live document that says the same, or nearly the same, as another one."""

    document_id: str
    source: str
    published_at: str
    text: str
    acl: tuple[str, ...] = ()
    valid_until: str = ""
    seen_at: str = ""
    """When it was last seen at its source; empty for one that is being read."""


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """A document that a gate kept out."""

    id: str
    at: str
    gate: str
    """Several, with commas, where it was released from the first and the next one kept it out."""
    reason: str
    document_id: str
    source: str
    origin: str
    digest: str
    run: str
    expires: str = ""
    record: Record | None = None
    """Left out of listings."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """How an index is cut and embedded; `embedder` is empty while it has no vectors."""

    chunker: str = ""
    embedder: str = ""


# --- what is read --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Who reads what, as of when: nothing outside it is found, counted or used in statistics."""

    principal: Principal
    now: datetime
    filters: tuple[Filter, ...] = ()
    as_of: datetime | str | None = None
    max_age_days: float | None = None
    """How long after it was last seen at its source a document is still live."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One state of an index."""

    version: str
    at: str
    documents: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class StoredDocument:
    """A document version as it is stored. An erased one is a tombstone: `erased_at`, `why`, ids."""

    id: str
    version: str
    source: str
    status: Literal["live", "superseded", "erased"]
    title: str = ""
    text: str = ""
    url: str = ""
    published_at: str = ""
    fetched_at: str = ""
    valid_until: str = ""
    language: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    acl: tuple[str, ...] = ()
    run: str = ""
    added_in: str = ""
    removed_in: str = ""
    erased_at: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """Who did what to an index."""

    at: str
    actor: str
    action: str
    target: str
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Archived:
    """One document version with all that is kept of it, to be moved or cut anew."""

    entry: Entry
    version: str
    added_in: int
    removed_in: int | None = None
    seen_at: str = ""
    erased: tuple[str, str] | None = None
    """When and why; the text is empty then."""
    key: Ref = 0
    """How the store names the version."""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A text that has no vector yet, and how many chunks wait for it."""

    key: bytes
    text: str
    chunks: int = 1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A chunk that a search considers; `hit` is what would be returned of it, score and rank 0."""

    hit: Hit
    body: str
    """The searched slice; `hit.text` is what is read, which may be more."""
    title: str
    """Document title and heading path."""
    read: tuple[Ref, int, int]
    """Document version and span that are read: equal for children of one parent."""
    digest: bytes

    @property
    def document(self) -> Ref:
        """Its document version, as the store numbers it."""
        return self.read[0]


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """The counts of a collection, and in words what is wrong with it."""

    documents: int = 0
    chunks: int = 0
    vectors: int = 0
    index_version: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is not wrong but worth knowing, such as an interrupted change that was not published."""

    @property
    def ok(self) -> bool:
        return not self.problems
