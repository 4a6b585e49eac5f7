"""LangChain tools as Fairlead tools."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel

from fairlead.errors import InputError
from fairlead.guardrails import decide
from fairlead.schema import Json, Principal, ToolCall, ToolOutput
from fairlead.settings import Settings
from fairlead.tools import Toolbox


@langchain_tool
def double(number: int) -> int:
    """Double a number."""
    return number * 2


@langchain_tool
async def whisper(text: str) -> str:
    """Whisper."""
    await asyncio.sleep(0)
    return text.lower()


@langchain_tool
def fail() -> str:
    """Fail."""
    raise ValueError("no\nreally")


class Pay(BaseTool):
    name: str = "send_money"
    description: str = "Send money."

    def _run(self, recipient: str, amount: float, subject: str = "") -> str:
        return f"{amount} to {recipient} from {threading.current_thread().name}"


class Query(BaseModel):
    text: str


async def ask(thing: object, name: str, /, **arguments: Json) -> ToolOutput:
    call = ToolCall(tool=name, arguments=arguments)
    return await Toolbox([thing]).call(call, Principal(tenant="acme"), seconds=5)


async def test_is_called_with_checked_arguments() -> None:
    assert (await ask(double, "double", number=4)).data == 8
    assert (await ask(whisper, "whisper", text="HI")).text == "hi"
    output = await ask(double, "double", number="four")
    assert output.error.startswith("bad arguments for 'double': 'number': Input should be a valid")


async def test_a_blocking_one_runs_in_our_thread() -> None:
    output = await ask(Pay(), "send_money", recipient="bob", amount=2.5)
    assert output.text == "2.5 to bob from fairlead-tool"


async def test_its_failure_is_an_output() -> None:
    assert (await ask(fail, "fail")).error == "ValueError: no"


def test_undeclared_it_is_refused_by_policy() -> None:
    spec = Toolbox([double]).specs()[0]
    assert (spec.effect, spec.authority, spec.source.split(":")[0]) == (
        "admin",
        ("number",),
        "langchain",
    )
    assert decide(spec, allow=()).action == "block"


def test_settings_declare_it() -> None:
    said: dict[str, Any] = {"effect": "send", "authority": ["recipient"], "payload": ["subject"]}
    settings = Settings.model_validate({"tools": {"declare": {"send_money": said}}})
    spec = Toolbox([Pay()], settings).specs()[0]
    assert (spec.effect, spec.authority, spec.payload) == (
        "send",
        ("recipient", "amount"),
        ("subject",),
    )
    assert spec.description == "Send money."


async def test_a_json_schema_instead_of_a_model_is_taken_as_it_is() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}

    async def search(**given: Any) -> str:
        return str(given)

    remote = StructuredTool(
        name="search", description="Search.", args_schema=schema, coroutine=search
    )
    assert Toolbox([remote]).specs()[0].parameters == {**schema, "description": "Search."}
    assert (await ask(remote, "search", q="x")).text == "{'q': 'x'}"


def test_a_name_no_model_could_call_is_refused() -> None:
    odd = StructuredTool.from_function(
        lambda text: text, name="my tool", description="Odd.", args_schema=Query
    )
    with pytest.raises(InputError, match="'my tool' cannot be a tool's name"):
        Toolbox([odd])
