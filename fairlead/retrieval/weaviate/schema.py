"""The classes of a collection, and the tenants in them; made explicitly, at the first write.

A collection has one class of records (documents, versions, the head, quarantine, audit) and three
that hold chunks, of which builds take turns. What the records look like has a number in the class's
description: classes of another number are refused, as nothing older was ever released.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, Final

from fairlead.errors import SettingsError
from fairlead.retrieval.weaviate import names
from fairlead.retrieval.weaviate.connection import Connection
from fairlead.sections import Weaviate as Section

NUMBER: Final = 1
_NO_SCHEDULE = "OBJECTS_TTL_DELETE_SCHEDULE"

_RECORDS: Final = {
    "key": ("kind", "document", "version", "source", "content"),
    "keys": ("roots", "bands", "names"),
    "int": ("added", "removed", "order", "ordinal", "removed_in"),
    "number": ("ends", "seen"),
    "flag": ("erased",),
    "ints": ("builds",),
    "kept": ("data", "text", "stems"),
}
_CHUNKS: Final = {
    "key": ("document", "embedded"),
    "keys": ("readers", "tags", "entities"),
    "int": ("added", "removed", "order", "ordinal"),
    "number": ("ends", "seen"),
    "flag": ("has_vector",),
    "lot": ("lot",),
    "words": ("words",),
    "date": ("expires",),
    "kept": ("data",),
}


class Schema:
    """Makes what is missing; knows what it has seen."""

    def __init__(self, connection: Connection, section: Section) -> None:
        self._connection, self._section = connection, section
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str]] = set()

    def forget(self) -> None:
        """After a class or tenant was found missing: somebody deleted it."""
        with self._lock:
            self._seen.clear()

    def records(self, collection: str, tenant: str) -> None:
        """Makes the class of records and the tenant in it. Raises `SettingsError`."""
        self._ensure(names.records_class(self._section.prefix, collection), tenant, _RECORDS)

    def chunks(self, collection: str, tenant: str, build: int, *, anew: bool = False) -> None:
        """Makes the class of a build and the tenant in it; `anew` empties it first."""
        name = names.chunks_class(self._section.prefix, collection, build)
        if anew:
            self._ensure_class(name, _CHUNKS)
            self.drop_chunks(collection, tenant, build)
        self._ensure(name, tenant, _CHUNKS)

    def drop_chunks(self, collection: str, tenant: str, build: int) -> None:
        """Deletes all that a tenant has in the class of a build."""
        name = names.chunks_class(self._section.prefix, collection, build)
        with self._lock:
            self._seen.discard((name, tenant))
        self._connection.call(lambda client: client.collections.use(name).tenants.remove([tenant]))

    def lead(self, collection: str, tenant: str, build: int) -> None:
        """Lets the tenant's alias lead to a build."""
        target = names.chunks_class(self._section.prefix, collection, build)
        alias = names.alias(self._section.prefix, collection, tenant)

        def point(client: Any) -> None:
            if not client.alias.exists(alias_name=alias):
                client.alias.create(alias_name=alias, target_collection=target)
            elif client.alias.get(alias_name=alias).collection != target:
                client.alias.update(alias_name=alias, new_target_collection=target)

        self._connection.call(point)

    def collections(self) -> Iterator[tuple[str, list[str]]]:
        """Every collection and its tenants."""
        for name, collection in self._records_classes():
            yield collection, sorted(self._connection.call(partial(_tenants, name)))

    def collections_of(self, tenant: str) -> list[str]:
        """The collections of one tenant, sorted; however many others there are."""
        return [
            collection
            for name, collection in self._records_classes()
            if self._connection.call(partial(_holds, name, tenant))
        ]

    def _records_classes(self) -> list[tuple[str, str]]:
        """The class and the name of every collection, by name."""
        listed = self._connection.call(lambda client: list(client.collections.list_all()))
        found = [(name, names.collection_of(self._section.prefix, name)) for name in listed]
        return sorted(((n, c) for n, c in found if c is not None), key=itemgetter(1))

    # --- making ----------------------------------------------------------------------------------

    def _ensure(self, name: str, tenant: str, layout: dict[str, tuple[str, ...]]) -> None:
        with self._lock:
            if (name, tenant) in self._seen:
                return
        self._ensure_class(name, layout)
        self._connection.call(lambda client: client.collections.use(name).tenants.create([tenant]))
        with self._lock:
            self._seen.add((name, tenant))

    def _ensure_class(self, name: str, layout: dict[str, tuple[str, ...]]) -> None:
        if not self._connection.call(lambda client: client.collections.exists(name)):
            self._create(name, layout)
        held = self._connection.call(lambda client: client.collections.use(name).config.get())
        if _number(held.description) != NUMBER:
            raise SettingsError(
                f"the class {name!r} on the Weaviate server was not made by this Fairlead",
                hint="Set weaviate.prefix to another name, or delete the class.",
            )
        self._sweep(name, held)

    def _create(self, name: str, layout: dict[str, tuple[str, ...]]) -> None:
        from weaviate.classes.config import (  # noqa: PLC0415 - an extra
            Configure,
            StopwordsPreset,
        )
        from weaviate.exceptions import UnexpectedStatusCodeError  # noqa: PLC0415 - an extra

        vectors = [Configure.Vectors.self_provided(name=each) for each in ("body", "title")]
        options: dict[str, Any] = {
            "description": json.dumps({"fairlead": NUMBER}),
            "properties": _properties(layout),
            "multi_tenancy_config": Configure.multi_tenancy(
                enabled=True, auto_tenant_creation=False, auto_tenant_activation=False
            ),
            "inverted_index_config": Configure.inverted_index(
                bm25_k1=1.2, bm25_b=0.75, stopwords_preset=StopwordsPreset.NONE
            ),
            "replication_config": Configure.replication(factor=self._section.replicas),
            "vector_config": vectors if layout is _CHUNKS else [vectors[0]],
        }

        def create(client: Any) -> None:
            try:
                client.collections.create(name, **options)
            except UnexpectedStatusCodeError as error:
                if "already exists" not in str(error):  # another process was quicker
                    raise

        self._connection.call(create)

    def _sweep(self, name: str, held: Any) -> None:
        """Lets the server delete expired chunks, or not, as the settings say.

        A server without a schedule refuses, so what would never happen is known at the start.
        """
        from weaviate.classes.config import Reconfigure  # noqa: PLC0415 - an extra
        from weaviate.exceptions import UnexpectedStatusCodeError  # noqa: PLC0415 - an extra

        dated = any(each.name == "expires" for each in held.properties)
        does = held.object_ttl_config is not None and held.object_ttl_config.enabled
        if not dated or does == self._section.sweep:
            return
        ttl = (
            Reconfigure.ObjectTTL.delete_by_date_property(
                "expires", ttl_offset=0, filter_expired_objects=True
            )
            if self._section.sweep
            else Reconfigure.ObjectTTL.disable()
        )

        def update(client: Any) -> None:
            try:
                client.collections.use(name).config.update(object_ttl_config=ttl)
            except UnexpectedStatusCodeError as error:
                if _NO_SCHEDULE in str(error):
                    raise SettingsError(
                        "weaviate.sweep is on, and the server never sweeps",
                        hint=f"Set {_NO_SCHEDULE} on the server, or weaviate.sweep to false.",
                    ) from None
                raise

        self._connection.call(update)


def _tenants(name: str, client: Any) -> Iterable[str]:
    held: Iterable[str] = client.collections.use(name).tenants.get()
    return held


def _holds(name: str, tenant: str, client: Any) -> bool:
    return bool(client.collections.use(name).tenants.exists(tenant))


def _number(description: str | None) -> int:
    try:
        return int(json.loads(description or "{}").get("fairlead", 0))
    except (ValueError, AttributeError):
        return 0


def _properties(layout: dict[str, tuple[str, ...]]) -> list[Any]:
    from weaviate.classes.config import (  # noqa: PLC0415 - an extra
        DataType,
        Property,
        Tokenization,
    )

    key: dict[str, Any] = {"tokenization": Tokenization.FIELD, "index_searchable": False}
    plain: dict[str, Any] = {"index_filterable": False}
    ranged: dict[str, Any] = {"index_filterable": True, "index_range_filters": True}
    kinds: dict[str, tuple[DataType, dict[str, Any]]] = {
        "key": (DataType.TEXT, key),
        "keys": (DataType.TEXT_ARRAY, key),
        "int": (DataType.INT, ranged),
        "ints": (DataType.INT_ARRAY, {}),
        "number": (DataType.NUMBER, ranged),
        "flag": (DataType.BOOL, {}),
        "lot": (DataType.INT, plain),
        "words": (DataType.TEXT, {"tokenization": Tokenization.WHITESPACE, **plain}),
        "date": (DataType.DATE, {}),
        "kept": (DataType.TEXT, {"index_searchable": False, **plain}),
    }
    return [
        Property(name=name, data_type=kinds[kind][0], **kinds[kind][1])
        for kind, listed in layout.items()
        for name in listed
    ]
