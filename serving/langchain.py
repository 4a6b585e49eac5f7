"""Any LangChain chat model as a `Model`, any LangChain embeddings as an `Embedder`."""

import importlib
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.errors import InputError, SettingsError, Unavailable
from fairlead.protocols import Completion, Delta, Message, Request
from fairlead.schema import Json, ToolCall, Usage
from fairlead.serving.token_counts import estimated_tokens
from fairlead.serving.vectors import identified, unit_rows

if TYPE_CHECKING:  # 0.5 s to import, and only who has such a model needs it
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from numpy import float32
    from numpy.typing import NDArray


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


class LangChainEmbedder:
    """Any LangChain embeddings object; its dimension is found by embedding one word.

    Questions go through its `embed_query`. Whether texts leave the process is for the object to
    say. Raises `Unavailable` when it fails, `SettingsError` when it returns no vectors.
    """

    def __init__(
        self,
        embeddings: Any,
        *,
        name: str = "",
        query_prefix: str = "",
        document_prefix: str = "",
        revision: str = "",
    ) -> None:
        self._embeddings = embeddings
        self._name = name or f"{type(embeddings).__module__}:{type(embeddings).__qualname__}"
        self._query_prefix, self._document_prefix = query_prefix, document_prefix
        self._revision = revision
        self._lock = threading.Lock()
        self._dimension = 0

    @property
    def identity(self) -> str:
        found = self._embeddings
        model = getattr(found, "model", None) or getattr(found, "model_name", "")
        named = f"{self._name}={model}" if isinstance(model, str) and model else self._name
        return identified(
            named,
            self.dimension,
            revision=self._revision,
            prefixes=(self._document_prefix, self._query_prefix),
        )

    @property
    def dimension(self) -> int:
        with self._lock:
            if not self._dimension:
                self._dimension = self.embed(["dimension"]).shape[1]
            return self._dimension

    def embed(self, texts: Sequence[str], *, query: bool = False) -> "NDArray[float32]":
        import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        prefix = self._query_prefix if query else self._document_prefix
        prefixed = [f"{prefix}{text}" for text in texts]
        try:
            if query:
                vectors = [self._embeddings.embed_query(text) for text in prefixed]
            else:
                vectors = self._embeddings.embed_documents(prefixed)
        except Exception as error:
            raise Unavailable(
                f"embedder {self._name!r} failed: {error}",
                hint="Check its service and key, or set retrieval.embedder to another.",
            ) from error
        return unit_rows(vectors, len(texts), by=f"embedder {self._name!r}")

    def count_tokens(self, text: str) -> int:
        """An estimate: LangChain has no way to ask."""
        return estimated_tokens(text)


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
