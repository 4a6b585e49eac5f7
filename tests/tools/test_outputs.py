"""What a tool returned, as JSON and as text."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import BaseModel

from fairlead.errors import InputError
from fairlead.tools.outputs import rendered


@dataclass
class Order:
    number: str
    total: Decimal


class Invoice(BaseModel):
    orders: list[Order]


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is\n", "as is\n"),
        ("", ""),
        (None, "no output"),
        (42, "42"),
        (True, "true"),
        (1.5, "1.5"),
        (float("nan"), "null"),
        (2**80, str(2**80)),
        (Decimal("0.30"), "0.30"),
        (Colour.RED, "red"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00Z"),
        ({"b": 1, "a": [True, None]}, '{"b":1,"a":[true,null]}'),
        (("é", 1), '["é",1]'),
        (Order("A1", Decimal("9.90")), '{"number":"A1","total":"9.90"}'),
        (Invoice(orders=[Order("A1", Decimal(1))]), '{"orders":[{"number":"A1","total":"1"}]}'),
        (b"bytes", "bytes"),
        ("half \ud83d", "half \ufffd"),
        ({"\udc00": ["\ud800"]}, '{"\ufffd":["\ufffd"]}'),
    ],
)
def test_has_one_text(value: object, text: str) -> None:
    assert rendered(value)[0] == text


def test_a_set_has_the_same_text_every_time() -> None:
    assert rendered({"pear", "apple", "fig"})[0] == '["apple","fig","pear"]'
    assert rendered(frozenset({3, 1, 2}))[1] == [1, 2, 3]
    assert rendered({"a", 10, 2})[0] == '[10,2,"a"]'
    assert rendered({"in": [{"b", "a", "c"}]})[0] == '{"in":[["a","b","c"]]}'


def loop() -> object:
    inner: list[object] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize("make", [object, loop, lambda: b"\xff\xfe", lambda: print])
def test_what_json_cannot_express_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InputError, match="cannot be shown"):
        rendered(make())
