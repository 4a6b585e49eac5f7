"""Sections of the settings file about models, routes and adapters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from fairlead.schema import Json
from fairlead.sections import NAME, Secret, Section

Place: TypeAlias = Literal["planner", "answer", "verify"]
"""What a route is for."""
_URL = r"https?://[^\s/?#@]+(/[^\s?#]*)?"
_ADAPTER = rf"^({NAME}@[a-z0-9]+)?$"


class ModelSettings(Section):
    """One model. Other settings refer to it by its name in `[models]`; `[model]` is `base`."""

    provider: str = Field(default="embedded", pattern=r"^(embedded|vllm|langchain:[\w.]+:\w+)$")
    """`embedded`; `vllm` for every server with OpenAI's API; `langchain:MODULE:CLASS` for any
    LangChain chat model."""
    url: str = Field(default="", pattern=rf"^({_URL})?$")
    """Up to and with `/v1`."""
    urls: tuple[Annotated[str, Field(pattern=rf"^{_URL}$")], ...] = ()
    """Several servers of the same model, in place of `url`."""
    name: str = ""
    """As the server knows it."""
    api_key: Secret | None = None
    control_key: Secret | None = None
    """Opens the paths that load adapters, which the key does not; without, the key is tried."""
    server: Literal["vllm", "openai", "plain"] = "vllm"
    """What the server understands: vLLM's own fields, OpenAI's API, or messages alone."""
    decisions: bool = False
    """Whether it has `/v1/decisions`, which tells how likely each of several choices is."""
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Of one call with all its tries."""
    gap_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Between two pieces of a stream."""
    connect_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    pause_seconds: Annotated[float, Field(ge=0, le=600)] = 8.0
    """The longest between two tries; a server that asks for more has failed."""
    tokenizer: Path | None = None
    """Folder of the model's tokenizer: its control tokens are broken in every text."""
    salt: Secret | None = None
    """Keeps tenants apart in the server's cache of prompts; without, the key."""
    options: Mapping[str, Json] = Field(default_factory=dict)
    """Keyword arguments for the LangChain class."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        served = self.provider == "vllm"
        if served and bool(self.url) == bool(self.urls):
            raise ValueError("a served model needs `url`, or `urls`, and not both")
        if served and not self.name:
            raise ValueError("a served model needs the `name` that its server knows it by")
        if self.decisions and not served:
            raise ValueError("`decisions` are for a served model")
        if self.options and not self.provider.startswith("langchain:"):
            raise ValueError("`options` are for a LangChain class")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.urls or ((self.url,) if self.url else ())


class Tier(Section):
    """A model for some of a route's requests: those that fit everything it names."""

    model: str = "base"
    adapter: str = Field(default="", pattern=_ADAPTER)
    tenants: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    """One of the passages comes from one of them."""
    matches: str = ""
    """A pattern (RE2) that is found in the question, whatever its case."""
    words: Annotated[int, Field(ge=0)] = 0
    """The question has at least so many."""
    hops: Annotated[int, Field(ge=0)] = 0
    """The run has made at least so many."""
    below: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The search is less sure than this that it found an answer."""
    unsure: bool = False
    """Verification found fault with an earlier draft."""
    kinds: tuple[str, ...] = ()
    """The last decision was one of these kinds."""


class RouteSettings(Section):
    """Which model plans, answers or judges answers, and which ones stand in for it."""

    model: str = "base"
    adapter: str = Field(default="", pattern=_ADAPTER)
    """`name@stage` or `name@version`."""
    fallback: tuple[str, ...] | None = None
    """Models in order, `embedded` at last; without, an adapter's model and then `embedded`."""
    tiers: tuple[Tier, ...] = ()
    """The first that fits is taken before the route's own model."""
    mode: Literal["structured", "tools"] = "structured"
    """Of the planner: JSON by a schema, or function calls."""
    prompt: Path | None = None
    """File that takes the place of the prompt that comes along, of the role that the route is for.

    Relative to the settings file's folder, else to the current one.
    """
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None


class LaunchSettings(Section):
    """How `fairlead models serve` starts an engine."""

    python: Path | None = None
    """The Python of a vLLM of your own; without, the one that `fairlead models install` made."""


class CanaryGuard(Section):
    """When a canary's rate of something bad sends it back. Each guard has defaults of its own."""

    on: bool = True
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """So much worse than the stable version's rate is still good."""
    effect: Annotated[float, Field(gt=0, le=1)] = 0.05
    """So much worse is bad, and is looked for hardest; above `tolerance`."""
    limit: Annotated[float, Field(gt=0, lt=1)] | None = None
    """A rate that is too much whatever the stable version's is."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.effect <= self.tolerance:
            raise ValueError("effect must be above tolerance")
        return self


class LatencyGuard(CanaryGuard):
    """Of answers that are slower than 95 % of the stable version's."""

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.05
    effect: Annotated[float, Field(gt=0, le=1)] = 0.15


class VerifierGuard(CanaryGuard):
    """Of answers that the verifier did not let pass."""

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.02
    effect: Annotated[float, Field(gt=0, le=1)] = 0.1


class FeedbackGuard(CanaryGuard):
    """Of feedback that says no."""

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.05
    effect: Annotated[float, Field(gt=0, le=1)] = 0.2


class CanaryGuards(Section):
    """What is watched of a canary."""

    error_rate: CanaryGuard = CanaryGuard()
    latency_p95: LatencyGuard = LatencyGuard()
    format_failures: CanaryGuard = CanaryGuard()
    verifier_failures: VerifierGuard = VerifierGuard()
    thumbs_down: FeedbackGuard = FeedbackGuard()


class Rollout(Section):
    """How adapters come to answer."""

    approvals: Annotated[int, Field(ge=0, le=20)] = 0
    """People besides the one who added a version that must approve it before it is stable."""
    gates: Mapping[str, float] = Field(default_factory=dict)
    """Scores that a version must have, at least so high, before it is stable."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Probability that a canary is sent back which is no worse than the guards tolerate."""
    min_conversations: Annotated[int, Field(ge=1)] = 20
    """Conversations of a canary before which it is not sent back."""
    steps: tuple[Annotated[float, Field(gt=0, lt=100)], ...] = (1, 5, 10, 25, 50)
    """Shares in percent that `adapters canary` goes through where none is named."""
    pin_hours: Annotated[float, Field(gt=0)] = 24.0
    """How long after its last turn a thread keeps the version that it began on."""
    reconcile_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Between two looks at what the servers have loaded, and at the guards."""
    max_rank: Annotated[int, Field(ge=1, le=512)] = 16
    """The servers' own limit: vLLM's `--max-lora-rank`."""
    max_norm: Annotated[float, Field(gt=0)] = 100.0
    """Of a module's update, in units of the square root of its outputs."""
    max_megabytes: Annotated[int, Field(ge=1)] = 2000
    guards: CanaryGuards = CanaryGuards()
