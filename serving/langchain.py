"""Any LangChain chat model as a `Model`."""

import importlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.errors import InputError, SettingsError
from fairlead.protocols import Completion, Delta, Message, Request
from fairlead.schema import Json, ToolCall, Usage

if TYPE_CHECKING:  # 0.5 s to import, and only who has such a model needs it
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


class LangChainModel:
    """Wraps a `BaseChatModel`; messages, tool calls and usage are translated both ways."""

    def __init__(self, model: "BaseChatModel") -> None:
        self._model = model
        named = getattr(model, "model_name", None) or getattr(model, "model", None)
        self._name = named if isinstance(named, str) and named else type(model).__name__

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, request: Request) -> Completion:
        message = await self._bound(request).ainvoke(_messages(request.messages))
        return _completion(message, self._name)

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        whole: Any = None
        async for chunk in self._bound(request).astream(_messages(request.messages)):
            whole = chunk if whole is None else whole + chunk
            if chunk.text:
                yield Delta(text=str(chunk.text))
        if whole is None:
            raise InputError(f"model {self._name!r} streamed nothing", hint="Check the model.")
        yield Delta(completion=_completion(whole, self._name))

    def _bound(self, request: Request) -> Any:
        options: dict[str, Any] = {
            key: value
            for key, value in (
                ("max_tokens", request.max_tokens),
                ("temperature", request.temperature),
                ("seed", request.seed),
            )
            if value is not None
        }
        if not request.tools:
            return self._model.bind(**options) if options else self._model
        tools = [
            {
                "type": "function",
                "function": {
                    "name": spec.name,
                    "description": spec.description,
                    "parameters": dict(spec.parameters),
                },
            }
            for spec in request.tools
        ]
        return self._model.bind_tools(tools, **options)


def langchain_class(reference: str, options: Mapping[str, Json]) -> Any:
    """An instance of `langchain:MODULE:CLASS`. Raises `SettingsError` where there is none."""
    _, module, name = reference.split(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"cannot import {name!r} from {module!r}: {error}",
            hint=f"Install the package that provides {module!r}, or mend the setting.",
        ) from error
    try:
        return found(**options)
    except Exception as error:
        raise SettingsError(
            f"{name!r} could not be made: {type(error).__name__}: {error}",
            hint="Check the section's `options`.",
        ) from error


def _messages(messages: tuple[Message, ...]) -> "list[BaseMessage]":
    from langchain_core import messages as lc  # noqa: PLC0415 - heavy, see above

    made: list[BaseMessage] = []
    for message in messages:
        if message.role == "system":
            made.append(lc.SystemMessage(message.content))
        elif message.role == "user":
            made.append(lc.HumanMessage(message.content))
        elif message.role == "tool":
            made.append(lc.ToolMessage(message.content, tool_call_id=message.call_id))
        else:
            calls = [
                {"name": c.tool, "args": dict(c.arguments), "id": c.call_id}
                for c in message.tool_calls
            ]
            made.append(lc.AIMessage(message.content, tool_calls=calls))
    return made


def _completion(message: Any, name: str) -> Completion:
    usage = message.usage_metadata or {}
    details = usage.get("input_token_details") or {}
    meta = message.response_metadata or {}
    return Completion(
        text=str(message.text),
        tool_calls=tuple(
            ToolCall(tool=call["name"], arguments=call["args"], call_id=call["id"] or "")
            for call in message.tool_calls
        ),
        usage=Usage(
            input_tokens=usage.get("input_tokens", 0),
            output_tokens=usage.get("output_tokens", 0),
            cached_tokens=details.get("cache_read", 0),
            model_calls=1,
        ),
        finish_reason=str(meta.get("finish_reason") or "stop"),
        model=str(meta.get("model_name") or name),
    )
