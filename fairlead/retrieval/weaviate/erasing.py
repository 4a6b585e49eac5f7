"""Taking back: earlier states, expired documents, and erasure, which leaves only tombstones."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from fairlead.errors import NotFound
from fairlead.retrieval.stored import Tally
from fairlead.retrieval.times import stamp
from fairlead.retrieval.weaviate import chunks, documents, head, reading, words
from fairlead.retrieval.weaviate.connection import Absent
from fairlead.retrieval.weaviate.head import shown
from fairlead.retrieval.weaviate.names import key
from fairlead.retrieval.weaviate.place import Change, Place
from fairlead.retrieval.weaviate.tables import Row, among, conditions, slices
from fairlead.retrieval.weaviate.writing import forget_origins, take_out

_KEYS: Final = 200


def erase(
    place: Place, wanted: Callable[[], list[Row]], *, why: str, now: datetime, run: str
) -> Tally:
    """Leaves nothing of document versions but tombstones: ids, version, source, when and why.

    First they are made not live, which is published; then text, metadata, chunks, vectors, words
    and what is quarantined under their ids go. Interrupted in between, they are still to be erased.
    `wanted` finds them, and again within the change: another writer may add one meanwhile.
    """
    if not wanted():
        return Tally()
    with place.change() as change:
        rows = wanted()
        live = [row for row in rows if int(row.values["removed"]) > change.before.generation]
        removed = 0
        if live:
            removed = take_out(change, live, change.version(run, why))
            documents_now = change.head.documents - len(live)
            change.head = replace(change.head, documents=documents_now)
        forget_origins(change, rows)
        change.head = replace(change.head, epoch=change.head.epoch + 1)
    with place.lease():
        _destroy(place, rows, stamp(now), why)
    place.shared.vocabularies.forget(change.head.born)
    place.shared.states.forget(change.head.born)
    return Tally(deleted=len(live), chunks_removed=removed)


def _destroy(place: Place, rows: Sequence[Row], at: str, why: str) -> None:
    ids = [row.id for row in rows]
    current = place.head()
    for build in current.builds if current else ():
        for some in slices(ids, _KEYS):
            try:
                place.chunks(build).delete(among("document", some))
            except Absent:
                break
    held = sorted({key(documents.facts(row)["id"]) for row in rows})
    for some in slices(held, _KEYS):
        place.records.delete(conditions(kind="held") & among("document", some))
    # What take_out wrote is read again: the tombstones say when they were removed.
    present = place.records.get(ids, documents.FACTS)
    place.records.put([documents.tombstone(row, at=at, why=why) for row in present.values()])


def expired(place: Place, now: datetime, max_age_days: float | None) -> list[Row]:
    """Documents whose time is over, with the older versions of each."""
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    over = Filter.by_property("ends").less_or_equal(now.timestamp())
    if max_age_days is not None:
        oldest = now - timedelta(days=max_age_days)
        over |= Filter.by_property("seen").less_or_equal(oldest.timestamp())
    kept = conditions(kind="document", erased=False)
    newest: dict[str, int] = {}
    for row in place.records.all(kept & over, documents.FACTS):
        id_ = documents.facts(row)["id"]
        newest[id_] = max(newest.get(id_, 0), int(row.values["order"]))
    rows = reading.of_ids(place, kept, newest, documents.WITH_STEMS)
    return [row for row in rows if int(row.values["order"]) <= newest[documents.facts(row)["id"]]]


def rolled_back(place: Place, wanted: str, *, run: str) -> tuple[Tally, int]:
    """Makes a new version with the documents of an old one; how many were erased since then.

    Raises `NotFound` where there is no such version.
    """
    held = place.head()
    number = int(wanted) if wanted.isdecimal() and len(wanted) <= 8 else 0
    if held is None or not 0 < number <= held.version:
        raise NotFound(
            f"there is no index version {shown(number) or wanted!r}",
            hint="`fairlead index versions` lists them.",
        )
    with place.change() as change:
        then = _at(change, number)
        now = _live(change, change.before.generation)
        kept = {_key(row) for row in then} & {_key(row) for row in now}
        gone = [row for row in now if _key(row) not in kept]
        missing = [row for row in then if _key(row) not in kept]
        back = [row for row in missing if not row.values["erased"]]
        lost = len(missing) - len(back)
        if not gone and not back:
            return Tally(), lost
        new = change.version(run, f"rollback to {shown(number)}")
        removed = take_out(change, gone, new)
        added = _copied(change, back, new, run)
        documents_now = change.head.documents + len(back) - len(gone)
        change.head = replace(change.head, documents=documents_now)
        change.records.delete(conditions(kind="origin"))
    changed = len({_key(row)[0] for row in gone} & {_key(row)[0] for row in back})
    return Tally(
        added=len(back) - changed,
        changed=changed,
        deleted=len(gone) - changed,
        chunks_added=added,
        chunks_removed=removed,
    ), lost


def _at(change: Change, number: int) -> list[Row]:
    if number == change.before.version:
        return _live(change, change.before.generation)
    where, wanted = head.past(str(number))
    moment = head.found(change.records.find(where, wanted, limit=1))
    return _live(change, moment.generation)


def _live(change: Change, generation: int) -> list[Row]:
    where = conditions(kind="document") & head.alive(generation)
    return list(change.records.all(where, documents.WITH_STEMS))


def _key(row: Row) -> tuple[str, str]:
    facts = documents.facts(row)
    return facts["id"], facts["digest"] or row.id


def _copied(change: Change, rows: Sequence[Row], number: int, run: str) -> int:
    """Makes removed document versions live again, as new ones; how many chunks they have."""
    table = change.records
    found = table.get([row.id for row in rows], documents.WHOLE)
    added = 0
    for row in rows:
        whole = found[row.id]
        builds = [n for n in change.builds() if n in documents.builds_of(whole)]
        placed = replace(
            documents.placed_of(whole),
            order=change.order(),
            added=change.generation,
            added_in=number,
            builds=tuple(builds),
            removed=head.LIVE,
            removed_in=0,
        )
        table.put([_document(whole, placed, run)])
        stems = documents.stems_of(whole)
        for build in builds:
            where = conditions(document=row.id)
            held = list(change.place.chunks(build).all(where, chunks.WHOLE))
            change.chunks(build).put([chunks.copied(each, placed, build, run) for each in held])
            change.words(build, words.differing((), [stems.get(build, Counter())]))
            added += len(held) if build == change.head.build else 0
    return added


def _document(whole: Row, placed: documents.Placed, run: str) -> Row:
    """A document that was read whole, as another version of itself."""
    data: dict[str, Any] = documents.facts(whole)
    data |= {"added_in": placed.added_in, "run": run, "seen_at": placed.seen_at}
    entry = documents.archived(whole).entry
    stems = {n: c for n, c in documents.stems_of(whole).items() if n in placed.builds}
    made = documents.row(entry, placed, stems)
    return Row(id=made.id, values={**made.values, "data": json.dumps(data, ensure_ascii=False)})
