"""What a planner is shown and what it may choose.

`Decision` is closed: exactly the six kinds below. `Decision(kind="retrieve", queries=["…"])` and
`Decision.parse({"kind": "retrieve", …})` build the member that `kind` names; the members can be
called directly, and `match` tells them apart.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema

from fairlead.errors import InputError
from fairlead.schema import Hop, Json, Passage, ToolCall, ToolResult, ToolSpec, Turn, Usage


@dataclass(frozen=True, kw_only=True)
class Planning:
    """What it took to come to a decision. The machine adds it to the run and takes it off."""

    usage: Usage = Usage()
    warnings: tuple[str, ...] = ()
    prompt: str = ""
    """Version of the prompt that a model was given; empty where no model was asked."""
    attempts: int = Field(default=1, ge=0)
    """How often a model was asked; 2 where its first reply had to be repaired."""


class _ByKind(type):
    """Calling `Decision` itself builds the member named by `kind`."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        if cls is Decision:
            return Decision.parse(values)
        return super().__call__(*args, **values)


class Decision(metaclass=_ByKind):
    """One choice of the planner, with a reason a person can read."""

    kind: str
    reason: str
    probability: float | None
    planning: Planning | None

    @staticmethod
    def parse(value: "Decision | Mapping[str, Json]") -> "AnyDecision":
        """The decision in `value`. Raises `InputError` where it is none, naming what is wrong."""
        if isinstance(value, _MEMBERS):
            return value
        try:
            return _adapter().validate_python(value)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
                for e in error.errors(include_url=False)
            )
            raise InputError(
                f"not a decision: {wrong}",
                hint="kind is one of retrieve, call, delegate, answer, ask, stop.",
            ) from error

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(AnyDecision) if cls is Decision else handler(source)


@dataclass(frozen=True, kw_only=True)
class Retrieve(Decision):
    """Search a collection. Several queries are searched side by side and merged."""

    kind: Literal["retrieve"] = "retrieve"
    queries: tuple[str, ...] = Field(min_length=1)
    collection: str | None = None
    filters: Mapping[str, Json] | None = None
    reason: str = ""
    probability: float | None = None
    planning: Planning | None = None


@dataclass(frozen=True, kw_only=True)
class Call(Decision):
    """Call tools; the calls of one decision do not depend on each other."""

    kind: Literal["call"] = "call"
    calls: tuple[ToolCall, ...] = Field(min_length=1)
    reason: str = ""
    probability: float | None = None
    planning: Planning | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A piece of work for a specialist."""

    agent: str
    task: str


@dataclass(frozen=True, kw_only=True)
class Delegate(Decision):
    """Hand tasks to specialists."""

    kind: Literal["delegate"] = "delegate"
    tasks: tuple[Task, ...] = Field(min_length=1)
    reason: str = ""
    probability: float | None = None
    planning: Planning | None = None


@dataclass(frozen=True, kw_only=True)
class AnswerNow(Decision):
    """Write the answer from what is known; `route` names a model route, empty for the default."""

    kind: Literal["answer"] = "answer"
    route: str = ""
    reason: str = ""
    probability: float | None = None
    planning: Planning | None = None


@dataclass(frozen=True, kw_only=True)
class Ask(Decision):
    """Ask the user something back; this ends the turn."""

    kind: Literal["ask"] = "ask"
    question: str
    reason: str = ""
    probability: float | None = None
    planning: Planning | None = None


@dataclass(frozen=True, kw_only=True)
class Stop(Decision):
    """End without an answer; `why` is said to the user."""

    kind: Literal["stop"] = "stop"
    why: str
    reason: str = ""
    probability: float | None = None
    planning: Planning | None = None


AnyDecision: TypeAlias = Annotated[
    Retrieve | Call | Delegate | AnswerNow | Ask | Stop, Field(discriminator="kind")
]
_MEMBERS = (Retrieve, Call, Delegate, AnswerNow, Ask, Stop)


@cache
def _adapter() -> TypeAdapter[AnyDecision]:
    return TypeAdapter(AnyDecision)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What is left for this run."""

    hops: int
    tool_calls: int
    tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Step:
    """An earlier hop of this turn as its planner needs it: what was decided, what came of it."""

    decision: AnyDecision
    detail: str = ""
    passages: int = Field(default=0, ge=0)
    """How many of the view's passages it added; they stand in the order of the steps."""
    results: int = Field(default=0, ge=0)
    """How many of the view's tool results it added."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What a planner or an answerer may see: guarded values only."""

    question: str
    history: tuple[Turn, ...] = ()
    passages: tuple[Passage, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    hops: tuple[Hop, ...] = ()
    steps: tuple[Step, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    collections: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    budget: Budget = Budget(hops=1, tool_calls=0, tokens=0, seconds=0.0)
    confidence: float = 0.0
    """The best search confidence so far, 0 to 1."""
    tenant: str = ""
    thread: str = ""
    subject: str = ""
    run_id: str = ""
    note: str = ""
    """What verification found wrong with an earlier draft of this turn; empty before."""
