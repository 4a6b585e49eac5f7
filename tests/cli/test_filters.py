import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cli.filters import parse_filters
from fairlead.errors import InputError


@pytest.mark.parametrize(
    ("expression", "filters"),
    [
        ("country=FR", {"country": "FR"}),
        ("country = FR", {"country": "FR"}),
        ("year=2024", {"year": 2024}),
        ('year="2024"', {"year": "2024"}),
        ("open=true", {"open": True}),
        ("owner=null", {"owner": None}),
        ("ratio=NaN", {"ratio": "NaN"}),
        ("tags=[1]", {"tags": "[1]"}),
        ("note=", {"note": ""}),
        ("url=a=b", {"url": "a=b"}),
        ("year!=2024", {"year": {"ne": 2024}}),
        ("year>=2024", {"year": {"gte": 2024}}),
        ("day<=2024-03-01", {"day": {"lte": "2024-03-01"}}),
        ("country in FR, DE", {"country": {"in": ["FR", "DE"]}}),
        ("year in 2023,2024", {"year": {"in": [2023, 2024]}}),
        ("country exists", {"country": {"exists": True}}),
    ],
)
def test_expressions(expression: str, filters: object) -> None:
    assert parse_filters([expression]) == filters


def test_none_is_none() -> None:
    assert parse_filters(None) is None
    assert parse_filters([]) is None


def test_conditions_on_one_key_hold_together() -> None:
    assert parse_filters(["year>=2020", "year<=2024", "country=FR"]) == {
        "year": {"gte": 2020, "lte": 2024},
        "country": "FR",
    }


@pytest.mark.parametrize(
    "expressions", [["country=FR", "country=DE"], ["year=1", "year>=0"], ["year>=0", "year=1"]]
)
def test_an_equality_stands_alone(expressions: list[str]) -> None:
    with pytest.raises(InputError, match="contradicts"):
        parse_filters(expressions)


@pytest.mark.parametrize("expression", ["", "country", "=FR", "country is FR", "in a,b", "a b=c"])
def test_no_expression(expression: str) -> None:
    with pytest.raises(InputError, match="cannot read the filter"):
        parse_filters([expression])


NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))


@given(st.one_of(st.none(), st.booleans(), NUMBERS, st.text()))
def test_a_json_scalar_comes_back_as_it_was(value: object) -> None:
    assert parse_filters([f"key={json.dumps(value)}"]) == {"key": value}


@given(st.text())
def test_any_text_is_read_or_refused(expression: str) -> None:
    try:
        filters = parse_filters([expression])
    except InputError:
        return
    assert filters is not None and len(filters) == 1
