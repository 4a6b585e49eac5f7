"""What a model, planner, answerer, embedder, searcher and tool catalog must do; no code."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import Field
from pydantic.dataclasses import dataclass

from fairlead.decisions import AnyDecision, View
from fairlead.reports import CollectionInfo, SearchResult
from fairlead.schema import (
    Draft,
    Json,
    Principal,
    Route,
    SearchMode,
    ToolCall,
    ToolOutput,
    ToolSpec,
    Usage,
)

if TYPE_CHECKING:  # numpy costs 60 ms to import and is needed here for one annotation
    from numpy import float32
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a model request."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a model is asked.

    At most one of `output_schema` (JSON of that JSON Schema), `choice`, `regex` and `grammar` says
    what form the text must have.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "required", "none"] = "auto"
    output_schema: Mapping[str, Any] | None = None
    choice: tuple[str, ...] = ()
    """The text is one of these."""
    regex: str = ""
    """The whole text matches it (RE2 syntax)."""
    grammar: str = ""
    """EBNF as the server reads it, which alone keeps it: output is only checked for being whole."""
    probabilities: bool = False
    """How likely each of `choice` is is wanted: a server with `/v1/decisions` is asked there."""
    logprobs: int | None = None
    """How many alternatives of each token are told with their log probabilities, 0 to 20."""
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    deadline: float | None = None
    """Seconds left."""
    tenant: str = ""
    """Whose request it is: a server's cache of prompts is not shared between tenants."""
    thread: str = ""
    """Requests of one thread go to one server where several serve the model, and to one version of
    an adapter."""
    subject: str = ""
    """Who asks; stands in for the thread where there is none."""
    answer: str = ""
    """The id of the answer that it is to write, by which feedback on it comes."""
    view: View | None = None
    """What it is about, by which a route chooses a model; no model is sent it."""
    extra: Mapping[str, Json] = Field(default_factory=dict)
    """Further fields of the request, as the server names them."""


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """One token of the text and its log probability; `top` are the likeliest in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a model returned."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    finish_reason: str = "stop"
    model: str = ""
    reasoning: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    probabilities: Mapping[str, float] = Field(default_factory=dict)
    """Of each choice, where they were wanted and the server has `/v1/decisions`; 1 in all."""
    route: Route | None = None
    """Which model and adapter wrote it, where a route chose."""
    warnings: tuple[str, ...] = ()
    """What the server could not do, and which model had to stand in for which."""


@dataclass(frozen=True, kw_only=True)
class ToolFragment:
    """A piece of a tool call that is being streamed: the call's place, and what is new of it."""

    index: int
    call_id: str = ""
    tool: str = ""
    arguments: str = ""
    """JSON text; complete only once all pieces are joined."""


@dataclass(frozen=True, kw_only=True)
class Delta:
    """A piece of a streamed completion; the last one carries `completion`."""

    text: str = ""
    reasoning: str = ""
    tool: ToolFragment | None = None
    completion: Completion | None = None


class Model(Protocol):
    """A chat model."""

    @property
    def name(self) -> str: ...

    async def complete(self, request: Request) -> Completion: ...

    def stream(self, request: Request) -> AsyncIterator[Delta]: ...


class Verdicts(Protocol):
    """Is told what the verifier found in a model's answer."""

    def verified(self, answer: str, *, tenant: str, unverified: bool) -> None:
        """`answer` is the run's id. Never blocks, never raises."""
        ...


class Planner(Protocol):
    """Chooses the next hop. May return a mapping of a decision's fields instead of the decision."""

    async def plan(self, view: View) -> AnyDecision: ...


class Answerer(Protocol):
    """Writes the answer from guarded values only."""

    async def answer(self, view: View) -> Draft: ...


class Embedder(Protocol):
    """Texts to unit vectors."""

    @property
    def identity(self) -> str:
        """All that decides whether two vectors compare; those of two identities never do.

        Name, revision, dimension, and the prefixes if there are any. May ask a server for the
        dimension, the first time, and raise as `embed` does.
        """
        ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str], *, query: bool = False) -> "NDArray[float32]":
        """Shape (len(texts), dimension), float32, rows of length 1. Blocks: call in a thread.

        `query`: the texts are questions, which some models want to be told apart from documents.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the text has, at least about."""
        ...


@runtime_checkable
class Metered(Protocol):
    """An embedder that is told what its calls cost."""

    @property
    def last_tokens(self) -> int:
        """Tokens of the calling thread's last `embed`; 0 where nobody counted them."""
        ...


@runtime_checkable
class Vocabulary(Protocol):
    """An embedder that can also tell real words from misspelt ones."""

    def knows(self, word: str) -> bool: ...


class Reranker(Protocol):
    """A cross-encoder: reads question and text together, and rates how well the one answers it."""

    @property
    def name(self) -> str: ...

    @property
    def depth(self) -> int:
        """How many of the best candidates are worth its time."""
        ...

    async def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """From 0 (has nothing to do with it) to 1 (answers it), one for each text in order."""
        ...


class Searcher(Protocol):
    """Finds stored text for one tenant; never crosses it."""

    async def search(
        self,
        query: str,
        *,
        principal: Principal,
        collection: str = "default",
        k: int = 8,
        mode: SearchMode = "hybrid",
        filters: Mapping[str, Json] | None = None,
        as_of: datetime | str | None = None,
        tokens: int | None = None,
    ) -> SearchResult:
        """`tokens` is a budget for all passages together, within which neighbours are joined."""
        ...

    async def collections(self, tenant: str) -> tuple[CollectionInfo, ...]: ...

    async def text(
        self, *, tenant: str, collection: str, document_id: str, version: str, start: int, end: int
    ) -> str | None:
        """The stored text's code points `start` to `end`, verbatim; None where it is gone."""
        ...


@runtime_checkable
class Listing(Protocol):
    """A searcher that knows the names of a tenant's collections without counting what they hold."""

    async def collection_names(self, tenant: str) -> tuple[str, ...]: ...


class ToolCatalog(Protocol):
    """A set of tools that can be listed and called."""

    def specs(self) -> Sequence[ToolSpec]: ...

    async def call(
        self,
        call: ToolCall,
        principal: Principal,
        *,
        seconds: float,
        run_id: str = "",
        hop: int = 0,
    ) -> ToolOutput:
        """Runs one call. A failing tool is an output with `error`, not an exception.

        `run_id` and `hop` name the place in a run, so that a call with an effect is never made
        twice when the run is resumed.
        """
        ...
