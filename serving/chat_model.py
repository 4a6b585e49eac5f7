"""A Fairlead `Model` as LangChain's chat model: for chains, agents and tools of that ecosystem."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from fairlead.errors import InputError
from fairlead.protocols import Completion, Delta, Message, Model, Request
from fairlead.schema import ToolCall, ToolSpec

_ROLES = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}


class FairleadChatModel(BaseChatModel):
    """`model` with LangChain's interface: messages, tools, usage and streaming both ways.

    `options` are further fields of every `Request`. Asynchronous calls run in their own event loop;
    a synchronous one runs the model in the loop it was made in, from another thread, and is refused
    inside that loop, where it would wait for itself. Raises what the model raises, `InputError` for
    a message that is not text.
    """

    model: Any
    options: dict[str, Any] = Field(default_factory=dict)
    loop: Any = Field(default=None, exclude=True)
    """The event loop that the model belongs to; found out where this object is made."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if self.loop is None:
            try:
                self.loop = asyncio.get_running_loop()
            except RuntimeError:
                self.loop = None

    @property
    def _llm_type(self) -> str:
        return "fairlead"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model.name, **self.options}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Tools of any of LangChain's forms. `tool_choice`: `auto`, `required` (or `any`), `none`,
        or the name of one of them."""
        specs = [_spec(convert_to_openai_tool(tool)) for tool in tools]
        choice = {"any": "required", None: "auto"}.get(tool_choice, tool_choice)
        if choice not in ("auto", "required", "none"):
            specs = [spec for spec in specs if spec.name == choice]
            if not specs:
                raise InputError(
                    f"tool_choice {choice!r} is none of the tools", hint="Name one that was given."
                )
            choice = "required"
        return self.bind(tools=specs, tool_choice=choice, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model: Model = self.model
        completion = await model.complete(self._request(messages, stop, kwargs))
        return ChatResult(generations=[ChatGeneration(message=_message(completion))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        model: Model = self.model
        async for delta in model.stream(self._request(messages, stop, kwargs)):
            chunk = ChatGenerationChunk(message=_chunk(delta))
            if run_manager and delta.text:
                await run_manager.on_llm_new_token(delta.text, chunk=chunk)
            yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        made: ChatResult = self._waited_for(self._agenerate(messages, stop, None, **kwargs))
        return made

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks = self._astream(messages, stop, None, **kwargs)
        while True:
            try:
                yield self._waited_for(anext(chunks))
            except StopAsyncIteration:
                return

    def _waited_for(self, work: Any) -> Any:
        """What comes of it, in the model's own loop; a loop of its own where there is none."""
        if self.loop is None or self.loop.is_closed():
            return asyncio.run(_awaited(work))
        try:
            inside = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            inside = False
        if inside:
            work.close()
            raise InputError(
                "a synchronous call would wait for its own event loop",
                hint="Use ainvoke or astream here.",
            )
        return asyncio.run_coroutine_threadsafe(_awaited(work), self.loop).result()

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> Request:
        options = {**self.options, **given}
        extra = dict(options.pop("extra", {}))
        if stop:
            extra["stop"] = list(stop)
        known = {name: options[name] for name in options if name in Request.__dataclass_fields__}
        extra |= {name: value for name, value in options.items() if name not in known}
        return Request(messages=tuple(_ours(message) for message in messages), extra=extra, **known)


async def _awaited(work: Any) -> Any:
    return await work


def _ours(message: BaseMessage) -> Message:
    text = message.text
    if isinstance(message.content, list) and any(
        isinstance(block, dict) and block.get("type") not in ("text", "tool_use", "tool_call")
        for block in message.content
    ):
        raise InputError(
            f"a message of {message.type!r} holds more than text", hint="Send text only."
        )
    if isinstance(message, ToolMessage):
        return Message(role="tool", content=str(text), call_id=message.tool_call_id)
    role = next((role for kind, role in _ROLES.items() if isinstance(message, kind)), None)
    if role is None:
        raise InputError(f"a message of {message.type!r} has no role here", hint="Use a chat role.")
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return Message(
        role=role,  # type: ignore[arg-type]  # one of the roles
        content=str(text),
        tool_calls=tuple(
            ToolCall(tool=call["name"], arguments=call["args"], call_id=call["id"] or "")
            for call in calls
        ),
    )


def _spec(tool: dict[str, Any]) -> ToolSpec:
    function = tool["function"]
    return ToolSpec(
        name=function["name"],
        description=function.get("description", ""),
        effect="admin",  # what it does is not known here, and nothing is called
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
    )


def _message(completion: Completion) -> AIMessage:
    more = {"reasoning_content": completion.reasoning} if completion.reasoning else {}
    return AIMessage(
        content=completion.text,
        tool_calls=[
            {"name": call.tool, "args": dict(call.arguments), "id": call.call_id}
            for call in completion.tool_calls
        ],
        usage_metadata=_usage(completion),
        additional_kwargs=more,
        response_metadata={
            "finish_reason": completion.finish_reason,
            "model_name": completion.model,
        },
    )


def _usage(completion: Completion) -> UsageMetadata:
    usage = completion.usage
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_token_details=InputTokenDetails(cache_read=usage.cached_tokens),
    )


def _chunk(delta: Delta) -> AIMessageChunk:
    if delta.completion is not None:
        return AIMessageChunk(
            content="",
            usage_metadata=_usage(delta.completion),
            response_metadata={
                "finish_reason": delta.completion.finish_reason,
                "model_name": delta.completion.model,
            },
            chunk_position="last",
        )
    fragment = delta.tool
    more = {"reasoning_content": delta.reasoning} if delta.reasoning else {}
    return AIMessageChunk(
        content=delta.text,
        additional_kwargs=more,
        tool_call_chunks=[
            ToolCallChunk(
                name=fragment.tool or None,
                args=fragment.arguments,
                id=fragment.call_id or None,
                index=fragment.index,
                type="tool_call_chunk",
            )
        ]
        if fragment
        else [],
    )
