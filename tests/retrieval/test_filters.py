import pytest

from fairlead.errors import InputError
from fairlead.retrieval.filters import condition
from fairlead.schema import Json

METADATA: dict[str, Json] = {
    "year": 2024,
    "country": "FR",
    "tags": ["a", "b"],
    "draft": False,
    "valid_from": "2024-05-01",
    "score": "7",
}


@pytest.mark.parametrize(
    "filters",
    [
        {"year": 2024},
        {"year": "2024"},
        {"score": {"gte": 6.5, "lte": 7}},
        {"country": "FR", "year": {"ne": 2023}},
        {"country": {"in": ["DE", "FR"]}},
        {"tags": "b"},
        {"tags": {"in": ["x", "a"]}},
        {"draft": False},
        {"draft": "false"},
        {"missing": {"exists": False}},
        {"missing": {"ne": 1}},
        {"valid_from": {"gte": "2024-04-30T23:00:00Z", "lte": "2024-05-01"}},
        {"country": {"gte": "ES"}},
    ],
)
def test_holds(filters: dict[str, Json]) -> None:
    assert condition(filters)(METADATA)


@pytest.mark.parametrize(
    "filters",
    [
        {"year": 2023},
        {"year": {"gte": 2025}},
        {"country": "fr"},
        {"missing": None, "year": 1},
        {"missing": {"gte": 0}},
        {"tags": {"ne": "a"}},
        {"draft": 0},
        {"draft": {"exists": False}},
        {"country": {"lte": 5}},
        {"missing": False},
    ],
)
def test_does_not_hold(filters: dict[str, Json]) -> None:
    assert not condition(filters)(METADATA)


@pytest.mark.parametrize(
    "filters",
    [{"year": {"above": 1}}, {"year": {"in": 3}}, {"year": {"exists": "yes"}}],
)
def test_bad_operators_are_named(filters: dict[str, Json]) -> None:
    with pytest.raises(InputError, match="year"):
        condition(filters)
