"""An adapter beside its base on a golden set, answered by the real server both will answer on.

The metrics are those of SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250): exact match, and F1 of the
words, both after lower case, without punctuation and articles; a call of a tool is right where name
and arguments are.
"""

import asyncio
import re
import string
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from fairlead.errors import BadReply, InputError, SettingsError
from fairlead.model_sections import ModelSettings
from fairlead.protocols import Completion, Message, Model, Request
from fairlead.schema import ToolCall, ToolSpec
from fairlead.serving.adapters import AdapterCard
from fairlead.serving.keys import secret_of
from fairlead.serving.remote.opening import open_model
from fairlead.serving.remote.replica import ServedReplica
from fairlead.serving.training.examples import DataFile
from fairlead.serving.training.forms import Example

AT_ONCE: Final = 8
"""Examples that are asked side by side."""
_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_SIGNS: Final = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What base and adapter reached, each from 0 to 1."""

    examples: int
    scores: Mapping[str, float]
    """`exact_match`, `f1`, `errors`, and the same of the base with `base_` before them."""
    worse: tuple[int, ...]
    """Lines that the base has right and the adapter wrong."""


async def compared(
    card: AdapterCard, content: Path, golden: Path, told: ModelSettings, *, max_tokens: int = 512
) -> Compared:
    """Both models' answers to every example of `golden`, at temperature 0.

    `content` is the adapter's folder as the server sees it; it is loaded for the time, where it is
    not loaded. Raises `InputError` for a golden set that cannot be read or is empty,
    `SettingsError` for a model that is not served, `Unavailable` where the server is away.
    """
    examples = list(DataFile(path=golden).examples())
    if not examples:
        raise InputError(f"{str(golden)!r} holds no example", hint="Give it at least one.")
    if told.provider != "vllm":
        raise SettingsError(
            "an adapter is scored on the server that is to serve it, and none is configured",
            hint='Set [model] provider = "vllm" with url and name, or name another by --model.',
        )
    key = secret_of(told.api_key, "the model's api_key")
    control = secret_of(told.control_key, "the model's control_key")
    async with (
        _loaded(told, card, content, key, control),
        open_model(
            told.addresses[0], told.name, api_key=key, server=told.server, seconds=told.seconds
        ) as base,
    ):
        models = {"base_": base, "": base.named(card.served_name)}
        right: dict[str, list[bool]] = {}
        scores: dict[str, float] = {}
        for prefix, model in models.items():
            answers = await _answers(model, examples, max_tokens)
            marks = [_marks(each, answer) for each, answer in zip(examples, answers, strict=True)]
            right[prefix] = [exact for exact, _ in marks]
            scores[f"{prefix}exact_match"] = sum(right[prefix]) / len(examples)
            scores[f"{prefix}f1"] = sum(f1 for _, f1 in marks) / len(examples)
            scores[f"{prefix}errors"] = sum(each is None for each in answers) / len(examples)
    worse = [
        example.line
        for example, before, now in zip(examples, right["base_"], right[""], strict=True)
        if before and not now
    ]
    return Compared(examples=len(examples), scores=scores, worse=tuple(worse))


@asynccontextmanager
async def _loaded(
    told: ModelSettings, card: AdapterCard, content: Path, key: str, control: str
) -> AsyncIterator[None]:
    """The adapter on the first server of the model, as long as the block runs."""
    replica = ServedReplica(told.addresses[0], api_key=key, control_key=control)
    try:
        there = card.served_name in await replica.loaded()
        if not there:
            await replica.load(card.served_name, content)
        try:
            yield
        finally:
            if not there:
                await replica.unload(card.served_name)
    finally:
        await replica.close()


async def _answers(
    model: Model, examples: Sequence[Example], max_tokens: int
) -> list[Completion | None]:
    """What the model says to each; None where it gave nothing that could be used."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(example: Example) -> Completion | None:
        request = Request(
            messages=tuple(_message(each) for each in example.messages[:-1]),
            tools=tuple(_spec(each) for each in example.tools),
            max_tokens=max_tokens,
            temperature=0.0,
        )
        async with turn:
            try:
                return await model.complete(request)
            except BadReply:
                return None

    return await asyncio.gather(*map(one, examples))


def _message(said: Mapping[str, Any]) -> Message:
    calls = tuple(
        ToolCall(
            tool=call["function"]["name"],
            arguments=call["function"]["arguments"],
            call_id=call.get("id", ""),
        )
        for call in said.get("tool_calls", ())
    )
    return Message(
        role=said["role"],
        content=said.get("content") or "",
        tool_calls=calls,
        call_id=said.get("tool_call_id", ""),
    )


def _spec(tool: Mapping[str, Any]) -> ToolSpec:
    function = tool["function"]
    return ToolSpec(
        name=function["name"],
        description=function.get("description", ""),
        effect="admin",  # nothing is called
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
    )


def _marks(example: Example, answer: Completion | None) -> tuple[bool, float]:
    """Whether the answer is exactly right, and the F1 of its words."""
    if answer is None:
        return False, 0.0
    wanted, found = _message(example.answer), answer
    if wanted.tool_calls:
        same = [_call(call) for call in wanted.tool_calls] == [
            _call(call) for call in found.tool_calls
        ]
        return same, float(same)
    return normalised(wanted.content) == normalised(found.text), f1(wanted.content, found.text)


def _call(call: ToolCall) -> bytes:
    return orjson.dumps([call.tool, dict(call.arguments)], option=orjson.OPT_SORT_KEYS)


def normalised(text: str) -> str:
    """Lower case, without punctuation, articles and superfluous white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_SIGNS)).split())


def f1(wanted: str, found: str) -> float:
    """The harmonic mean of precision and recall of the words; 1 where both have none."""
    ours, theirs = Counter(normalised(wanted).split()), Counter(normalised(found).split())
    if not ours or not theirs:
        return float(ours == theirs)
    common = (ours & theirs).total()
    return 2 * common / (ours.total() + theirs.total())
