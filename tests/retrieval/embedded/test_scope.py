"""What a reader may see: the store's columns and SQL against the same rules said in Python."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import InputError, NotFound
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.retrieval.embedded.index import EmbeddedIndex
from fairlead.retrieval.filters import Kind, parsed_filters
from fairlead.retrieval.stored import Entry, Scope
from fairlead.retrieval.times import utc
from fairlead.schema import Json, Principal
from tests.retrieval.embedded.conftest import entry

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIELDS: Mapping[str, Kind] = {"year": "number", "kind": "string", "draft": "boolean", "on": "date"}
SCALARS: Mapping[str, st.SearchStrategy[Json]] = {
    "year": st.sampled_from([2019, 2020, 2021.5, "2020", -1, 1234567, 1234568]),
    "kind": st.sampled_from(["rule", "note", "Rule", "7", "true"]),
    "draft": st.booleans(),
    "on": st.sampled_from(["2024-03-01", "2024-03-01T00:00:00Z", "2024-03-02T10:00+02:00"]),
}


@dataclass(frozen=True, kw_only=True)
class Given:
    """One document as the property knows it."""

    metadata: Mapping[str, Json]
    acl: tuple[str, ...]
    days: int | None
    """Until it expires, from `NOW`."""
    age: int
    """Days since it was seen at its source."""


def values(name: str) -> st.SearchStrategy[Json]:
    return SCALARS[name] | st.lists(SCALARS[name], max_size=2)


DOCUMENTS = st.lists(
    st.builds(
        Given,
        metadata=st.fixed_dictionaries({}, optional={name: values(name) for name in FIELDS}),
        acl=st.sampled_from([(), (), ("staff",), ("eva", "staff"), ("hr",)]),
        days=st.sampled_from([None, None, -1, 0, 1]),
        age=st.integers(0, 5),
    ),
    min_size=1,
    max_size=6,
)


Condition = tuple[str, str, Json]
"""Field, operator, operand."""


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(list(FIELDS)))
    operator = draw(st.sampled_from(["eq", "ne", "gte", "lte", "in", "exists"]))
    if operator == "exists":
        return name, operator, draw(st.booleans())
    if operator == "in":
        return name, operator, draw(st.lists(SCALARS[name], max_size=2))
    return name, operator, draw(SCALARS[name])


PRINCIPALS = st.sampled_from(
    [
        Principal(tenant="acme"),
        Principal(tenant="acme", subject="eva"),
        Principal(tenant="acme", subject="tom", groups=("staff", "x")),
        Principal(tenant="acme", groups=("hr",)),
    ]
)


@contextmanager
def opened() -> Iterator[EmbeddedIndex]:
    with TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder))
        yield store.index("acme", "c")
        asyncio.run(store.close())


async def found(index: EmbeddedIndex, scope: Scope) -> set[str]:
    async with index.snapshot(scope) as snapshot:
        held = await snapshot.candidates(await snapshot.sample(100))
        assert len(held) == snapshot.chunks
        assert await snapshot.frequencies(["tea"]) == ({"tea": len(held)} if held else {})
        assert set(await snapshot.sparse(["tea"], 100)) == set(held)
        return {each.hit.document_id for each in held.values()}


# --- the rules, said another way -----------------------------------------------------------------


def typed(value: Json, kind: Kind) -> object:
    """A value as its declared type."""
    if kind == "number":
        return float(str(value))
    if kind == "date":
        moment = datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return value if kind == "boolean" else str(value)


def satisfies(kind: Kind, stored: Json, operator: str, operand: Json) -> bool:
    """Whether a document with that value satisfies one condition."""
    if operator == "exists":
        return (stored is not None) is operand
    members = stored if isinstance(stored, list) else [] if stored is None else [stored]
    mine: list[Any] = [typed(each, kind) for each in members]
    if operator == "in":
        assert isinstance(operand, list)
        return any(typed(each, kind) in mine for each in operand)
    wanted: Any = typed(operand, kind)
    if operator in ("gte", "lte"):
        if kind == "boolean":  # in no order
            return False
        return any(each >= wanted if operator == "gte" else each <= wanted for each in mine)
    return (wanted in mine) is (operator == "eq")


def may_see(given: Given, principal: Principal, filters: Condition, max_age: float | None) -> bool:
    name, operator, operand = filters
    return (
        (given.days is None or given.days > 0)
        and (max_age is None or given.age < max_age)
        and (not given.acl or bool({principal.subject, *principal.groups} & set(given.acl)))
        and satisfies(FIELDS[name], given.metadata.get(name), operator, operand)
    )


@settings(max_examples=120, deadline=None)
@given(
    documents=DOCUMENTS,
    principal=PRINCIPALS,
    wanted=conditions(),
    max_age=st.sampled_from([None, None, 2.5]),
)
def test_exactly_what_may_be_seen_is_found(
    documents: list[Given], principal: Principal, wanted: Condition, max_age: float | None
) -> None:
    name, operator, operand = wanted
    scope = Scope(
        principal=principal,
        now=NOW,
        filters=parsed_filters({name: {operator: operand}}, FIELDS),
        max_age_days=max_age,
    )
    with opened() as index:
        entries = [stored(f"d{n}", given) for n, given in enumerate(documents)]
        index.commit(entries, {}, embedder="", run="r")
        seen = asyncio.run(found(index, scope))
    assert seen == {
        f"d{n}" for n, each in enumerate(documents) if may_see(each, principal, wanted, max_age)
    }


def stored(id_: str, given: Given) -> Entry:
    until = utc(NOW + timedelta(days=given.days)) if given.days is not None else ""
    seen = utc(NOW - timedelta(days=given.age))
    return entry(
        id_,
        f"Some tea, {id_}.",
        metadata=given.metadata,
        acl=given.acl,
        valid_until=until,
        fetched_at=seen,
    )


# --- by cases ------------------------------------------------------------------------------------


def ids(
    index: EmbeddedIndex, filters: Mapping[str, Json], declared: Mapping[str, Kind]
) -> set[str]:
    parsed = parsed_filters(filters, declared)
    return asyncio.run(
        found(index, Scope(principal=Principal(tenant="acme"), now=NOW, filters=parsed))
    )


def test_a_field_that_no_document_has_yet_is_no_error_where_it_is_known() -> None:
    with opened() as index:
        index.commit([entry("d", "Tea.", metadata={"a": 1})], {}, embedder="", run="r")
        assert ids(index, {"year": 2020}, {"year": "number"}) == set()
        assert ids(index, {"year": {"exists": False}}, {"year": "number"}) == {"d"}
        assert ids(index, {"url": "https://x"}, {}) == set()
        assert ids(index, {"language": {"ne": "en"}}, {}) == {"d"}
        with pytest.raises(InputError, match="cannot filter on 'year'"):
            ids(index, {"year": 2020}, {})


def test_without_a_declaration_what_is_asked_says_how_values_compare() -> None:
    with opened() as index:
        given = {
            "a": "2024-03-01",
            "b": "2024-03-01T01:00:00+01:00",
            "c": "20240301",
            "d": 20240301,
        }
        entries = [entry(i, f"Tea {i}.", metadata={"on": value}) for i, value in given.items()]
        index.commit(entries, {}, embedder="", run="r")
        assert ids(index, {"on": "2024-03-01"}, {}) == {"a", "b", "c"}  # the same moment
        assert ids(index, {"on": "20240301"}, {}) == {"c", "d"}  # the same number


def test_large_numbers_are_told_apart_as_words() -> None:
    with opened() as index:
        entries = [entry(str(n), "Tea.", metadata={"id": n}) for n in (1234567, 1234568)]
        index.commit(entries, {}, embedder="", run="r")
        assert ids(index, {"id": "1234567"}, {"id": "string"}) == {"1234567"}


@pytest.mark.parametrize("version", ["00000002", "2", "³", "00000000"])
def test_a_version_that_does_not_exist_is_said(version: str) -> None:
    with opened() as index:
        index.commit([entry("d", "Tea.")], {}, embedder="", run="r")
        error = InputError if version == "³" else NotFound
        with pytest.raises(error):
            scope = Scope(principal=Principal(tenant="acme"), now=NOW, as_of=version)
            asyncio.run(found(index, scope))
        with pytest.raises(NotFound):
            index.rollback(version, run="r")
