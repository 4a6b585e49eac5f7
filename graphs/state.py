"""What the machine carries from node to node.

`history` belongs to the thread and grows by one entry per turn; everything else belongs to the
turn, and `admit` resets it.
"""

from dataclasses import replace
from typing import TypedDict

from pydantic import Field
from pydantic.dataclasses import dataclass

from fairlead.decisions import AnyDecision, Step
from fairlead.schema import (
    Answer,
    Draft,
    Hit,
    Hop,
    Json,
    Passage,
    ToolOutput,
    ToolResult,
    Turn,
    Usage,
)

HISTORY = 20
"""Turns of a thread that a planner can look back on."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One turn on one thread: whose it is and which trace began it."""

    run_id: str
    tenant: str
    subject: str
    thread_id: str
    named: bool = True
    """False where the caller named no thread and got one of its own."""
    seconds: float
    """Wall-clock budget; a run that is resumed after a crash gets it afresh."""
    filters: dict[str, Json] | None = None
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the turn has found out so far, all of it guarded."""

    passages: tuple[Passage, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    confidence: float = 0.0
    """The best search confidence so far, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the turn has done so far."""

    hops: tuple[Hop, ...] = ()
    steps: tuple[Step, ...] = ()
    """The same hops as the planner needs them, without the answer that ended the turn."""
    usage: Usage = Usage()
    warnings: tuple[str, ...] = ()
    limit: str = ""
    """Which budget ran out, in words; empty while none has."""
    away: str = ""
    """What could not be reached, in words; empty while everything could."""
    note: str = ""
    """What verification found wrong with the first draft."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Version of the prompt by role, of the roles that asked a model."""

    def counted(
        self, role: str, *, usage: Usage, warnings: tuple[str, ...], prompt: str
    ) -> "Progress":
        """The same with what a role took; `prompt` is empty where it asked no model."""
        return replace(
            self,
            usage=self.usage + usage,
            warnings=tuple(dict.fromkeys((*self.warnings, *warnings))),
            prompts={**self.prompts, role: prompt} if prompt else self.prompts,
        )


@dataclass(frozen=True, kw_only=True)
class Found:
    """Untrusted values on their way from an action to the guard, and how the action went."""

    hits: tuple[Hit, ...] = ()
    outputs: tuple[ToolOutput, ...] = ()
    confidence: float = 0.0
    warnings: tuple[str, ...] = ()
    detail: str = ""
    limit: str = ""
    away: str = ""
    calls: int = Field(default=0, ge=0)


class Input(TypedDict):
    """What the graph takes."""

    question: str


class Output(TypedDict):
    """What the graph gives."""

    answer: Answer


class State(TypedDict, total=False):
    """Every channel of the machine."""

    question: str
    run: Run
    known: Known
    progress: Progress
    decision: AnyDecision | None
    found: Found | None
    draft: Draft | None
    answer: Answer | None
    history: tuple[Turn, ...]
