"""What a server is known to understand, declared; nothing is sent that it would not."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

ServerKind: TypeAlias = Literal["vllm", "openai", "plain"]


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What may be asked of a server. What is missing is left out, with a warning where it matters.

    A server that ignores what it does not know (vLLM does, `guided_choice` is an example) must not
    be declared to have it: the output would be unconstrained. It is checked on arrival anyway.
    """

    structured: Literal["structured_outputs", "response_format", "none"] = "none"
    """`structured_outputs` knows JSON Schema, choice, regex and grammar; `response_format` knows
    JSON Schema alone."""
    tools: bool = False
    logprobs: bool = False
    seed: bool = False
    cache_salt: bool = False
    """Prefix-cache entries are kept apart by a salt in the request."""
    stream_usage: bool = False
    """A stream ends with its usage where `stream_options` asks for it."""
    decisions: bool = False
    """Probabilities of choices can be asked for at /v1/decisions (vLLM from 0.33, for some models).
    One that turns out to lack it is asked for log probabilities instead."""
    tokenizer_info: bool = False
    """It may tell its tokenizer's control tokens at /tokenizer_info."""

    @classmethod
    def of(cls, kind: "ServerKind | Capabilities") -> "Capabilities":
        """`vllm` (0.30 or newer), `openai` (its documented API, as most servers copy it), `plain`
        (messages and text, nothing else)."""
        if isinstance(kind, Capabilities):
            return kind
        return _KINDS[kind]


_KINDS: dict[str, Capabilities] = {
    "vllm": Capabilities(
        structured="structured_outputs",
        tools=True,
        logprobs=True,
        seed=True,
        cache_salt=True,
        stream_usage=True,
        tokenizer_info=True,
    ),
    "openai": Capabilities(
        structured="response_format", tools=True, logprobs=True, seed=True, stream_usage=True
    ),
    "plain": Capabilities(),
}
