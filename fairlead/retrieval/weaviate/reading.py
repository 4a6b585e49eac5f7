"""What an ingest and an operator ask of a collection on the server. All of it blocks."""

import base64
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from fairlead.reports import CollectionInfo
from fairlead.retrieval.records import packed_record, unpacked_record
from fairlead.retrieval.stored import (
    AuditRow,
    Origin,
    Pending,
    Quarantined,
    StoredDocument,
    Twin,
    Vectors,
    Version,
)
from fairlead.retrieval.weaviate import chunks, documents
from fairlead.retrieval.weaviate.connection import Absent
from fairlead.retrieval.weaviate.head import Head, alive, chunks_alive, shown, version_of
from fairlead.retrieval.weaviate.names import key, object_id
from fairlead.retrieval.weaviate.place import Place
from fairlead.retrieval.weaviate.tables import Row, Wanted, among, conditions, slices

_DATA: Final = Wanted(values=("data",))
_KEYS: Final = 200
_NEIGHBOURS: Final = 16
_SHARING: Final = 400
"""Documents that share a band, of which the nearest are looked for."""


def documents_alive(head: Head) -> Any:
    """The live documents."""
    return conditions(kind="document") & alive(head.generation)


def information(place: Place) -> CollectionInfo | None:
    """None before anything was written."""
    head = place.head()
    try:
        held = place.records.count(conditions(kind="held"))
    except Absent:
        return None
    head = head or Head()
    found, vectors = counts(place, head)
    return CollectionInfo(
        name=place.collection,
        tenant=place.tenant,
        documents=head.documents,
        chunks=found,
        vectors=vectors,
        index_version=shown(head.version),
        embedder=head.spec.embedder,
        chunker=head.spec.chunker,
        quarantined=held,
        store="weaviate",
    )


def counts(place: Place, head: Head) -> tuple[int, int]:
    """Live chunks, and how many of them have a vector."""
    if not head.build:
        return 0, 0
    table, live = place.chunks(head.build), chunks_alive(head)
    return table.count(live), table.count(live & conditions(has_vector=True))


def document(place: Place, head: Head, id_: str, version: str | None) -> StoredDocument | None:
    """One version, or without `version` the live one, else the newest."""
    where = conditions(kind="document", document=key(id_))
    if version is not None:
        where &= conditions(version=key(version))
    listed = list(place.records.all(where, documents.FACTS))
    if not listed:
        return None
    newest = documents.newest_first(listed, head.generation)[0]
    found = place.records.get([newest.id], documents.WITH_TEXT)
    return documents.stored(found[newest.id], head.generation) if found else None


def versions(place: Place, head: Head) -> list[Version]:
    """Oldest first."""
    earlier = place.records.all(conditions(kind="version"), _DATA)
    found = [version_of(row)[0] for row in earlier]
    found = [each for each in found if each.version < shown(head.version)]
    if head.version:
        found.append(
            Version(
                version=shown(head.version),
                at=head.at,
                documents=head.documents,
                reason=head.reason,
            )
        )
    return found


def not_erased(place: Place, name: str) -> list[Row]:
    """Every version of the documents with this id, or else with this source."""
    for column in ("document", "source"):
        where = conditions(kind="document", erased=False) & conditions(**{column: key(name)})
        found = list(place.records.all(where, documents.WITH_STEMS))
        if found:
            return found
    return []


# --- what an ingest asks -------------------------------------------------------------------------


def of_ids(place: Place, where: Any, ids: Collection[str], wanted: Wanted) -> list[Row]:
    """Documents of these ids that satisfy a condition."""
    found: list[Row] = []
    for some in slices([key(id_) for id_ in ids], _KEYS):
        found += place.records.all(where & among("document", some), wanted)
    return found


def stored(place: Place, head: Head, ids: Collection[str]) -> dict[str, str]:
    """Digests of the live documents among the ids."""
    rows = of_ids(place, documents_alive(head), ids, _DATA)
    held = [documents.facts(row) for row in rows]
    return {each["id"]: each["digest"] for each in held}


def origins(place: Place) -> dict[str, Origin]:
    rows = place.records.all(conditions(kind="origin"), _DATA)
    found = [Origin(**json.loads(row.values["data"])) for row in rows]
    return {each.source: each for each in found}


def origin_row(origin: Origin) -> Row:
    name = key(origin.source)
    return Row(
        id=object_id("origin", name),
        values={
            "kind": "origin",
            "source": name,
            "order": int(name[:12], 16),
            "data": json.dumps(vars(origin)),
        },
    )


def below(place: Place, head: Head, roots: Sequence[str]) -> dict[str, str]:
    """Live documents whose origin is one of the roots or below it: id to origin."""
    found = {}
    for some in slices([key(root) for root in roots], _KEYS):
        for row in place.records.all(documents_alive(head) & among("roots", some), _DATA):
            held = documents.facts(row)
            found[held["id"]] = held["origin"]
    return found


def twins(place: Place, head: Head, contents: Collection[bytes]) -> dict[bytes, list[Twin]]:
    found: dict[bytes, list[Twin]] = {}
    for some in slices([content.hex() for content in contents], _KEYS):
        where = documents_alive(head) & among("content", some)
        for row in place.records.all(where, documents.WITH_TEXT):
            content = bytes.fromhex(documents.facts(row)["content"])
            found.setdefault(content, []).append(documents.twin(row))
    return found


def neighbours(place: Place, head: Head, bands: Collection[int]) -> list[Twin]:
    """Live documents that share a band, those that share the most first, at most 16."""
    if not bands:
        return []
    where = documents_alive(head) & among("bands", [str(band) for band in bands])
    rows = place.records.find(where, Wanted(values=("bands",)), limit=_SHARING)
    wanted = {str(band) for band in bands}
    shared = Counter({row.id: len(wanted & {*row.values["bands"]}) for row in rows})
    best = sorted(shared, key=lambda id_: (-shared[id_], id_))[:_NEIGHBOURS]
    found = place.records.get(best, documents.WITH_TEXT)
    return [documents.twin(found[id_]) for id_ in best if id_ in found]


# --- vectors -------------------------------------------------------------------------------------


def pending(place: Place, head: Head, build: int) -> list[Pending]:
    """Texts of a build's live chunks without a vector, shortest first."""
    if not build:
        return []
    where = chunks_alive(head) & conditions(has_vector=False)
    return chunks.pending(list(place.chunks(build).all(where, chunks.WAITING)))


def pending_texts(place: Place, head: Head, keys: Collection[bytes]) -> dict[bytes, str]:
    """What is to be embedded, by its hash; absent where the chunk went meanwhile."""
    found: dict[bytes, str] = {}
    for build in (head.build, head.building):
        missing = [each.hex() for each in keys if each not in found]
        for some in slices(missing, _KEYS) if build else ():
            for row in place.chunks(build).all(among("embedded", some), chunks.WAITING):
                found[bytes.fromhex(row.values["embedded"])] = chunks.to_embed(row)
    return found


def vectors(place: Place, head: Head, keys: Collection[bytes]) -> Vectors:
    """Vectors of the present build by the hash of their text."""
    import numpy as np  # noqa: PLC0415 - 60 ms to import

    found: dict[bytes, Any] = {}
    wanted = Wanted(values=("embedded",), vectors=("body",))
    for some in slices(sorted(each.hex() for each in keys), _KEYS) if head.build else ():
        where = among("embedded", some) & conditions(has_vector=True)
        for row in place.chunks(head.build).all(where, wanted):
            if "body" in row.vectors:
                name = bytes.fromhex(row.values["embedded"])
                found[name] = np.asarray(row.vectors["body"], dtype=np.float32)
    return found


# --- audit and quarantine ------------------------------------------------------------------------


def audit(place: Place, limit: int) -> list[AuditRow]:
    """Newest first."""
    if limit <= 1000:
        wanted = Wanted(values=("data",), sort=(("order", False),))
        rows = place.records.find(conditions(kind="audit"), wanted, limit=max(1, limit))
    else:
        rows = list(place.records.all(conditions(kind="audit"), _DATA))[::-1]
    return [AuditRow(**json.loads(row.values["data"])) for row in rows[:limit]]


def audit_row(row: AuditRow, order: int, name: str) -> Row:
    data = json.dumps({**vars(row), "detail": dict(row.detail)}, ensure_ascii=False)
    return Row(id=object_id("audit", name), values={"kind": "audit", "order": order, "data": data})


def quarantine(place: Place) -> list[Quarantined]:
    """Oldest first, without the documents."""
    rows = place.records.all(conditions(kind="held"), _DATA)
    found = [Quarantined(**json.loads(row.values["data"])) for row in rows]
    return sorted(found, key=lambda each: (each.at, each.id))


def quarantined(place: Place, id_: str) -> Quarantined | None:
    """With the document."""
    name = object_id("held", id_)
    row = place.records.get([name], Wanted(values=("data", "text"))).get(name)
    if row is None:
        return None
    found = Quarantined(**json.loads(row.values["data"]))
    packed = base64.b85decode(row.values["text"] or "")
    return replace(found, record=unpacked_record(packed)) if packed else found


def held_row(held: Quarantined) -> Row:
    name = object_id("held", held.id)
    data = {key_: value for key_, value in vars(held).items() if key_ != "record"}
    packed = packed_record(held.record) if held.record else b""
    return Row(
        id=name,
        values={
            "kind": "held",
            "document": key(held.document_id),
            "order": int(name[:8], 16),
            "data": json.dumps(data, ensure_ascii=False),
            "text": base64.b85encode(packed).decode(),
        },
    )


def fields(rows: Sequence[Row]) -> Mapping[str, list[Any]]:
    """Names of fields and the values that documents have in them."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        held = documents.facts(row)
        record = documents.record_of(Row(id=row.id, values={**row.values, "text": _NO_TEXT}))
        for name, value in documents.fields_of(record, held["version"]).items():
            found.setdefault(name, []).append(value)
    return found


_NO_TEXT: Final = documents.deflated("")
