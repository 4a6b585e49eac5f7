"""The scripted model, LangChain's chat models as ours, and the span around a call."""

import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from fairlead.errors import InputError, SettingsError, Unavailable
from fairlead.protocols import Completion, Message, Request
from fairlead.schema import ToolCall, ToolSpec, Usage
from fairlead.serving import LangChainModel, ScriptedModel, TracedModel
from fairlead.serving.langchain import langchain_class
from fairlead.tracing import SpanStore, TraceReader, Tracing

ASKED = Request(messages=(Message(role="user", content="Hello?"),), max_tokens=5, seed=1)
SPEC = ToolSpec(
    name="add", description="Adds.", effect="read", parameters={"type": "object", "properties": {}}
)


class Recording(BaseChatModel):
    """Keeps what it was asked and with what; answers with a tool call and usage."""

    seen: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "recording"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.seen.append((messages, kwargs))
        message = AIMessage(
            "hi",
            tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1"}],
            usage_metadata={
                "input_tokens": 7,
                "output_tokens": 2,
                "total_tokens": 9,
                "input_token_details": {"cache_read": 4},
            },
            response_metadata={"finish_reason": "tool_calls", "model_name": "real"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


class Broken(FakeListChatModel):
    def _call(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("refused\nwith a long story")


async def test_a_script_is_a_list_or_a_function() -> None:
    model = ScriptedModel(["one", Completion(text="two", model="m")])
    assert [(await model.complete(ASKED)).text for _ in range(2)] == ["one", "two"]
    with pytest.raises(InputError, match="run out after 2"):
        await model.complete(ASKED)
    echo = ScriptedModel(lambda request: request.messages[-1].content)
    deltas = [delta async for delta in echo.stream(ASKED)]
    assert "".join(delta.text for delta in deltas) == "Hello?"
    assert deltas[-1].completion == Completion(text="Hello?", model="scripted")
    assert echo.requests == [ASKED]


async def test_messages_tools_and_usage_cross_to_langchain_and_back() -> None:
    inner = Recording()
    asked = Request(
        messages=(
            Message(role="system", content="be"),
            Message(role="assistant", content="", tool_calls=(ToolCall(tool="x", call_id="c0"),)),
            Message(role="tool", content="done", call_id="c0"),
            Message(role="user", content="go"),
        ),
        tools=(SPEC,),
        temperature=0.5,
    )
    completion = await LangChainModel(inner).complete(asked)
    messages, options = inner.seen[-1]
    assert [message.type for message in messages] == ["system", "ai", "tool", "human"]
    assert options["tools"][0]["function"]["name"] == "add" and options["temperature"] == 0.5
    assert completion.tool_calls == (ToolCall(tool="add", arguments={"a": 1}, call_id="c1"),)
    assert completion.usage == Usage(
        input_tokens=7, output_tokens=2, cached_tokens=4, model_calls=1
    )
    assert (completion.finish_reason, completion.model) == ("tool_calls", "real")


async def test_langchain_streams() -> None:
    model = LangChainModel(FakeListChatModel(responses=["abc"]))
    deltas = [delta async for delta in model.stream(ASKED)]
    assert "".join(delta.text for delta in deltas) == "abc"
    assert deltas[-1].completion is not None and deltas[-1].completion.text == "abc"


async def test_a_providers_error_is_ours() -> None:
    with pytest.raises(Unavailable, match=r"ConnectionError: refused$"):
        broken = LangChainModel(Broken(responses=["x"]))
        await TracedModel(broken, Tracing(), provider="test").complete(ASKED)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("langchain:no.such:Model", "cannot import"),
        ("langchain:langchain_core.language_models:NoSuch", "cannot import"),
        ("langchain:langchain_core.language_models:FakeListChatModel", "could not be made"),
    ],
)
def test_a_class_that_is_not_there(reference: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        langchain_class(reference, {})


async def test_a_call_is_a_span_with_usage_but_without_text(tmp_path: Path) -> None:
    tracing = Tracing(store=SpanStore(tmp_path / "traces.db"))
    model = TracedModel(ScriptedModel(["secret words"] * 2), tracing, provider="test")
    assert (await model.complete(ASKED)).usage.model_calls == 1
    _ = [delta async for delta in model.stream(ASKED)]
    tracing.close()
    for summary in TraceReader(tmp_path / "traces.db").traces():
        (span,) = TraceReader(tmp_path / "traces.db").trace(summary.trace_id).spans
        assert span.name == "chat scripted" and span.status == "ok"
        assert span.attributes["gen_ai.provider.name"] == "test"
        assert "secret" not in str(span.attributes)
