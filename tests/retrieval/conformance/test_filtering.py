"""Conditions on documents' metadata: the same on every store."""

import pytest

from fairlead.errors import InputError
from fairlead.retrieval import Library
from fairlead.retrieval.filters import parsed_filters
from fairlead.retrieval.store import Store
from fairlead.schema import Document, Json, Principal
from tests.retrieval.conformance.conftest import ids_in, scope

READER = Principal(tenant="acme")
METADATA: dict[str, dict[str, Json]] = {
    "a": {"year": 2020, "kind": "rule", "tags": ["x", "y"], "draft": True, "on": "2024-03-01"},
    "b": {"year": 2021.5, "kind": "Rule", "tags": ["y"], "draft": False, "on": "2024-03-02T10:00Z"},
    "c": {"year": "2022", "kind": "note", "tags": [], "draft": "true", "size": -3, "grade": "b"},
    "d": {"kind": "true", "size": 0.25, "grade": "c", "none": None},
    "e": {"size": 1e9, "grade": "é", "year": -1},
}


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"year": 2020}, "a"),
        ({"year": "2020.0"}, "a"),
        ({"year": {"in": [2020, "2022"]}}, "ac"),
        ({"year": {"in": []}}, ""),
        ({"year": {"gte": 2021}}, "bc"),
        ({"year": {"gte": 2020, "lte": 2021.5}}, "ab"),
        ({"year": {"lte": 0}}, "e"),
        ({"year": {"ne": 2020}}, "bcde"),
        ({"year": {"exists": False}}, "d"),
        ({"none": {"exists": False}}, "abcde"),
        ({"kind": "rule"}, "a"),
        ({"kind": {"ne": "rule"}}, "bcde"),
        ({"kind": True}, "d"),
        ({"tags": "y"}, "ab"),
        ({"tags": {"exists": True}}, "abc"),
        ({"draft": True}, "ac"),
        ({"draft": "true"}, "ac"),
        ({"draft": False}, "b"),
        ({"on": {"gte": "2024-03-02"}}, "b"),
        ({"on": {"lte": "2024-03-01"}}, "a"),
        ({"size": {"lte": 0.25}}, "cd"),
        ({"size": {"gte": -3.0}}, "cde"),
        ({"size": {"gte": 0.3}}, "e"),
        ({"grade": {"gte": "c"}}, "de"),
        ({"grade": {"lte": "b~"}}, "c"),
        ({"document_id": {"in": ["a", "e"]}}, "ae"),
        ({"source": "s-b"}, "b"),
    ],
)
async def test_filters(
    store: Store, library: Library, filters: dict[str, Json], wanted: str
) -> None:
    given = [
        Document(id=i, text=f"Text {i}.", metadata=m, source=f"s-{i}") for i, m in METADATA.items()
    ]
    await library.ingest(given, tenant="acme")
    if "none" in filters:
        await library.ingest([Document(id="f", text="F", metadata={"none": "n"})], tenant="acme")
    found = await ids_in(store.index("acme", "default"), scope(filters=parsed_filters(filters, {})))
    assert "".join(sorted(found)) == wanted


@pytest.mark.parametrize(
    ("kind", "filters", "wanted"),
    [
        ("string", {"year": "2022"}, "c"),
        ("string", {"grade": {"gte": "b"}}, "cde"),
        ("date", {"on": "2024-03-02T11:00+01:00"}, "b"),
        ("boolean", {"draft": "true"}, "ac"),
        ("number", {"year": {"gte": "2021"}}, "bc"),
    ],
)
async def test_declared_fields(
    store: Store, library: Library, kind: str, filters: dict[str, Json], wanted: str
) -> None:
    given = [Document(id=i, text=f"Text {i}.", metadata=m) for i, m in METADATA.items()]
    await library.ingest(given, tenant="acme")
    declared = dict.fromkeys(filters, kind)
    parsed = parsed_filters(filters, declared)  # type: ignore[arg-type] # as the settings give it
    found = await ids_in(store.index("acme", "default"), scope(filters=parsed))
    assert "".join(sorted(found)) == wanted


async def test_a_misspelt_field_is_an_error(library: Library) -> None:
    await library.ingest([Document(text="t", metadata={"country": "DE"})], tenant="acme")
    await library.ingest([Document(text="t", metadata={"secret": 1})], tenant="rival")
    with pytest.raises(InputError, match="no such field") as caught:
        await library.search("t", principal=READER, filters={"contry": "DE"})
    assert "'country'" in caught.value.hint
    with pytest.raises(InputError) as caught:
        await library.search("t", principal=READER, filters={"secret": 1})
    assert "secret" not in caught.value.hint


async def test_fields_of_documents_for_others_are_not_told_of(
    store: Store, library: Library
) -> None:
    """Neither in the advice nor by another answer than for a field that does not exist."""
    secret = Document(id="s", text="t", metadata={"salary_band": "C"}, acl=("boss",))
    await library.ingest([secret], tenant="acme")
    for name in ("salary_band", "salary_bend"):
        assert not (await library.search("t", principal=READER, filters={name: "C"})).hits
    open_ = Document(id="o", text="t", metadata={"country": "DE"})
    await library.ingest([open_], tenant="acme")
    for name in ("salary_band", "salary_bend"):
        with pytest.raises(InputError, match="no such field") as caught:
            await library.search("t", principal=READER, filters={name: "C"})
        assert "salary_band" not in caught.value.hint
    with pytest.raises(InputError, match="no such field"):
        await library.search("t", principal=READER, filters={"salary_band": {"exists": False}})
    boss = Principal(tenant="acme", subject="boss")
    found = await library.search("t", principal=boss, filters={"salary_band": "C"})
    assert [hit.document_id for hit in found.hits] == ["s"]


async def test_large_whole_numbers_are_told_apart(store: Store, library: Library) -> None:
    """Identifiers beyond 2^53, where floats are not."""
    large = 9_007_199_254_740_992
    given = [Document(id=f"d{n}", text="t", metadata={"key": large + n}) for n in range(3)]
    await library.ingest(given, tenant="acme")
    index = store.index("acme", "default")
    asked: list[tuple[dict[str, Json], set[str]]] = [
        ({"key": large + 1}, {"d1"}),
        ({"key": {"in": [large, large + 2]}}, {"d0", "d2"}),
        ({"key": {"ne": large + 1}}, {"d0", "d2"}),
        ({"key": str(large + 1)}, {"d1"}),
        ({"key": {"gte": large - 2}}, {"d0", "d1", "d2"}),
    ]
    for wanted, found in asked:
        assert await ids_in(index, scope(filters=parsed_filters(wanted, {}))) == found
