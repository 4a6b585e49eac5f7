import pytest

from fairlead.errors import InputError
from fairlead.retrieval import Library
from fairlead.schema import Document, Json, Principal

METADATA: dict[str, Json] = {
    "year": 2024,
    "country": "FR",
    "tags": ["a", "b"],
    "draft": False,
    "valid_from": "2024-05-01",
    "score": "7",
}


async def found(library: Library, filters: dict[str, Json]) -> bool:
    """Whether the one document with that metadata, of two, is what the filters leave."""
    other = Document(id="other", text="Another tea", metadata={"missing": 0})
    await library.ingest([Document(id="d", text="A tea", metadata=METADATA), other], tenant="acme")
    result = await library.search("tea", principal=Principal(tenant="acme"), filters=filters)
    return [hit.document_id for hit in result.hits if hit.document_id == "d"] == ["d"]


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
async def test_holds(plain: Library, filters: dict[str, Json]) -> None:
    assert await found(plain, filters)


@pytest.mark.parametrize(
    "filters",
    [
        {"year": 2023},
        {"year": {"gte": 2025}},
        {"country": "fr"},
        {"missing": {"gte": 0}},
        {"tags": {"ne": "a"}},
        {"draft": 0},
        {"draft": {"exists": False}},
        {"country": {"lte": 5}},
        {"missing": False},
    ],
)
async def test_does_not_hold(plain: Library, filters: dict[str, Json]) -> None:
    assert not await found(plain, filters)


@pytest.mark.parametrize(
    "filters",
    [{"year": None}, {"year": {"above": 1}}, {"year": {"in": 3}}, {"year": {"exists": "yes"}}],
)
async def test_bad_operators_are_named(plain: Library, filters: dict[str, Json]) -> None:
    with pytest.raises(InputError, match="year"):
        await found(plain, filters)


async def test_an_unknown_field_is_named_with_its_nearest(plain: Library) -> None:
    with pytest.raises(InputError, match="cannot filter on 'contry'") as caught:
        await found(plain, {"contry": "FR"})
    assert caught.value.hint == "Did you mean 'country'?"
