"""Whole document versions, read out to be moved, and put in from another store."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from fairlead.errors import InputError
from fairlead.retrieval.pieces import Place as Standing
from fairlead.retrieval.pieces import pieces
from fairlead.retrieval.stored import Archived, Spec, Version
from fairlead.retrieval.times import stamp
from fairlead.retrieval.weaviate import chunks, documents, words
from fairlead.retrieval.weaviate.head import LIVE, Head, version_row
from fairlead.retrieval.weaviate.names import place_in
from fairlead.retrieval.weaviate.place import Change, Place
from fairlead.retrieval.weaviate.tables import Row, conditions

_AT_ONCE: Final = 100


def archive(place: Place) -> Iterator[Archived]:
    """Every document version, in the order they came."""
    head = place.head()
    if head is None:
        return
    for row in place.records.all(conditions(kind="document"), documents.WITH_TEXT):
        if int(row.values["added"]) <= head.generation:
            yield _with_pieces(place, head, row)


def _with_pieces(place: Place, head: Head, row: Row) -> Archived:
    """A document version with its pieces as the present build cut it."""
    found = documents.archived(row)
    if found.erased:
        return found
    held = list(place.chunks(head.build).all(conditions(document=row.id), chunks.SHOWN))
    standing = Standing(
        tenant=place.tenant,
        collection=place.collection,
        document_id=found.entry.record.id,
        version=found.version,
        chunker=head.spec.chunker,
    )
    cut = pieces(found.entry.record, [chunks.chunk_of(each) for each in held], standing)
    entities = tuple(tuple(chunks.facts(each)["entities"]) for each in held)
    entry = replace(
        found.entry,
        pieces=cut,
        chunker=head.spec.chunker,
        entities=entities if any(entities) else (),
    )
    return replace(found, entry=entry)


def restore(
    place: Place, versions: Sequence[Version], documents_: Iterator[Archived], spec: Spec
) -> None:
    """Fills a collection that is empty; its index versions become its generations.

    Raises `InputError` where it is not empty.
    """
    held = place.head()
    if held is not None and held.version:
        raise InputError(
            f"collection {place.collection!r} is not empty there",
            hint="Copy into one that does not exist, or delete it first.",
        )
    newest = int(versions[-1].version) if versions else 0
    with place.change() as change:
        change.first_build(spec.chunker, spec.embedder)
        change.head = replace(change.head.spelt(spec), facts={}, deltas=words.SUMMED_AT)
        base = change.generation
        change.records.put([version_row(v, base + int(v.version)) for v in versions[:-1]])
        come = 0
        while some := list(islice(documents_, _AT_ONCE)):
            _put(change, some, base, come)
            come += len(some)
        if versions:
            last = versions[-1]
            change.head = replace(
                change.head,
                version=newest,
                at=last.at,
                reason=last.reason,
                documents=last.documents,
            )
            change.skip(newest)


def _put(change: Change, some: Sequence[Archived], base: int, come: int) -> None:
    rows: list[Row] = []
    cut: list[Row] = []
    build = change.head.build
    for at, each in enumerate(some, start=come):
        placed = documents.Placed(
            version=each.version,
            order=place_in(base + each.added_in, at),
            added=base + each.added_in,
            added_in=each.added_in,
            builds=() if each.erased else (build,),
            removed=base + each.removed_in if each.removed_in else LIVE,
            removed_in=each.removed_in or 0,
            seen_at=each.seen_at or stamp(datetime.now(UTC)),
            erased=each.erased,
        )
        stems = words.stems_of(each.entry.pieces)
        counts: dict[int, Counter[str]] = {} if each.erased else {build: words.counted(stems)}
        rows.append(documents.row(each.entry, placed, counts))
        cut += chunks.rows(each.entry, placed, build, stems, {})
        if not each.removed_in and not each.erased:
            change.words(build, counts[build])
    change.records.put(rows)
    change.chunks(build).put(cut)
