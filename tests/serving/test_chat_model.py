"""A Fairlead model where LangChain expects one of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from pydantic import BaseModel

from fairlead.errors import InputError, Unavailable
from fairlead.protocols import Completion, Delta, Request, ToolFragment
from fairlead.schema import ToolCall, Usage
from fairlead.serving import FairleadChatModel, LangChainModel, ScriptedModel, open_model
from tests.serving.remote.protocol import ChatServer, answered, reply

CALL = ToolCall(tool="add", arguments={"a": 2, "b": 3}, call_id="c1")


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


async def test_messages_options_and_usage() -> None:
    model = ScriptedModel(
        [
            Completion(
                text="hi",
                usage=Usage(input_tokens=5, output_tokens=2, cached_tokens=4),
                reasoning="greet",
            )
        ]
    )
    wrapped = FairleadChatModel(model=model, options={"temperature": 0.2, "tenant": "acme"})
    message = await wrapped.ainvoke(
        [SystemMessage("Be kind."), HumanMessage("Hi"), AIMessage("Yes?"), HumanMessage("Oh")],
        stop=["END"],
        seed=3,
        top_p=0.5,
    )
    assert message.text == "hi" and message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 7
    assert message.usage_metadata["input_token_details"] == {"cache_read": 4}
    assert message.additional_kwargs["reasoning_content"] == "greet"
    (request,) = model.requests
    assert [m.role for m in request.messages] == ["system", "user", "assistant", "user"]
    assert (request.temperature, request.seed, request.tenant) == (0.2, 3, "acme")
    assert request.extra == {"stop": ["END"], "top_p": 0.5}


async def test_an_agent_of_langchain_runs_on_it() -> None:
    model = ScriptedModel([Completion(text="", tool_calls=(CALL,)), "It is 5."])
    agent: Any = create_agent(FairleadChatModel(model=model), tools=[add])
    result = await agent.ainvoke({"messages": [("user", "What is 2 + 3?")]})
    assert result["messages"][-1].text == "It is 5."
    second = model.requests[1]
    assert second.messages[-2].tool_calls == (CALL,)
    assert (second.messages[-1].role, second.messages[-1].content) == ("tool", "5")
    assert second.messages[-1].call_id == "c1"
    assert second.tools[0].name == "add" and "a" in str(second.tools[0].parameters)


async def test_one_tool_is_chosen() -> None:
    class Person(BaseModel):
        """A person."""

        name: str

    said = ToolCall(tool="Person", arguments={"name": "Ada"}, call_id="1")
    model = ScriptedModel([Completion(text="", tool_calls=(said,))])
    found = await FairleadChatModel(model=model).with_structured_output(Person).ainvoke("Who?")
    assert found == Person(name="Ada")
    assert model.requests[0].tool_choice == "required"
    with pytest.raises(InputError, match="none of the tools"):
        FairleadChatModel(model=model).bind_tools([add], tool_choice="subtract")


async def test_streaming_with_pieces_of_tool_calls() -> None:
    class Pieces(ScriptedModel):
        async def stream(self, request: Request) -> AsyncIterator[Delta]:
            yield Delta(reasoning="hm")
            yield Delta(text="I ")
            yield Delta(text="add.")
            yield Delta(tool=ToolFragment(index=0, call_id="c1", tool="add", arguments='{"a": 2,'))
            yield Delta(tool=ToolFragment(index=0, arguments=' "b": 3}'))
            yield Delta(completion=Completion(text="I add.", tool_calls=(CALL,)))

    whole: AIMessageChunk | None = None
    async for chunk in FairleadChatModel(model=Pieces([])).astream("Hi"):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None and whole.text == "I add."
    (call,) = whole.tool_calls
    assert (call["name"], call["args"], call["id"]) == ("add", {"a": 2, "b": 3}, "c1")
    assert whole.response_metadata["finish_reason"] == "stop"


async def test_a_chain_and_back_again() -> None:
    model = ScriptedModel(lambda request: request.messages[-1].content.upper())
    chain = ChatPromptTemplate.from_messages([("user", "{text}")]) | FairleadChatModel(model=model)
    assert (await chain.ainvoke({"text": "tea"})).text == "TEA"
    twice = LangChainModel(FairleadChatModel(model=model))
    from_both = await twice.complete(model.requests[0])
    assert from_both.text == "TEA"


async def test_from_another_thread_and_never_inside_its_own_loop(server: ChatServer) -> None:
    server.always = reply(body=answered("Hello."))
    async with open_model(server.url, "base") as model:
        wrapped = FairleadChatModel(model=model)
        message = await asyncio.to_thread(wrapped.invoke, "Hi")
        assert message.text == "Hello."
        pieces = await asyncio.to_thread(
            lambda: [
                c.text
                for c in FairleadChatModel(model=ScriptedModel(["a b"]), loop=wrapped.loop).stream(
                    "Hi"
                )
            ]
        )
        assert "".join(pieces) == "a b"
        with pytest.raises(InputError, match="its own event loop"):
            wrapped.invoke("Hi")


def test_without_any_loop() -> None:
    assert FairleadChatModel(model=ScriptedModel(["a b"])).invoke("Hi").text == "a b"


async def test_what_cannot_be_passed_on() -> None:
    wrapped = FairleadChatModel(model=ScriptedModel([]))
    image = HumanMessage([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}])
    with pytest.raises(InputError, match="more than text"):
        await wrapped.ainvoke([image])

    def down(request: Request) -> str:
        raise Unavailable("it is down")

    with pytest.raises(Unavailable):
        await FairleadChatModel(model=ScriptedModel(down)).ainvoke(
            [ToolMessage("x", tool_call_id="1")]
        )


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as made:
        yield made
