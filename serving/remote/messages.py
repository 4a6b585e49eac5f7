"""Messages as people write them, as ours."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from fairlead.errors import InputError
from fairlead.protocols import Message
from fairlead.schema import ToolCall

Said: TypeAlias = Message | Mapping[str, Any]


def messages_of(said: str | Iterable[Said]) -> tuple[Message, ...]:
    """A question alone, or messages: ours, or mappings of OpenAI's form with text contents.

    Raises `InputError` for anything else, naming which.
    """
    if isinstance(said, str):
        return (Message(role="user", content=said),)
    made = tuple(_message(number, each) for number, each in enumerate(said, start=1))
    if not made:
        raise InputError("there is no message", hint="Give at least one.")
    return made


def _message(number: int, said: Said) -> Message:
    if isinstance(said, Message):
        return said
    try:
        return Message(
            role=said["role"],
            content=said.get("content") or "",
            tool_calls=_calls(said.get("tool_calls") or ()),
            call_id=said.get("tool_call_id") or said.get("call_id") or "",
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise InputError(
            f"message {number} cannot be used: {first}",
            hint='Write it as {"role": "user", "content": "…"}.',
        ) from error


def _calls(said: Sequence[Any]) -> tuple[ToolCall, ...]:
    return tuple(
        call
        if isinstance(call, ToolCall)
        else ToolCall(
            tool=call["function"]["name"],
            arguments=orjson.loads(call["function"]["arguments"] or "{}"),
            call_id=call.get("id") or "",
        )
        for call in said
    )
