"""Values that cross borders: frozen, keyword-only, without I/O.

Pydantic's dataclasses, not the standard ones: a LangGraph checkpoint returns tuples as lists, and
pydantic restores them, so a value read back equals the value that was saved. Text from outside is
a `Hit` or a `ToolOutput`; only the guardrails turn it into a `Passage` or a `ToolResult`, and only
those may enter a prompt.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, SerializeAsAny, StringConstraints
from pydantic.dataclasses import dataclass

Json: TypeAlias = SerializeAsAny[JsonValue]
"""Any JSON. Serialised by what its values are: `JsonValue` alone calls Python for each of them."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""A tenant's or collection's name."""
Effect = Literal["read", "egress", "write", "send", "destroy", "execute", "admin"]
Integrity = Literal["system", "user", "first_party", "endorsed", "untrusted"]
Confidentiality = Literal["public", "tenant", "readers", "secret"]
Status = Literal["answered", "asking", "abstained", "waiting", "partial", "refused"]
SearchMode = Literal["hybrid", "dense", "sparse"]
Personal = Literal["email", "card", "iban", "ip", "ssn", "phone", "url"]
"""Kinds of personal data that can be told by their form."""

QUESTION_LIMIT = 32_000
"""Characters of a question; longer ones are refused, never cut."""


# --- who asks ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who is asking: everything read or written belongs to `tenant`."""

    tenant: Name
    subject: str = "local"
    roles: frozenset[str] = frozenset({"ask"})
    groups: tuple[str, ...] = ()
    """Reader groups for documents with an `acl`; the subject itself is always one."""


# --- labels and findings -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Label:
    """How far a value may be trusted and how far it may travel."""

    integrity: Integrity = "untrusted"
    confidentiality: Confidentiality = "tenant"
    readers: tuple[str, ...] = ()
    form: str = "text"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a guard or a loader noticed.

    `start` and `end` are code points of the text before the guard; both are 0 for what concerns a
    whole document, or stands in no text because it was left out. `detail` of `pii` and `secret`
    names the entity, never the value.
    """

    kind: Literal[
        "hidden_text",
        "control_token",
        "instruction_like",
        "truncated",
        "reduced_assurance",
        "repaired",
        "pii",
        "secret",
    ]
    start: int
    end: int
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a guard or the policy decided, and why."""

    action: Literal["allow", "transform", "approve", "block"]
    reason: str = ""
    findings: tuple[Finding, ...] = ()


# --- knowledge -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document to ingest. `id` and `source` are derived where they are empty."""

    text: str
    id: str = ""
    title: str = ""
    source: str = ""
    url: str = ""
    published_at: datetime | None = None
    valid_until: datetime | None = None
    """From then on it is gone."""
    version: str = ""
    language: str = ""
    metadata: Mapping[str, Json] = Field(default_factory=dict)
    acl: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a piece of a document comes from and how it was stored; times are RFC 3339 in UTC."""

    url: str = ""
    content_hash: str = ""
    """Of the document's whole text but for white space and case."""
    fetched_at: str = ""
    valid_until: str = ""
    """When it ends: by itself, or since its collection keeps nothing so long. Empty for never."""
    readers: tuple[str, ...] = ()
    """Who may read it; empty for everybody in the tenant."""
    language: str = ""
    chunker: str = ""
    embedder: str = ""
    run_id: str = ""
    """The ingest run that stored it."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A piece of a stored document as the store returned it: untrusted."""

    passage_id: str
    document_id: str
    version: str
    source: str
    title: str
    text: str
    score: float
    rank: int
    start: int
    end: int
    """`text` is exactly the stored document's code points `start` to `end`."""
    tenant: str
    collection: str
    metadata: Mapping[str, Json] = Field(default_factory=dict)
    headings: tuple[str, ...] = ()
    published_at: datetime | None = None
    lead: str = ""
    """What the piece carries from before it, such as its table's header row; not part of `text`."""
    provenance: Provenance = Provenance()


@dataclass(frozen=True, kw_only=True)
class Passage(Hit):
    """A `Hit` that the guard admitted: what a prompt, an answer or a caller may use.

    `text` may differ from the stored text: hidden characters are taken out (their code points,
    counted from `start`, stand in `removed`), control tokens are overwritten in place.
    """

    label: Label = Label()
    findings: tuple[Finding, ...] = ()
    removed: tuple[int, ...] = ()

    def stored_span(self, start: int, end: int) -> tuple[int, int]:
        """The code points of the stored document that stand for `text[start:end]`."""
        return self.start + self._before(start), self.start + self._before(end - 1) + 1

    def _before(self, position: int) -> int:
        for gone in self.removed:
            if gone > position:
                break
            position += 1
        return position


# --- tools ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """What a planner and a policy may know of a tool."""

    name: str
    description: str
    effect: Effect
    authority: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    parameters: Mapping[str, Json] = Field(default_factory=dict)
    """JSON Schema of the arguments."""
    source: str = ""
    returns: Literal["untrusted", "first_party"] = "untrusted"


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One call that a planner asks for."""

    tool: str
    arguments: Mapping[str, Json] = Field(default_factory=dict)
    call_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ToolOutput:
    """What a tool returned: untrusted. `data` is the value, `text` its form for reading."""

    call_id: str
    tool: str
    arguments: Mapping[str, Json]
    text: str
    data: Json = None
    error: str = ""
    """Why the call failed, in words for the planner and the user; empty when it did not."""
    refused: bool = False
    """True when the policy refused the call; `error` says why."""
    ms: float = 0.0
    returns: Literal["untrusted", "first_party"] = "untrusted"
    replayed: bool = False
    """True when the journal answered instead of a second call."""


@dataclass(frozen=True, kw_only=True)
class ToolResult(ToolOutput):
    """A `ToolOutput` that the guard admitted."""

    label: Label = Label()
    findings: tuple[Finding, ...] = ()


# --- approvals -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One request for a person's decision, bound to one exact call."""

    id: str
    tool: str
    arguments: Mapping[str, Json]
    why: str
    run_id: str
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ApprovalDecision:
    """What the person decided. `arguments` replaces the call's arguments when `kind` is `edit`."""

    kind: Literal["approve", "reject", "edit"]
    arguments: Mapping[str, Json] | None = None
    message: str = ""
    actor: str = ""


# --- the answer ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Citation:
    """Where a stretch of the answer comes from; `quote` is verbatim."""

    kind: Literal["document", "tool"]
    start: int
    end: int
    quote: str
    passage_id: str = ""
    document_id: str = ""
    version: str = ""
    source: str = ""
    tool: str = ""
    call_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Which model wrote the answer."""

    model: str
    adapter: str = ""
    version: str = ""
    digest: str = ""
    reason: str = ""
    """Why this one was asked, where there was a choice."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a run consumed so far; `cost` in the unit of the configured prices, else 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    cost: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
            cost=self.cost + other.cost,
        )


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One turn of the loop, as the caller sees it; `ms` is wall-clock."""

    index: int
    kind: str
    reason: str
    detail: str = ""
    ms: float = 0.0
    span_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one run came to. `status` says how far it may be relied on."""

    status: Status
    text: str
    citations: tuple[Citation, ...] = ()
    approvals: tuple[Approval, ...] = ()
    hops: tuple[Hop, ...] = ()
    route: Route = Route(model="embedded")
    usage: Usage = Usage()
    warnings: tuple[str, ...] = ()
    missing: str = ""
    """What could not be reached and may have cost the answer; empty where nothing was."""
    prompts: Mapping[str, str] = Field(default_factory=dict)
    """Version of the prompt by role (`planner`, `answerer`), of the roles that asked a model."""
    run_id: str = ""
    thread_id: str = ""
    trace_id: str = ""
    lineage_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What an answerer wrote, before it is verified."""

    text: str
    citations: tuple[Citation, ...] = ()
    status: Status = "answered"
    route: Route = Route(model="embedded")
    usage: Usage = Usage()
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    prompt: str = ""
    """Version of the prompt that a model was given; empty where no model was asked."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """An earlier question of the thread and what came of it."""

    question: str
    answer: str
    status: Status
    sources: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened in a run, live."""

    kind: Literal["hop_started", "hop_finished", "token", "citation", "approval", "usage", "done"]
    run_id: str
    seq: int
    hop: int = 0
    trace_id: str = ""
    span_id: str = ""
    data: Mapping[str, object] = Field(default_factory=dict)
    """`token`: `text`; `hop_started`: `kind`, `reason`; `hop_finished`: `hop` (a `Hop`);
    `citation`: `citation`; `usage`: `usage`; `done`: `answer` (the `Answer`)."""
