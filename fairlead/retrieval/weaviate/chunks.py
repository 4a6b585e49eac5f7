"""A chunk as an object of a build's class, and back."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from fairlead.retrieval.analysis import TITLE_WEIGHT
from fairlead.retrieval.chunkers import Chunk
from fairlead.retrieval.stored import Candidate, Entry, Pending, Spec, Vectors
from fairlead.retrieval.times import ending, seconds, stamp
from fairlead.retrieval.weaviate.conditions import tags
from fairlead.retrieval.weaviate.documents import Placed, ends, fields_of
from fairlead.retrieval.weaviate.names import chunk_ref, document_ref, key
from fairlead.retrieval.weaviate.tables import Row, Wanted
from fairlead.schema import Hit, Principal, Provenance

SHOWN: Final = Wanted(values=("data", "document", "seen"))
STORED: Final = (
    "document embedded readers tags entities added removed order ordinal ends seen has_vector lot"
    " words expires data"
).split()
WHOLE: Final = Wanted(values=tuple(STORED), vectors=("body", "title"))
WAITING: Final = Wanted(values=("data", "embedded", "order", "ordinal"))
_EVERYBODY: Final = key("everybody")


def readers(acl: Sequence[str]) -> list[str]:
    return [key("reader", name) for name in acl] or [_EVERYBODY]


def readable_by(principal: Principal) -> list[str]:
    """The keys of chunks that a principal may read."""
    return [_EVERYBODY, *readers((principal.subject, *principal.groups))]


def rows(
    entry: Entry,
    placed: Placed,
    build: int,
    stems: Sequence[tuple[str, str]],
    vectors: Vectors,
) -> list[Row]:
    """The chunks of a document version; `stems` of title and rest, for each."""
    record = entry.record
    shared: dict[str, Any] = {
        "document": document_ref(placed.order),
        "readers": readers(record.acl),
        "tags": tags(fields_of(record, placed.version)),
        "added": placed.added,
        "removed": placed.removed,
        "order": placed.order,
        "ends": ends(record.valid_until),
        "seen": seconds(placed.seen_at) if placed.seen_at else 0.0,
    }
    if record.valid_until:
        shared["expires"] = datetime.fromtimestamp(seconds(record.valid_until), tz=UTC)
    facts = {
        "document_id": record.id,
        "version": placed.version,
        "source": record.source,
        "title": record.title,
        "metadata": dict(record.metadata),
        "acl": list(record.acl),
        "published_at": record.published_at,
        "url": record.url,
        "fetched_at": record.fetched_at,
        "valid_until": record.valid_until,
        "language": record.language,
        "run": entry.run,
        "content": entry.content.hex(),
    }
    return [
        _row(entry, at, placed, build, stems[at], vectors, shared, facts)
        for at in range(len(entry.pieces))
    ]


def _row(
    entry: Entry,
    at: int,
    placed: Placed,
    build: int,
    stems: tuple[str, str],
    vectors: Vectors,
    shared: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Row:
    piece = entry.pieces[at]
    chunk = piece.chunk
    entities = entry.entities[at] if entry.entities else ()
    own: dict[str, Any] = {
        "passage_id": piece.passage_id,
        "start": chunk.start,
        "stop": chunk.end,
        "read_start": chunk.read_start,
        "read_stop": chunk.read_end,
        "kind": chunk.kind,
        "headings": list(chunk.headings),
        "lead": [list(span) for span in chunk.lead],
        "carried": piece.carried,
        "body": piece.body,
        "digest": piece.digest.hex(),
        "to_embed": "" if piece.to_embed == piece.body else piece.to_embed,
        "entities": list(entities),
    }
    if (chunk.start, chunk.end) != (chunk.read_start, chunk.read_end):
        own["read"] = entry.record.text[chunk.read_start : chunk.read_end]
    id_ = chunk_ref(placed.order, build, piece.ordinal)
    found = {
        name: vectors[hash_]
        for name, hash_ in (("body", piece.embedded), ("title", piece.titled))
        if hash_ in vectors
    }
    return Row(
        id=id_,
        values={
            **shared,
            "embedded": piece.embedded.hex(),
            "entities": [key("entity", name) for name in entities],
            "ordinal": piece.ordinal,
            "has_vector": "body" in found,
            "lot": int.from_bytes(hashlib.blake2b(id_.encode(), digest_size=4).digest()),
            "words": f"{stems[1]}{f' {stems[0]}' * TITLE_WEIGHT}",
            "data": json.dumps({**facts, **own}, ensure_ascii=False),
        },
        vectors=found,
    )


def facts(found: Row) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(found.values["data"])
    return data


def chunk_of(found: Row) -> Chunk:
    """As the chunker made it."""
    held = facts(found)
    return Chunk(
        start=held["start"],
        end=held["stop"],
        read_start=held["read_start"],
        read_end=held["read_stop"],
        kind=held["kind"],
        headings=tuple(held["headings"]),
        lead=tuple((start, end) for start, end in held["lead"]),
    )


def to_embed(found: Row) -> str:
    held = facts(found)
    return str(held["to_embed"] or held["body"])


def pending(found: Sequence[Row]) -> list[Pending]:
    """The texts that wait for a vector, shortest first."""
    waiting: dict[str, tuple[int, int]] = {}
    for row in found:
        name = row.values["embedded"]
        size = len(facts(row)["body"])
        _, count = waiting.get(name, (size, 0))
        waiting[name] = (size, count + 1)
    ordered = sorted(waiting.items(), key=lambda each: (each[1][0], each[0]))
    return [Pending(key=bytes.fromhex(name), text="", chunks=count) for name, (_, count) in ordered]


def with_vectors(found: Row, vectors: Vectors) -> Row:
    """A chunk that was read whole, with the vectors that there are for it now."""
    body = vectors.get(bytes.fromhex(found.values["embedded"]))
    kept = dict(found.vectors)
    if body is not None:
        kept["body"] = body
    return Row(id=found.id, values={**_plain(found), "has_vector": "body" in kept}, vectors=kept)


def copied(found: Row, placed: Placed, build: int, run: str) -> Row:
    """A chunk that was read whole, for another version of its document."""
    values = _plain(found)
    values |= {
        "document": document_ref(placed.order),
        "order": placed.order,
        "added": placed.added,
        "removed": placed.removed,
        "data": json.dumps({**facts(found), "run": run}, ensure_ascii=False),
    }
    id_ = chunk_ref(placed.order, build, int(found.values["ordinal"]))
    return Row(id=id_, values=values, vectors=found.vectors)


def _plain(found: Row) -> dict[str, Any]:
    return {name: value for name, value in found.values.items() if value is not None}


def candidate(
    found: Row, tenant: str, collection: str, spec: Spec, max_age_days: float | None
) -> Candidate:
    """A chunk as a search considers it."""
    held = facts(found)
    headings = tuple(held["headings"])
    published = held["published_at"]
    seen_at = stamp(datetime.fromtimestamp(float(found.values["seen"] or 0.0), UTC))
    return Candidate(
        hit=Hit(
            passage_id=held["passage_id"],
            document_id=held["document_id"],
            version=held["version"],
            source=held["source"],
            title=held["title"],
            text=held.get("read", held["body"]),
            score=0.0,
            rank=0,
            start=held["read_start"],
            end=held["read_stop"],
            tenant=tenant,
            collection=collection,
            metadata=held["metadata"],
            headings=headings,
            published_at=datetime.fromisoformat(published) if published else None,
            lead=held["carried"],
            provenance=Provenance(
                url=held["url"],
                content_hash=held["content"],
                fetched_at=held["fetched_at"],
                valid_until=ending(held["valid_until"], seen_at, max_age_days),
                readers=tuple(held["acl"]),
                language=held["language"],
                chunker=spec.chunker,
                embedder=spec.embedder,
                run_id=held["run"],
            ),
        ),
        body=held["body"],
        title=" › ".join(dict.fromkeys((held["title"], *headings))),
        read=(str(found.values["document"]), held["read_start"], held["read_stop"]),
        digest=bytes.fromhex(held["digest"]),
    )
