"""Where tools come from."""

from collections.abc import Mapping, Sequence
from types import MethodType
from typing import Any

import pytest

from fairlead import tool
from fairlead.errors import InputError, SettingsError
from fairlead.guardrails import decide
from fairlead.schema import Json, Principal, ToolCall, ToolOutput, ToolSpec
from fairlead.settings import Settings
from fairlead.tools import Toolbox

ACME = Principal(tenant="acme")


def declared(name: str, **said: object) -> Settings:
    return Settings.model_validate({"tools": {"declare": {name: said}}})


def lookup(order: str, note: str = "") -> str:
    """Look an order up."""
    return f"{order} is sent{note}"


@tool(effect="send")
def remind(to: str) -> str:
    """Remind somebody."""
    return to


class Remote:
    """A catalog such as a server's."""

    def __init__(self, **fields: Any) -> None:
        self.asked: list[tuple[ToolCall, Mapping[str, object]]] = []
        self._fields = fields

    def specs(self) -> Sequence[ToolSpec]:
        parameters: Mapping[str, Json] = {"type": "object", "properties": {"to": {}, "body": {}}}
        return [ToolSpec(name="mail", description="Mail.", effect="send", parameters=parameters)]

    async def call(
        self,
        call: ToolCall,
        principal: Principal,
        *,
        seconds: float,
        run_id: str = "",
        hop: int = 0,
    ) -> ToolOutput:
        self.asked.append((call, {"seconds": seconds, "run_id": run_id, "hop": hop}))
        return ToolOutput(
            call_id="theirs",
            tool="theirs",
            arguments={},
            text="x" * 300,
            data={"id": 1},
            returns="first_party",
            **self._fields,
        )


class Shop:
    @classmethod
    @tool(effect="read")
    def name(cls) -> str:
        """Tell the name."""
        return cls.__name__


async def test_a_plain_function_is_admin_until_declared() -> None:
    spec = Toolbox([lookup]).specs()[0]
    assert (spec.effect, spec.authority) == ("admin", ("order", "note"))
    assert decide(spec, allow=()).action == "block"
    settings = declared("lookup", effect="write", payload=["note"], returns="first_party")
    toolbox = Toolbox([lookup], settings)
    spec = toolbox.specs()[0]
    assert (spec.effect, spec.authority, spec.payload) == ("write", ("order",), ("note",))
    output = await toolbox.call(ToolCall(tool="lookup", arguments={"order": "7"}), ACME, seconds=5)
    assert (output.text, output.returns) == ("7 is sent", "first_party")


async def test_a_classmethod_is_a_tool_of_its_class() -> None:
    inner = Shop.__dict__["name"].__func__
    for thing in (Shop.name, MethodType(inner, Shop)):  # as Python 3.11 and 3.13 bind it
        output = await Toolbox([thing]).call(ToolCall(tool="name"), ACME, seconds=5)
        assert output.text == "Shop"


def test_a_decorated_tool_is_declared_in_one_place() -> None:
    with pytest.raises(SettingsError, match="in code and in the settings") as caught:
        Toolbox([remind], declared("remind", effect="read"))
    assert "[tools.declare.remind]" in caught.value.hint


@pytest.mark.parametrize("thing", [lookup, Remote()])
def test_a_declaration_of_an_argument_that_is_not_there_is_refused(thing: object) -> None:
    name = "lookup" if thing is lookup else "mail"
    with pytest.raises(SettingsError, match="names 'recipient'") as caught:
        Toolbox([thing], declared(name, effect="send", authority=["recipient"]))
    assert "It takes: '" in caught.value.hint


async def test_a_catalogs_tool_is_called_with_its_place_in_the_run() -> None:
    remote = Remote()
    toolbox = Toolbox([remote], Settings.model_validate({"tools": {"output_chars": 100}}))
    assert toolbox.specs() == tuple(remote.specs())
    call = ToolCall(tool="mail", arguments={"to": "bob"}, call_id="c1")
    output = await toolbox.call(call, ACME, seconds=5, run_id="r", hop=3)
    assert remote.asked == [(call, {"seconds": 5, "run_id": "r", "hop": 3})]
    assert (output.tool, output.call_id, output.arguments) == ("mail", "c1", {"to": "bob"})
    assert "[cut: 100 of 300 characters]" in output.text
    assert output.returns == "untrusted"  # what its specification says, not what it claims


async def test_a_catalogs_error_stays_an_error() -> None:
    toolbox = Toolbox([Remote(error="mailbox full")])
    output = await toolbox.call(ToolCall(tool="mail"), ACME, seconds=5)
    assert output.error == "mailbox full"


def test_settings_speak_for_a_catalogs_tool() -> None:
    settings = declared("mail", effect="send", payload=["body"])
    spec = Toolbox([Remote()], settings).specs()[0]
    assert (spec.authority, spec.payload) == (("to",), ("body",))


def test_a_catalogs_tool_is_checked_by_the_catalog() -> None:
    Toolbox([Remote()]).check(ToolCall(tool="mail", arguments={"odd": 1}), ACME)


async def test_a_toolbox_is_a_catalog_itself() -> None:
    inner = Toolbox([remind])
    output = await Toolbox([inner]).call(
        ToolCall(tool="remind", arguments={"to": "ann"}), ACME, seconds=5
    )
    assert output.text == "ann"


@pytest.mark.parametrize("thing", [42, "lookup", Remote, [lookup], None])
def test_what_is_no_tool_is_refused(thing: object) -> None:
    with pytest.raises(InputError, match="is not a tool") as caught:
        Toolbox([thing])
    assert "@tool" in caught.value.hint
