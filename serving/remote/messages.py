"""Messages as people write them, as ours."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from fairlead.errors import InputError
from fairlead.protocols import Message
from fairlead.schema import ToolCall

_ROLES: Final = frozenset({"system", "user", "assistant", "tool"})
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
    if len(said) == 2 and (plain := _plain(said)):
        return plain
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


def _plain(said: Mapping[str, Any]) -> Message | None:
    """A role and a text, as nearly all messages are: checked here, since validating 400 of them
    costs more than the rest of a call."""
    role, content = said.get("role"), said.get("content")
    if type(role) is not str or role not in _ROLES or type(content) is not str:
        return None
    made: Message = object.__new__(Message)
    made.__dict__.update(role=role, content=content, tool_calls=(), call_id="")
    return made


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
