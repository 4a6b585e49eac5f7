"""A document version as an object of the class of records."""

import base64
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from fairlead.retrieval.filters import OWN_FIELDS, readings
from fairlead.retrieval.records import Record
from fairlead.retrieval.stored import Archived, Entry, StoredDocument, Twin
from fairlead.retrieval.times import seconds, stamp, until
from fairlead.retrieval.weaviate import words
from fairlead.retrieval.weaviate.conditions import field_key
from fairlead.retrieval.weaviate.head import LIVE, shown
from fairlead.retrieval.weaviate.names import document_ref, key
from fairlead.retrieval.weaviate.tables import Row, Wanted
from fairlead.schema import Finding, Json

NEVER: Final = 1e12
"""When a document expires that does not: far beyond the year 9999."""
FACTS: Final = Wanted(
    values=("data", "added", "removed", "removed_in", "order", "builds", "erased", "ends", "seen")
)
WHOLE: Final = Wanted(values=(*FACTS.values, "text", "stems"))
WITH_TEXT: Final = Wanted(values=(*FACTS.values, "text"))
WITH_STEMS: Final = Wanted(values=(*FACTS.values, "stems"))


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a document version stands among the others."""

    version: str
    order: int
    added: int
    """The generation."""
    added_in: int
    """The index version."""
    builds: tuple[int, ...] = ()
    removed: int = LIVE
    removed_in: int = 0
    seen_at: str = ""
    erased: tuple[str, str] | None = None


def fields_of(record: Record, version: str) -> dict[str, Json]:
    """What a document can be filtered by."""
    own: dict[str, Json] = {name: getattr(record, name, "") for name in OWN_FIELDS}
    own |= {"document_id": record.id, "version": version}
    return {name: value for name, value in own.items() if value} | dict(record.metadata)


def seen_at(record: Record) -> str:
    """When it was seen at its source: as it is first stored."""
    return until(record.fetched_at) if record.fetched_at else stamp(datetime.now(UTC))


def row(entry: Entry, placed: Placed, stems: Mapping[int, Mapping[str, int]]) -> Row:
    """A document as it is stored; `stems` counts, of each build, the chunks that hold a stem."""
    record = entry.record
    fields = {
        name: value
        for name, value in fields_of(record, placed.version).items()
        if any(True for _ in readings(value))
    }
    data = {
        **{
            name: getattr(record, name)
            for name in _KEPT
            if name not in ("metadata", "acl", "findings")
        },
        "metadata": dict(record.metadata),
        "acl": list(record.acl),
        "findings": [asdict(finding) for finding in record.findings],
        "version": placed.version,
        "digest": entry.digest,
        "content": entry.content.hex(),
        "exact": exact(record.text),
        "bands": list(entry.bands),
        "run": entry.run,
        "seen_at": placed.seen_at,
        "added_in": placed.added_in,
        "erased": list(placed.erased) if placed.erased else None,
    }
    return Row(
        id=document_ref(placed.order),
        values={
            "kind": "document",
            "document": key(record.id),
            "version": key(placed.version),
            "source": key(record.source),
            "content": entry.content.hex(),
            "roots": _roots(record.origin),
            "bands": [str(band) for band in entry.bands],
            "names": [] if placed.erased else [field_key(name) for name in fields],
            "added": placed.added,
            "removed": placed.removed,
            "removed_in": placed.removed_in,
            "order": placed.order,
            "ends": ends(record.valid_until),
            "seen": seconds(placed.seen_at) if placed.seen_at else 0.0,
            "erased": placed.erased is not None,
            "builds": list(placed.builds),
            "data": json.dumps(data, ensure_ascii=False),
            "text": deflated(record.text),
            "stems": packed_stems(stems),
        },
    )


_KEPT = (
    "id source origin title body markup url published_at fetched_at valid_until language metadata"
    " acl findings"
).split()


def ends(valid_until: str) -> float:
    return seconds(valid_until) if valid_until else NEVER


def exact(text: str) -> str:
    """Equal for equal texts only."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def facts(found: Row) -> dict[str, Any]:
    """All that is kept of a document but its text."""
    data: dict[str, Any] = orjson.loads(found.values["data"])
    return data


def text_of(found: Row) -> str:
    return zlib.decompress(base64.b85decode(found.values["text"])).decode()


def stems_of(found: Row) -> dict[int, Counter[str]]:
    """Of each build, in how many of the document's chunks each stem is."""
    kept = json.loads(found.values["stems"] or "{}")
    return {int(build): words.unpacked(packed) for build, packed in kept.items()}


def packed_stems(stems: Mapping[int, Mapping[str, int]]) -> str:
    return json.dumps({str(build): words.packed(counts) for build, counts in stems.items()})


def builds_of(found: Row) -> list[int]:
    return [int(build) for build in found.values["builds"] or ()]


def record_of(found: Row) -> Record:
    """The record of a row that was read with its text."""
    held = facts(found)
    values = {name: held[name] for name in _KEPT}
    values["acl"] = tuple(held["acl"])
    values["findings"] = tuple(Finding(**finding) for finding in held["findings"])
    return Record(**values, text=text_of(found))


def archived(found: Row) -> Archived:
    """A document version without its pieces, of a row that was read with its text."""
    held = facts(found)
    return Archived(
        entry=Entry(
            record=record_of(found),
            digest=held["digest"],
            content=bytes.fromhex(held["content"]),
            bands=tuple(held["bands"]),
            run=held["run"],
        ),
        version=held["version"],
        added_in=held["added_in"],
        removed_in=found.values["removed_in"] or None,
        seen_at=_seen_at(held, found),
        erased=tuple(held["erased"]) if held["erased"] else None,
        key=found.id,
    )


def _seen_at(held: Mapping[str, Any], found: Row) -> str:
    """As it was noted last: `renew` changes the number alone."""
    first = str(held["seen_at"])
    number = float(found.values["seen"] or 0.0)
    if not first or abs(seconds(first) - number) < 1e-3:
        return first
    return stamp(datetime.fromtimestamp(number, tz=UTC))


def placed_of(found: Row) -> Placed:
    """Where a stored document stands."""
    held = facts(found)
    return Placed(
        version=held["version"],
        order=int(found.values["order"]),
        added=int(found.values["added"]),
        added_in=held["added_in"],
        builds=tuple(builds_of(found)),
        removed=int(found.values["removed"]),
        removed_in=int(found.values["removed_in"] or 0),
        seen_at=_seen_at(held, found),
        erased=tuple(held["erased"]) if held["erased"] else None,
    )


def stored(found: Row, generation: int) -> StoredDocument:
    """As a reader of the generation is shown it."""
    held = facts(found)
    live = int(found.values["removed"]) > generation
    erased_at, why = held["erased"] or ("", "")
    return StoredDocument(
        id=held["id"],
        version=held["version"],
        source=held["source"],
        status="erased" if erased_at else "live" if live else "superseded",
        title=held["title"],
        text=text_of(found),
        url=held["url"],
        published_at=held["published_at"],
        fetched_at=held["fetched_at"],
        valid_until=held["valid_until"],
        language=held["language"],
        metadata=held["metadata"],
        acl=tuple(held["acl"]),
        run=held["run"],
        added_in=shown(held["added_in"]),
        removed_in="" if live else shown(int(found.values["removed_in"] or 0)),
        erased_at=erased_at,
        why=why,
    )


def twin(found: Row) -> Twin:
    held = facts(found)
    return Twin(
        document_id=held["id"],
        source=held["source"],
        published_at=held["published_at"],
        text=text_of(found)[held["body"] :],
        acl=tuple(held["acl"]),
        valid_until=held["valid_until"],
        seen_at=_seen_at(held, found),
    )


def tombstone(found: Row, *, at: str, why: str) -> Row:
    """What is left of an erased document: ids, version, source, when and why."""
    held = facts(found)
    record = Record(
        id=held["id"],
        source=held["source"],
        origin=held["origin"],
        title="",
        text="",
        body=held["body"],
        markup=held["markup"],
        fetched_at=held["fetched_at"],
        valid_until=held["valid_until"],
        acl=tuple(held["acl"]),
    )
    entry = Entry(record=record, digest="", content=b"", run=held["run"])
    placed = placed_of(found)
    return row(
        entry,
        Placed(**{**vars(placed), "builds": (), "erased": (at, why)}),
        {},
    )


def _roots(origin: str) -> list[str]:
    """The origin and the folders above it."""
    parts = origin.split("/")
    return [key("/".join(parts[:n])) for n in range(1, len(parts) + 1)]


def deflated(text: str) -> str:
    return base64.b85encode(zlib.compress(text.encode(), 6)).decode()


def newest_first(rows: Sequence[Row], generation: int) -> list[Row]:
    """Versions of one document: the live one, then others by age, erased ones last."""
    return sorted(
        rows,
        key=lambda each: (
            int(each.values["removed"]) <= generation,
            bool(each.values["erased"]),
            -int(each.values["order"]),
        ),
    )
