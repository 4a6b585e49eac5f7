"""What the library says of a search, of a collection, and of what was read into one."""

from collections.abc import Mapping

from pydantic import Field
from pydantic.dataclasses import dataclass

from fairlead.schema import Hit, Json


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a store found: best first, with a calibrated confidence (0 to 1) that it answers."""

    hits: tuple[Hit, ...] = ()
    confidence: float = 0.0
    timings: Mapping[str, float] = Field(default_factory=dict)
    """Milliseconds by stage."""
    index_version: str = ""
    warnings: tuple[str, ...] = ()
    stale_seconds: float | None = None
    """How old the result is that was shown because the store is away; None where it is fresh."""


@dataclass(frozen=True, kw_only=True)
class CollectionInfo:
    """What a planner or an operator needs to know of a collection."""

    name: str
    tenant: str
    documents: int = 0
    chunks: int = 0
    vectors: int = 0
    index_version: str = ""
    embedder: str = ""
    chunker: str = ""
    quarantined: int = 0
    store: str = "embedded"


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """The fields of `fairlead.ingest/1`."""

    documents: Mapping[str, int]
    chunks: Mapping[str, int]
    vectors: Mapping[str, int]
    rejects: tuple[Mapping[str, str], ...] = ()
    quarantined: int = 0
    """Those of the rejected documents that a gate kept out, and that a person can release."""
    findings: tuple[Mapping[str, Json], ...] = ()
    index_version: str = ""
    warnings: tuple[str, ...] = ()
