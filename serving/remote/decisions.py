"""`/v1/decisions`: how likely each of several choices is, read from one step of the model.

No text is written, and none is parsed. The form is that of vLLM 0.33, as its own source has it
(`vllm/entrypoints/openai/decisions/protocol.py`, after OpenAI's Decisions API): `input`, and
`questions` about it; a field too many is refused. There are no roles but the user's, so that a
system message becomes the question's instructions, which the server writes behind the input.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import orjson

from fairlead.errors import BadReply
from fairlead.protocols import Completion, Request
from fairlead.schema import Usage

PATH: Final = "/decisions"
_CLOSE: Final = 0.01
"""How far from 1 the sum of probabilities may be."""
_FEWEST, _MOST = 2, 255
"""Choices of one question."""


def fits(request: Request) -> bool:
    """Whether probabilities of choices are wanted, and all of the request can be said so."""
    roles = [message.role for message in request.messages]
    asked = roles[1:] if roles[:1] == ["system"] else roles
    return (
        request.probabilities
        and _FEWEST <= len(set(request.choice)) == len(request.choice) <= _MOST
        and not (request.tools or request.extra)
        and bool(asked)
        and set(asked) == {"user"}
    )


def body_of(model: str, request: Request, *, broken: Callable[[str], str], salt: str) -> bytes:
    """The JSON to post for a request that fits; `broken` takes control tokens out of a text."""
    texts = {"system": "", "user": ""}
    for message in request.messages:
        said = broken(message.content)
        texts[message.role] += f"\n\n{said}" if texts[message.role] else said
    question = {
        "type": "choice",
        "instructions": texts["system"],
        "choices": [{"value": choice} for choice in request.choice],
    }
    made: dict[str, Any] = {"model": model, "input": texts["user"], "questions": [question]}
    if salt:
        made["cache_salt"] = salt
    return orjson.dumps(made)


def weighed(answer: Any, request: Request, name: str) -> Completion:
    """The likeliest choice as the text, with the probability of each.

    Raises `BadReply` for an answer of another form, or about other choices than were asked for.
    """
    try:
        (found,) = answer["answers"]
        told = [(each["value"], float(each["probability"])) for each in found["probabilities"]]
        usage = answer.get("usage") or {}
        took = Usage(
            input_tokens=int(usage.get("input_tokens") or 0),
            output_tokens=int(usage.get("output_tokens") or 0),
            cached_tokens=int((usage.get("input_tokens_details") or {}).get("cached_tokens") or 0),
            model_calls=1,
        )
        wrong = _wrong(told, request)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wrong = repr(error)
    if wrong:
        raise BadReply(
            f"model {name!r} answered in another form than the Decisions API: {wrong}",
            hint="Unset model.decisions for this server.",
            arrived=str(answer)[:2000],
        )
    probabilities = dict(told)
    return Completion(
        text=max(probabilities, key=lambda choice: probabilities[choice]),
        usage=took,
        model=str(answer.get("model") or name),
        probabilities=probabilities,
    )


def _wrong(told: list[tuple[Any, float]], request: Request) -> str:
    choices = [choice for choice, _ in told]
    if sorted(choices) != sorted(request.choice):
        return f"it is about {choices!r}"
    chances = [chance for _, chance in told]
    if not all(math.isfinite(chance) and 0 <= chance <= 1 for chance in chances):
        return f"{chances!r} are no probabilities"
    return "" if abs(sum(chances) - 1) <= _CLOSE else f"{chances!r} do not add up to 1"
