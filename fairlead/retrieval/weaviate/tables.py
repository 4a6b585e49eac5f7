"""One tenant's objects of one class: written, found and counted. Knows no meaning of them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fairlead.errors import FairleadError
from fairlead.retrieval.weaviate.connection import Connection

if TYPE_CHECKING:  # numpy costs 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

_Found = TypeVar("_Found")
_AT_ONCE: Final = 200
_CHARS_AT_ONCE: Final = 8_000_000
PAGE: Final = 1000
_PATCHING: Final = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """One object."""

    id: str
    values: Mapping[str, Any]
    vectors: "Mapping[str, Sequence[float] | NDArray[float32]]" = field(default_factory=dict)
    score: float = 0.0


class Table:
    """Blocks. Where the class or tenant does not exist, `Absent` is raised."""

    def __init__(self, connection: Connection, name: str, tenant: str, replicas: int) -> None:
        self._connection, self.name, self.tenant = connection, name, tenant
        self._replicas = replicas

    def _on(self, work: Callable[[Any], _Found]) -> _Found:
        return self._connection.call(lambda client: work(self.of(client)))

    def of(self, client: Any) -> Any:
        """The client's handle. Whatever is acknowledged lies on most replicas."""
        from weaviate.classes.config import ConsistencyLevel  # noqa: PLC0415 - an extra

        handle = client.collections.use(self.name).with_tenant(self.tenant)
        if self._replicas > 1:
            handle = handle.with_consistency_level(ConsistencyLevel.QUORUM)
        return handle

    # --- writing ---------------------------------------------------------------------------------

    def put(self, rows: Sequence[Row]) -> None:
        """Stores objects whole, in place of what their ids have. One that fails is sent again by
        itself; raises `FairleadError` that names what still fails."""
        for some in _slices(rows):
            failed = self._inserted(some)
            if not failed:
                continue
            by_id = {row.id: row for row in some}
            still = {id_: said for id_ in failed for said in self._inserted([by_id[id_]]).values()}
            if still:
                first, said = next(iter(still.items()))
                raise FairleadError(
                    f"the Weaviate server refused {len(still)} of {len(rows)} objects of"
                    f" {self.name!r}, first {first!r}: {said[:300]}"
                )

    def _inserted(self, rows: Sequence[Row]) -> dict[str, str]:
        """Sends objects; of those that failed, why."""
        from weaviate.classes.data import DataObject  # noqa: PLC0415 - an extra
        from weaviate.exceptions import (  # noqa: PLC0415 - an extra
            WeaviateInsertManyAllFailedError,
        )

        objects = [
            DataObject(uuid=row.id, properties=dict(row.values), vector=_listed(row.vectors))
            for row in rows
        ]

        def insert(handle: Any) -> dict[str, str]:
            try:
                done = handle.data.insert_many(objects)
            except WeaviateInsertManyAllFailedError as error:
                return dict.fromkeys((row.id for row in rows), error.message)
            return {rows[at].id: str(error.message) for at, error in done.errors.items()}

        return self._on(insert)

    def patch(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Changes some properties of objects; those that are gone stay gone."""
        if not changes:
            return

        def update(change: tuple[str, Mapping[str, Any]]) -> None:
            from weaviate.exceptions import UnexpectedStatusCodeError  # noqa: PLC0415 - an extra

            id_, values = change

            def send(handle: Any) -> None:
                try:
                    handle.data.update(uuid=id_, properties=dict(values))
                except UnexpectedStatusCodeError as error:
                    if error.status_code != 404:
                        raise

            self._on(send)

        with ThreadPoolExecutor(min(_PATCHING, len(changes))) as pool:
            for _ in pool.map(update, changes.items()):
                pass

    def delete(self, where: Any) -> int:
        """Deletes what satisfies a condition; how much."""
        total = 0
        while True:
            done = self._on(lambda handle: handle.data.delete_many(where=where))
            if done.failed:
                raise FairleadError(f"{done.failed} objects of {self.name!r} could not be deleted")
            total += int(done.successful)
            if done.matches < PAGE:
                return total

    # --- reading ---------------------------------------------------------------------------------

    def get(self, ids: Sequence[str], wanted: "Wanted") -> dict[str, Row]:
        """Objects by id; those that there are."""
        found: dict[str, Row] = {}
        for some in slices(ids, PAGE):
            found.update((row.id, row) for row in self._on(partial(_by_ids, some, wanted)))
        return found

    def find(self, where: Any, wanted: "Wanted", *, limit: int = PAGE) -> list[Row]:
        """Objects that satisfy a condition, in the order of `wanted`."""
        return self._on(partial(_fetched, where, wanted, limit))

    def all(self, where: Any, wanted: "Wanted") -> Iterator[Row]:
        """As `find` without limit, oldest first, page by page. They must have an `order`."""
        from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

        ordered = Wanted(
            values=(*wanted.values, "order", "ordinal"),
            vectors=wanted.vectors,
            sort=(("order", True), ("ordinal", True)),
        )
        here = where
        while True:
            rows = self.find(here, ordered)
            yield from rows
            if len(rows) < PAGE:
                return
            last = rows[-1].values
            order = Filter.by_property("order")
            after = order.greater_than(last["order"])
            if last.get("ordinal") is not None:
                level = order.equal(last["order"])
                after |= level & Filter.by_property("ordinal").greater_than(last["ordinal"])
            here = where & after

    def every(self, wanted: "Wanted") -> Iterator[Row]:
        """All objects of the tenant, in no order."""
        after: str | None = None
        while True:
            rows = self._on(partial(_after, after, wanted))
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1].id

    def count(self, where: Any) -> int:
        return self._on(
            lambda handle: int(
                handle.aggregate.over_all(total_count=True, filters=where).total_count or 0
            )
        )


class AsyncTable:
    """The same for queries, in an event loop."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._connection = table._connection

    async def _on(self, work: Callable[[Any], Any]) -> list[Row]:
        async def asked(client: Any) -> list[Row]:
            return rows_of(await work(self._table.of(client)))

        return await self._connection.acall(asked)

    async def get(self, ids: Sequence[str], wanted: "Wanted") -> dict[str, Row]:
        found: dict[str, Row] = {}
        for some in slices(ids, PAGE):
            rows = await self._on(partial(_ask_by_ids, some, wanted))
            found.update((row.id, row) for row in rows)
        return found

    async def find(self, where: Any, wanted: "Wanted", *, limit: int = PAGE) -> list[Row]:
        return await self._on(partial(_ask, where, wanted, limit))

    async def count(self, where: Any) -> int:
        async def asked(client: Any) -> int:
            handle = self._table.of(client)
            found = await handle.aggregate.over_all(total_count=True, filters=where)
            return int(found.total_count or 0)

        return await self._connection.acall(asked)

    async def by_words(
        self, words: str, properties: Sequence[str], where: Any, n: int
    ) -> list[Row]:
        """The best by BM25."""
        from weaviate.classes.query import MetadataQuery  # noqa: PLC0415 - an extra

        return await self._on(
            lambda handle: handle.query.bm25(
                words,
                query_properties=list(properties),
                filters=where,
                limit=n,
                return_properties=[],
                return_metadata=MetadataQuery(score=True),
            )
        )

    async def by_vector(self, vector: Sequence[float], name: str, where: Any, n: int) -> list[Row]:
        """The nearest; their score is the cosine."""
        from weaviate.classes.query import MetadataQuery  # noqa: PLC0415 - an extra

        return await self._on(
            lambda handle: handle.query.near_vector(
                vector,
                target_vector=name,
                filters=where,
                limit=n,
                return_properties=[],
                return_metadata=MetadataQuery(distance=True),
            )
        )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is read of objects."""

    values: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    """Properties, and whether they rise."""

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {"return_properties": list(dict.fromkeys(self.values))}
        if self.vectors:
            found["include_vector"] = list(self.vectors)
        return found

    def order(self) -> dict[str, Any]:
        from weaviate.classes.query import Sort  # noqa: PLC0415 - an extra

        if not self.sort:
            return {}
        (first, rising), *rest = self.sort
        sort = Sort.by_property(first, ascending=rising)
        for name, up in rest:
            sort = sort.by_property(name, ascending=up)
        return {"sort": sort}


def _ask(where: Any, wanted: Wanted, limit: int, handle: Any) -> Any:
    return handle.query.fetch_objects(
        filters=where, limit=limit, **wanted.options(), **wanted.order()
    )


def _fetched(where: Any, wanted: Wanted, limit: int, handle: Any) -> list[Row]:
    return rows_of(_ask(where, wanted, limit, handle))


def _ask_by_ids(ids: Sequence[str], wanted: Wanted, handle: Any) -> Any:
    return handle.query.fetch_objects_by_ids(ids, limit=len(ids), **wanted.options())


def _by_ids(ids: Sequence[str], wanted: Wanted, handle: Any) -> list[Row]:
    return rows_of(_ask_by_ids(ids, wanted, handle))


def _after(after: str | None, wanted: Wanted, handle: Any) -> list[Row]:
    return rows_of(handle.query.fetch_objects(after=after, limit=PAGE, **wanted.options()))


def rows_of(answer: Any) -> list[Row]:
    """The objects of an answer."""
    return [
        Row(
            id=str(each.uuid),
            values=each.properties,
            vectors=each.vector or {},
            score=_score(each.metadata),
        )
        for each in answer.objects
    ]


def _score(metadata: Any) -> float:
    if metadata is None:
        return 0.0
    if metadata.distance is not None:
        return 1.0 - float(metadata.distance)
    return float(metadata.score or 0.0)


def slices(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(ids), size):
        yield list(ids[at : at + size])


def _slices(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """As many at once as one request may hold."""
    some: list[Row] = []
    chars = 0
    for row in rows:
        size = sum(len(value) for value in row.values.values() if isinstance(value, str))
        if some and (len(some) >= _AT_ONCE or chars + size > _CHARS_AT_ONCE):
            yield some
            some, chars = [], 0
        some.append(row)
        chars += size
    if some:
        yield some


def _listed(vectors: Mapping[str, Any]) -> dict[str, list[float]] | None:
    found = {
        name: vector.tolist() if hasattr(vector, "tolist") else list(vector)
        for name, vector in vectors.items()
    }
    return found or None


def conditions(**equal: str | int | bool) -> Any:
    """All properties equal to the values."""
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    return Filter.all_of([Filter.by_property(name).equal(value) for name, value in equal.items()])


def among(name: str, values: Collection[str] | Collection[int]) -> Any:
    """The property, or a member of it, is one of the values; nothing where there are none."""
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    if not values:
        return Filter.by_property("order").less_than(0)
    listed: Any = list(values)
    return Filter.by_property(name).contains_any(listed)
