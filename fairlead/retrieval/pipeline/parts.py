"""What a search is made with, and what is asked."""

from dataclasses import dataclass, field

from fairlead.protocols import Embedder, Reranker
from fairlead.retrieval.pipeline.boosts import Boosts
from fairlead.retrieval.pipeline.question import Question
from fairlead.schema import SearchMode
from fairlead.sections import Stages
from fairlead.tracing import Tracing


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a pipeline works with."""

    embedder: Embedder | None
    tracing: Tracing
    stages: Stages = field(default_factory=Stages)
    boosts: Boosts = field(default_factory=Boosts)
    reranker: Reranker | None = None
    linked: bool = False
    """Whether the collection links passages by the entities in them."""
    advice: str = ""
    """A warning given where vectors are wanted but there is no embedder."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is searched for."""

    question: Question
    k: int
    mode: SearchMode
    tokens: int | None = None
    """The budget of `pack`."""
