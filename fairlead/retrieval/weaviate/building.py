"""Another way of cutting or embedding, made beside the present one and put in its place at once.

A build has a class of chunks to itself, as far as the tenant goes. The swap is the writing of the
head: one object, read by every search before anything else, so no search sees half of each. The
tenant's alias follows it for other tools; searches do not go by it, since an alias is schema, which
each node learns at its own time, and the head is data, read from most of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from fairlead.errors import InputError
from fairlead.retrieval.stored import Archived, Entry, Pending, Ref, Spec, Vectors
from fairlead.retrieval.times import stamp
from fairlead.retrieval.weaviate import chunks, documents, reading, words
from fairlead.retrieval.weaviate.head import Head
from fairlead.retrieval.weaviate.place import Place
from fairlead.retrieval.weaviate.tables import Wanted, among, conditions
from fairlead.retrieval.weaviate.writing import give_vectors

_LIVE_FIRST: Final = Wanted(
    values=documents.WITH_TEXT.values, sort=(("removed", False), ("order", True))
)


def begin(place: Place, spec: Spec) -> None:
    """Goes on with a build of that kind if one was begun; another one begun before is dropped."""
    with place.change() as change:
        head = change.head
        if head.building and head.builds[head.building] == spec:
            return
        number = 1 + max((head.build, *head.builds))
        kept = {n: s for n, s in head.builds.items() if n != head.building}
        change.head = replace(head, building=number, builds={**kept, number: spec})
        place.shared.schema.chunks(place.collection, place.tenant, number, anew=True)


def unbuilt(place: Place, limit: int) -> list[Archived]:
    """Document versions that the build does not have yet, live ones first."""
    head = place.head()
    if head is None or not head.building:
        return []
    found = place.records.find(_missing(head), _LIVE_FIRST, limit=limit)
    return [documents.archived(row) for row in found]


def build(place: Place, entries: Sequence[tuple[Ref, Entry]], vectors: Vectors) -> None:
    """Stores the pieces of document versions for the build."""
    with place.change() as change:
        number, _ = _building(change.head)
        given = {str(ref): entry for ref, entry in entries}
        held = change.records.get(list(given), documents.WITH_STEMS)
        rows, patches = [], {}
        for id_, found in held.items():
            if found.values["erased"] or number in documents.builds_of(found):
                continue  # erased meanwhile, or built by somebody else
            entry, placed = given[id_], documents.placed_of(found)
            stems = words.stems_of(entry.pieces)
            counts = words.counted(stems)
            rows += chunks.rows(entry, placed, number, stems, vectors)
            patches[id_] = {
                "builds": [*placed.builds, number],
                "stems": documents.packed_stems({**documents.stems_of(found), number: counts}),
            }
            if placed.removed > change.before.generation:
                change.words(number, counts)
        change.chunks(number).put(rows)
        change.records.patch(patches)
        if vectors:
            give_vectors(change, number, vectors)


def build_pending(place: Place) -> list[Pending]:
    """Texts of the build's live chunks without a vector."""
    head = place.head() or Head()
    number, _ = _building(head)
    return reading.pending(place, head, number)


def swap(place: Place) -> bool:
    """Puts the build in the present one's place; False while documents are missing from it."""
    with place.change() as change:
        number, spec = _building(change.head)
        if change.records.find(_missing(change.head), Wanted(), limit=1):
            return False
        before = change.head.build
        change.head = replace(
            change.head,
            build=number,
            building=0,
            builds={number: spec},
            retired=(before, stamp(datetime.now(UTC))),
            deltas=words.SUMMED_AT,
        )
        change.records.delete(conditions(kind="origin"))  # the next ingest compares each document
    place.shared.schema.lead(place.collection, place.tenant, number)
    return True


def _missing(head: Head) -> Any:
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    return conditions(kind="document", erased=False) & Filter.not_(among("builds", [head.building]))


def _building(head: Head) -> tuple[int, Spec]:
    if not head.building:
        raise InputError("no rebuild was begun", hint="Run `fairlead index rebuild`.")
    return head.building, head.builds[head.building]
