"""The store on a Weaviate server, and one tenant's collection in it."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fairlead.reports import CollectionInfo
from fairlead.retrieval.store import Capabilities, Snapshot
from fairlead.retrieval.stored import (
    Archived,
    AuditRow,
    Entry,
    Integrity,
    Origin,
    Pending,
    Quarantined,
    Ref,
    Scope,
    Spec,
    StoredDocument,
    Tally,
    Twin,
    Vectors,
    Version,
)
from fairlead.retrieval.times import stamp
from fairlead.retrieval.weaviate import building, erasing, moving, reading, writing
from fairlead.retrieval.weaviate.connection import Absent, Connection, library
from fairlead.retrieval.weaviate.head import Head
from fairlead.retrieval.weaviate.integrity import examined
from fairlead.retrieval.weaviate.names import key, object_id
from fairlead.retrieval.weaviate.place import Place, Shared
from fairlead.retrieval.weaviate.schema import Schema
from fairlead.retrieval.weaviate.snapshot import snapshot
from fairlead.retrieval.weaviate.tables import Row, among, conditions
from fairlead.sections import Weaviate as Section


class WeaviateStore:
    """Collections on one server or cluster; each tenant is one of Weaviate's own.

    Connects at the first use. Raises `SettingsError` where the client library is not installed.
    After a node of a cluster came back, it answers searches from its own copy until the others have
    filled it up, whatever the consistency level.
    """

    name = "weaviate"

    def __init__(self, section: Section) -> None:
        library()
        connection = Connection(section)
        self.capabilities = Capabilities(
            exact_dense=False,
            visible_statistics=False,
            transactions=False,
            text_first=False,
            server_side_expiry=section.sweep,
            rebuild_scope="tenant",
            writers="machine",
        )
        self._shared = Shared(
            section=section, connection=connection, schema=Schema(connection, section)
        )

    def index(self, tenant: str, collection: str) -> "WeaviateIndex":
        return WeaviateIndex(Place(self._shared, tenant, collection))

    async def collections(self, tenant: str) -> Sequence[str]:
        return await asyncio.to_thread(self._shared.schema.collections_of, tenant)

    def specs(self) -> Iterator[tuple[str, str, Spec]]:
        for name, tenants in self._shared.schema.collections():
            for tenant in tenants:
                yield tenant, name, self.index(tenant, name).spec()

    async def close(self) -> None:
        """Closes its connections. The store can be used again afterwards."""
        await self._shared.connection.close()


class WeaviateIndex:
    """One tenant's collection. Never written, it reads as empty and makes nothing."""

    system = "weaviate"

    def __init__(self, place: Place) -> None:
        self._place = place
        self.tenant = place.tenant
        self.name = place.collection

    # --- reading

    def snapshot(self, scope: Scope) -> AbstractAsyncContextManager[Snapshot]:
        return snapshot(self._place, scope)

    def _head(self) -> Head:
        return self._place.head() or Head()

    def information(self) -> CollectionInfo | None:
        return reading.information(self._place)

    def spec(self) -> Spec:
        return self._head().spec

    def document(self, document_id: str, version: str | None = None) -> StoredDocument | None:
        head = self._place.head()
        return reading.document(self._place, head, document_id, version) if head else None

    def versions(self) -> Sequence[Version]:
        head = self._place.head()
        return reading.versions(self._place, head) if head else []

    def named(self, name: str) -> bool:
        return bool(self._place.head()) and bool(reading.not_erased(self._place, name))

    def learned(self) -> Mapping[str, str]:
        return self._head().facts

    def verified(self) -> Integrity:
        return examined(self._place)

    # --- what an ingest asks

    def stored(self, ids: Collection[str]) -> Mapping[str, str]:
        head = self._place.glimpsed()
        return reading.stored(self._place, head, ids) if head else {}

    def origins(self) -> Mapping[str, Origin]:
        try:
            return reading.origins(self._place)
        except Absent:
            return {}

    def below(self, roots: Sequence[str]) -> Mapping[str, str]:
        head = self._place.head()
        return reading.below(self._place, head, roots) if head else {}

    def twins(self, contents: Collection[bytes]) -> Mapping[bytes, Sequence[Twin]]:
        head = self._place.glimpsed()
        return reading.twins(self._place, head, contents) if head else {}

    def neighbours(self, bands: Collection[int]) -> Sequence[Twin]:
        head = self._place.glimpsed()
        return reading.neighbours(self._place, head, bands) if head else []

    def pending(self, embedder: str) -> Sequence[Pending]:
        head = self._head()
        return reading.pending(self._place, head, head.build)

    def pending_texts(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        head = self._place.head()
        return reading.pending_texts(self._place, head, keys) if head else {}

    # --- changing it

    def commit(
        self, entries: Sequence[Entry], vectors: Vectors, *, embedder: str, run: str
    ) -> Tally:
        return writing.commit(self._place, entries, vectors, embedder=embedder, run=run)

    def embed(self, vectors: Vectors, *, embedder: str) -> None:
        writing.embed(self._place, vectors, embedder=embedder)

    def retire(self, ids: Collection[str], *, run: str, reason: str) -> Tally:
        return writing.retire(self._place, ids, run=run, reason=reason)

    def remember(self, origins: Collection[Origin], forgotten: Collection[str] = ()) -> None:
        records = self._place.made()
        records.put([reading.origin_row(origin) for origin in origins])
        if forgotten:
            gone = [key(source) for source in forgotten]
            records.delete(conditions(kind="origin") & among("source", gone))

    def learn(self, facts: Mapping[str, str]) -> None:
        with self._place.change() as change:
            change.head = replace(change.head, facts={**change.head.facts, **facts})

    def renew(self, ids: Collection[str], at: str) -> None:
        writing.renew(self._place, ids, at)

    def erase(self, names: Collection[str], *, why: str, run: str) -> Tally:
        if self._place.head() is None:
            return Tally()

        def named() -> list[Row]:
            rows = (row for name in names for row in reading.not_erased(self._place, name))
            return list({row.id: row for row in rows}.values())

        return erasing.erase(self._place, named, why=why, now=datetime.now(UTC), run=run)

    def expire(self, now: datetime, max_age_days: float | None, *, run: str) -> Tally:
        if self._place.head() is None:
            return Tally()
        tally = erasing.erase(
            self._place,
            lambda: erasing.expired(self._place, now, max_age_days),
            why="expired",
            now=now,
            run=run,
        )
        over = [
            each.id for each in self.quarantine() if each.expires and each.expires <= stamp(now)
        ]
        self.drop(over)
        return tally

    def rollback(self, version: str, *, run: str) -> tuple[Tally, int]:
        return erasing.rolled_back(self._place, version, run=run)

    def settle(self) -> None:
        """Nothing: the server settles itself."""

    # --- quarantine and audit

    def hold(self, held: Sequence[Quarantined]) -> None:
        self._place.made().put([reading.held_row(each) for each in held])

    def quarantine(self) -> Sequence[Quarantined]:
        try:
            return reading.quarantine(self._place)
        except Absent:
            return []

    def quarantined(self, id_: str) -> Quarantined | None:
        try:
            return reading.quarantined(self._place, id_)
        except Absent:
            return None

    def drop(self, ids: Collection[str]) -> int:
        if not ids:
            return 0
        try:
            return self._place.records.delete(_with_ids([object_id("held", id_) for id_ in ids]))
        except Absent:
            return 0

    def note(self, row: AuditRow) -> None:
        order = writing.next_order()
        name = f"{order} {row.actor} {row.action}"
        self._place.made().put([reading.audit_row(row, order, name)])

    def audit(self, limit: int) -> Sequence[AuditRow]:
        try:
            return reading.audit(self._place, limit)
        except Absent:
            return []

    # --- another build

    def begin_build(self, spec: Spec) -> None:
        building.begin(self._place, spec)

    def unbuilt(self, limit: int) -> Sequence[Archived]:
        return building.unbuilt(self._place, limit)

    def build(self, entries: Sequence[tuple[Ref, Entry]], vectors: Vectors) -> None:
        building.build(self._place, entries, vectors)

    def build_pending(self) -> Sequence[Pending]:
        return building.build_pending(self._place)

    def swap(self) -> bool:
        return building.swap(self._place)

    # --- moving it

    def archive(self) -> Iterator[Archived]:
        return moving.archive(self._place)

    def vectors(self, keys: Collection[bytes]) -> Vectors:
        head = self._place.head()
        return reading.vectors(self._place, head, keys) if head else {}

    def restore(
        self, versions: Sequence[Version], documents: Iterator[Archived], spec: Spec
    ) -> None:
        moving.restore(self._place, versions, documents, spec)


def _with_ids(ids: Sequence[str]) -> Any:
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    return Filter.by_id().contains_any(list(ids))
