"""Tools made from functions."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, cast

import pytest

from fairlead import Authority, Payload, tool
from fairlead.errors import InputError
from fairlead.schema import Principal
from fairlead.tools import Tool

ACME = Principal(tenant="acme", subject="ann")


@tool(effect="send", seconds=2.5, returns="first_party")
async def email(
    to: Annotated[str, Authority], subject: str, body: Annotated[str, Payload()], cc: str = ""
) -> str:
    """Send an e-mail.

    Args:
        to: Who gets it.
    """
    return f"{to}/{subject}/{body}{cc}"


def plain(number: int) -> int:
    """Double it."""
    return number * 2


async def ran(declared: Tool[..., Any], **arguments: Any) -> object:
    return await declared.start(arguments, ACME)()


def test_a_declaration_becomes_a_spec() -> None:
    spec = email.spec
    assert (spec.name, spec.description, spec.effect) == ("email", "Send an e-mail.", "send")
    assert (spec.returns, email.seconds) == ("first_party", 2.5)
    assert spec.authority == ("to", "subject", "cc")  # what is not declared decides
    assert spec.payload == ("body",)
    assert spec.source.startswith("python:")
    assert spec.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["to", "subject", "body"],
        "properties": {
            "to": {"type": "string", "description": "Who gets it."},
            "subject": {"type": "string"},
            "body": {"type": "string"},
            "cc": {"type": "string", "default": ""},
        },
    }


def test_roles_of_a_reading_tool_are_only_what_is_declared() -> None:
    def find(order: Annotated[str, Authority], note: str) -> str:
        """Find it."""
        return order + note

    spec = tool(effect="egress")(find).spec
    assert (spec.authority, spec.payload) == (("order",), ())


def test_undeclared_is_the_strictest() -> None:
    bare: Tool[[int], int] = tool(plain)
    assert bare.spec.effect == "admin"
    assert bare.spec.authority == ("number",)
    assert tool()(plain).spec == bare.spec
    assert repr(bare) == "<Tool 'plain' effect='admin'>"


def test_name_and_description_may_be_given() -> None:
    spec = tool(name="twice", description="Two times.")(plain).spec
    assert (spec.name, spec.description) == ("twice", "Two times.")


async def test_the_function_stays_usable() -> None:
    assert await email("a", "b", body="c") == "a/b/c"
    assert tool(plain)(4) == 8
    assert tool(plain).__name__ == "plain"
    assert tool(plain).__doc__ == "Double it."


async def test_runs_async_and_blocking_functions() -> None:
    assert await ran(email, to="a", subject="b", body="c", cc="d") == "a/b/cd"
    assert await ran(tool(plain), number="4") == 8


class Desk:
    """Where tools are methods."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    @tool(effect="read")
    def find(self, order: str) -> str:
        """Find an order.

        Args:
            order: Its number.
        """
        return f"{self.owner}:{order}"

    @classmethod
    @tool(effect="read")
    def kind(cls, plural: bool) -> str:
        """Tell the kind."""
        return cls.__name__ + "s" * plural

    @staticmethod
    @tool(effect="read")
    def ping() -> str:
        """Ping."""
        return "pong"

    async def __call__(self, order: str) -> str:
        """Ask the desk."""
        return f"asked {order}"


async def test_methods_are_tools_of_their_instance() -> None:
    desk = Desk("ann")
    assert desk.find("7") == "ann:7"
    assert await ran(desk.find, order="7") == "ann:7"
    assert await ran(Desk("bob").find, order="7") == "bob:7"
    assert desk.find.spec.parameters["properties"] == {
        "order": {"type": "string", "description": "Its number."}
    }
    assert await ran(Desk.ping) == "pong"


def test_a_method_without_its_object_says_what_to_pass() -> None:
    with pytest.raises(InputError, match="'find' is a method") as caught:
        _ = Desk.find.spec
    assert "desk.find" in caught.value.hint


async def test_partials_and_callable_objects_are_tools() -> None:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    added = tool(name="add3", description="Add three.")(functools.partial(add, b=3))
    assert await ran(added, a=1) == 4
    asked: Tool[..., Any] = tool(name="ask")(Desk("ann"))
    assert await ran(asked, order="7") == "asked 7"


async def test_the_principal_is_injected_and_cannot_be_filled_in() -> None:
    async def whoami(who: Principal, loud: bool = False) -> str:
        """Tell who asks."""
        return who.subject.upper() if loud else who.subject

    declared = tool(effect="read")(whoami)
    assert declared.spec.parameters["properties"] == {"loud": {"type": "boolean", "default": False}}
    assert await ran(declared, loud=True) == "ANN"
    with pytest.raises(InputError, match="'who' is not a parameter"):
        declared.start({"who": {"tenant": "evil"}}, ACME)


def undocumented(number: int) -> int:
    return number


def generates() -> Iterator[int]:
    """Yield."""
    yield 1


async def generates_async() -> AsyncIterator[int]:
    """Yield."""
    yield 1


@pytest.mark.parametrize(
    ("declare", "said", "hint"),
    [
        (lambda: tool(undocumented), "no docstring", "one line"),
        (lambda: tool(lambda: 1), "'<lambda>' cannot be a tool's name", "name="),
        (lambda: tool(name="a b")(plain), "'a b' cannot be", "letters"),
        (lambda: tool(effect="sned")(plain), "unknown effect 'sned'", "send"),  # type: ignore[call-overload] # wrong on purpose
        (lambda: tool(returns="x")(plain), "unknown returns 'x'", "first_party"),  # type: ignore[call-overload] # wrong on purpose
        (lambda: tool(seconds=0)(plain), "time limit of 0", "positive"),
        (lambda: tool(generates), "piece by piece", "list"),
        (lambda: tool(generates_async), "piece by piece", "list"),
        (lambda: tool(tool(plain)), "is not a function", "once"),
        (lambda: tool("plain"), "is not a function", "once"),  # type: ignore[call-overload] # wrong on purpose
        (
            lambda: tool(cast(Any, classmethod(cast(Any, plain)))),
            "above @classmethod",
            "above @tool",
        ),
    ],
)
def test_what_no_planner_could_use_is_refused(
    declare: Callable[[], object], said: str, hint: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        declare()
    assert hint in caught.value.hint
