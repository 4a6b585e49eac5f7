"""A function's parameters."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from fairlead.errors import InputError
from fairlead.schema import Json, Principal
from fairlead.tools.docstrings import Docstring
from fairlead.tools.parameters import Authority, Parameters, Payload


def of(fn: Callable[..., object], **described: str) -> Parameters:
    return Parameters(fn, Docstring(parameters=described), "thing")


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Place:
    city: str
    zip: str = ""


def rich(
    when: date,
    colour: Colour,
    kind: Literal["a", "b"],
    places: list[Place],
    share: Annotated[float, Field(ge=0, le=1)] = 0.5,
    note: str | None = None,
) -> None: ...


def test_types_become_schema_and_values() -> None:
    parameters = of(rich, when="The day.")
    properties: Any = parameters.schema["properties"]
    assert properties["when"] == {"type": "string", "format": "date", "description": "The day."}
    assert properties["kind"] == {"enum": ["a", "b"], "type": "string"}
    assert properties["share"]["default"] == 0.5
    assert properties["note"]["default"] is None
    assert parameters.schema["required"] == ["when", "colour", "kind", "places"]
    values = parameters.check(
        {"when": "2026-01-02", "colour": "red", "kind": "b", "places": [{"city": "Rome"}]}
    )
    assert values == {
        "when": date(2026, 1, 2),
        "colour": Colour.RED,
        "kind": "b",
        "places": [Place("Rome")],
    }


def test_each_bad_argument_is_named_with_what_was_expected() -> None:
    with pytest.raises(InputError) as caught:
        of(rich).check({"when": "soon", "colour": "blue", "kind": "a", "share": 2, "plces": []})
    said = caught.value.message
    assert said.startswith("bad arguments for 'thing': ")
    assert "'when': Input should be a valid date" in said
    assert "'colour': Input should be 'red', got 'blue'" in said
    assert "'places' is missing, expected array" in said
    assert "'share': Input should be less than or equal to 1, got 2" in said
    assert "'plces' is not a parameter (there are: 'when', 'colour'" in said


def test_what_was_given_is_quoted_in_short() -> None:
    with pytest.raises(InputError) as caught:
        of(rich).check({"kind": "x" * 500})
    assert len(caught.value.message) < 500


def test_a_parameter_may_be_called_anything() -> None:
    def odd(schema: str, copy: int, model_config: bool, json: str) -> None: ...

    values: dict[str, Json] = {"schema": "s", "copy": 1, "model_config": True, "json": "j"}
    assert of(odd).check(values) == values


def test_a_parameter_called_title_keeps_its_schema() -> None:
    def titled(title: str) -> None: ...

    assert of(titled).schema["properties"] == {"title": {"type": "string"}}


def test_no_parameters_is_an_empty_object() -> None:
    def none() -> None: ...

    assert of(none).schema == {"type": "object", "additionalProperties": False, "properties": {}}
    with pytest.raises(InputError, match="there are: none"):
        of(none).check({"x": 1})


def test_roles_are_found_at_any_depth() -> None:
    def roles(
        a: Annotated[str, Authority],
        b: Annotated[str, Payload()] | None,
        c: list[Annotated[str, Authority]],
        d: str,
    ) -> None: ...

    found = {item.name: item.role for item in of(roles).items}
    assert found == {"a": "authority", "b": "payload", "c": "authority", "d": None}


@pytest.mark.parametrize("kind", [Principal, Principal | None, Annotated[Principal, "who"]])
def test_a_principal_is_not_a_parameter(kind: Any) -> None:
    def whose(who: Any, x: int) -> None: ...

    whose.__annotations__["who"] = kind
    assert of(whose).principal == "who"
    assert [item.name for item in of(whose).items] == ["x"]


def test_a_default_that_json_cannot_express_is_shown() -> None:
    def odd(x: int = object()) -> None: ...  # type: ignore[assignment] # wrong on purpose

    properties: Any = of(odd).schema["properties"]
    assert properties["x"]["default"].startswith("<object object")


class Opaque:
    pass


def many(*args: int) -> None: ...
def named(**kwargs: int) -> None: ...
def positional(x: int, /) -> None: ...
def untyped(x) -> None: ...  # type: ignore[no-untyped-def] # wrong on purpose
def unknown(x: "NoSuchType") -> None: ...  # type: ignore[name-defined] # noqa: F821 - wrong on purpose
def opaque(x: Opaque) -> None: ...
def callback(x: Callable[[], int]) -> None: ...
def both(x: Annotated[str, Authority, Payload]) -> None: ...


@pytest.mark.parametrize(
    ("fn", "said", "hint"),
    [
        (many, "variadic positional", "Name each"),
        (named, "variadic keyword", "Name each"),
        (positional, "'x' of tool 'thing' is positional-only", "'/'"),
        (untyped, "'x' of tool 'thing' has no type hint", "x: str"),
        (unknown, "NoSuchType", "module level"),
        (opaque, "JSON cannot express", "dataclass"),
        (callback, "JSON cannot express", "dataclass"),
        (both, "Authority and Payload", "Keep one"),
    ],
)
def test_what_a_planner_could_not_fill_in_is_refused(
    fn: Callable[..., object], said: str, hint: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        of(fn)
    assert hint in caught.value.hint
