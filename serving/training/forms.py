"""One training example: which JSON is one, and the form that all of them get.

Taken are `{"messages": […], "tools": […]}` as OpenAI's fine-tuning has it, tool calls and `weight`
included, and `{"prompt": …, "completion": …}`. What is returned is a chat in both cases, its texts
are strings, the arguments of its calls objects.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
_TOP: Final = {"messages", "tools", "prompt", "completion"}
_SETTLED: Final = {"parallel_tool_calls"}
"""What OpenAI's form has besides, and training has no use for."""
_MESSAGE: Final = {
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "weight",
    "reasoning_content",
}
_OLD: Final = {"functions": "tools", "function_call": "tool_calls"}


class Malformed(ValueError):
    """A line that is no example."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Example:
    """One example. `place` is where its line begins in the file, in bytes."""

    line: int
    place: int = 0
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    plain: bool = False
    """It came as a prompt and its completion."""
    ignored: tuple[str, ...] = ()
    """Names beside it that nobody reads."""

    @property
    def answer(self) -> Mapping[str, Any]:
        """The last message, which is the assistant's."""
        return self.messages[-1]

    def fields(self) -> dict[str, Any]:
        """As it is encoded, and as its digest sees it."""
        return {"messages": self.messages, "tools": self.tools, "plain": self.plain}

    def content(self) -> bytes:
        """One JSON text for equal examples, whatever white space and order of names they had."""
        text = json.dumps(self.fields(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()


def example_of(value: object, *, line: int, place: int = 0) -> Example:
    """The example that a JSON value is. Raises `Malformed` with the first thing that is wrong."""
    if not isinstance(value, dict):
        raise Malformed("form", f"a JSON {_kind(value)}, not an object")
    if old := next((name for name in _OLD if value.get(name)), None):
        raise Malformed("form", f"{old!r} is OpenAI's old form; use {_OLD[old]!r}")
    chat, pair = "messages" in value, "prompt" in value or "completion" in value
    if chat == pair:
        said = "both 'messages' and a prompt" if chat else "neither 'messages' nor 'prompt'"
        raise Malformed("form", f"{said} in it")
    ignored = tuple(sorted(name[:40] for name in value if name not in _TOP | _SETTLED))
    messages = _pair(value) if pair else _chat(value["messages"])
    tools = tuple(_tools(value.get("tools")))
    found = Example(
        line=line, place=place, messages=messages, tools=tools, plain=pair, ignored=ignored
    )
    _check_asked(messages)
    try:
        found.content()
    except UnicodeEncodeError as error:
        raise Malformed("json", "half of a surrogate pair, which is no text") from error
    return found


def _pair(value: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    for name in ("prompt", "completion"):
        if not isinstance(value.get(name), str):
            raise Malformed("form", f"{name!r} is {_kind(value.get(name))}, not text")
    if value.get("tools"):
        raise Malformed("form", "'tools' belong to 'messages'")
    return (
        {"role": "user", "content": value["prompt"]},
        {"role": "assistant", "content": value["completion"]},
    )


def _chat(value: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not value:
        raise Malformed("form", "'messages' is no list of messages")
    messages: list[Mapping[str, Any]] = []
    open_calls: set[str] = set()
    for number, each in enumerate(value, start=1):
        try:
            message = _message(each)
        except Malformed as error:
            raise Malformed(error.code, f"message {number}: {error.reason}") from None
        if message["role"] == "tool" and message["tool_call_id"] not in open_calls:
            said = f"answers the call {message['tool_call_id']!r:.60}, which nobody made"
            raise Malformed("form", f"message {number} {said}")
        open_calls.update(call["id"] for call in message.get("tool_calls", ()) if "id" in call)
        messages.append(message)
    if messages[-1]["role"] != "assistant":
        raise Malformed("form", "the last message is not the assistant's")
    if not any(_trained(message) for message in messages):
        raise Malformed("form", "every answer has the weight 0")
    return tuple(messages)


def _message(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed("form", f"is {_kind(value)}, not an object")
    role = value.get("role")
    if role not in ROLES:
        raise Malformed("form", f"the role is {role!r:.60}, not one of {', '.join(ROLES)}")
    unknown = [name for name, given in value.items() if given and name not in _MESSAGE]
    if unknown:
        raise Malformed("form", f"{unknown[0]!r:.60} is no part of a message")
    message = {"role": role, "content": _text(value.get("content"), role), **_names(value)}
    if role == "tool" and not message.get("tool_call_id"):
        raise Malformed("form", "a tool's message needs the 'tool_call_id' that it answers")
    if value.get("tool_calls"):
        if role != "assistant":
            raise Malformed("form", "only the assistant makes 'tool_calls'")
        message["tool_calls"] = _calls(value["tool_calls"])
    if value.get("weight") is not None:
        if role != "assistant" or value["weight"] not in (0, 1):
            raise Malformed("form", "'weight' is 0 or 1, of the assistant's messages")
        if not value["weight"]:
            message["weight"] = 0
    return message


def _names(value: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a message that are short texts."""
    found: dict[str, Any] = {}
    for name in ("name", "tool_call_id", "reasoning_content"):
        if value.get(name) is not None:
            if not isinstance(value[name], str):
                raise Malformed("form", f"{name!r} is {_kind(value[name])}, not text")
            found[name] = value[name]
    return found


def _text(content: object, role: str) -> str:
    """Strings, and lists of text parts, as one text."""
    if content is None and role == "assistant":
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content:
        for part in content:
            if not isinstance(part, dict) or part.get("type") != "text":
                raise Malformed("form", "'content' holds a part that is no text")
            if not isinstance(part.get("text"), str):
                raise Malformed("form", "a part of 'content' has no 'text'")
        return "\n".join(part["text"] for part in content)
    raise Malformed("form", f"'content' is {_kind(content)}, not text")


def _calls(value: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise Malformed("form", f"'tool_calls' is {_kind(value)}, not a list")
    calls = []
    for each in value:
        function = each.get("function") if isinstance(each, dict) else None
        if not isinstance(function, dict) or each.get("type", "function") != "function":
            raise Malformed("form", "a tool call is no call of a function")
        name = function.get("name")
        if not isinstance(name, str) or not name:
            raise Malformed("form", "a tool call has no name")
        call = {"type": "function", "function": {"name": name, "arguments": _arguments(function)}}
        if isinstance(each.get("id"), str):
            call["id"] = each["id"]
        calls.append(call)
    return calls


def _arguments(function: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object, as model servers hand it to chat templates; OpenAI's form has it as text."""
    given = function.get("arguments") or {}
    if isinstance(given, str):
        try:
            given = strict_json(given)
        except ValueError as error:
            said = f"the arguments of {function['name']!r:.60} are not sound JSON"
            raise Malformed("form", said) from error
    if not isinstance(given, dict):
        raise Malformed("form", f"the arguments of {function['name']!r:.60} are no object")
    return given


def _tools(value: object) -> Iterator[Mapping[str, Any]]:
    if value is None:
        return
    if not isinstance(value, list):
        raise Malformed("form", f"'tools' is {_kind(value)}, not a list")
    for each in value:
        function = each.get("function") if isinstance(each, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Malformed("form", "'tools' holds what is no function with a name")
        yield each


def _check_asked(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every answer that is trained says something, and something was said before it."""
    heard = False
    for message in messages:
        if message["role"] == "assistant" and _trained(message):
            if not message["content"].strip() and not message.get("tool_calls"):
                raise Malformed("empty", "an answer is empty")
            if not heard:
                raise Malformed("empty", "nothing was asked before an answer")
        heard = heard or (message["role"] not in ("system", "developer") and _says(message))


def _says(message: Mapping[str, Any]) -> bool:
    return bool(message["content"].strip() or message.get("tool_calls"))


def _trained(message: Mapping[str, Any]) -> bool:
    return bool(message["role"] == "assistant" and message.get("weight", 1))


def strict_json(text: str) -> Any:
    """A JSON text without names that stand twice, NaN or infinity. Raises `ValueError`."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a name stands twice")
        return table

    def number(name: str) -> Any:
        raise ValueError(f"{name} is no JSON number")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _kind(value: object) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
