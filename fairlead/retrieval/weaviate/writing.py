"""Storing and retiring whole documents: one generation for each batch."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from fairlead.retrieval.store import other_embedder
from fairlead.retrieval.stored import Entry, Spec, Tally, Vectors
from fairlead.retrieval.times import seconds
from fairlead.retrieval.weaviate import chunks, documents, reading, words
from fairlead.retrieval.weaviate.names import key
from fairlead.retrieval.weaviate.place import Change, Place
from fairlead.retrieval.weaviate.tables import Row, Wanted, among, conditions, slices

_KEYS: Final = 200


def commit(
    place: Place,
    entries: Sequence[Entry],
    vectors: Vectors,
    *,
    embedder: str,
    run: str,
    reason: str = "ingest",
) -> Tally:
    """Stores the entries in place of what their ids have now: visible all at once."""
    if not entries:
        return Tally()
    with place.change() as change:
        _embedded_by(change, embedder, entries[0].chunker)
        held = _held(change, entries)
        tally, new = Tally(), []
        for entry in entries:
            before = held.live.get(entry.record.id)
            if before is not None and documents.facts(before)["digest"] == entry.digest:
                tally += Tally(unchanged=1)  # by another process, since we looked
            else:
                new.append(entry)
        if new:
            tally += _replaced(change, new, held, vectors, run, reason)
        ids = [key(entry.record.id) for entry in entries]
        change.records.delete(conditions(kind="held") & among("document", ids))
    return tally


def embed(place: Place, vectors: Vectors, *, embedder: str) -> None:
    """Stores vectors of texts that are pending."""
    if not vectors:
        return
    with place.change() as change:
        _embedded_by(change, embedder, "")
        give_vectors(change, change.head.build, vectors)


def retire(place: Place, ids: Collection[str], *, run: str, reason: str) -> Tally:
    """Makes live documents not live from a new version on; what they said stays readable."""
    if not ids:
        return Tally()
    with place.change() as change:
        where = reading.documents_alive(change.before)
        found = reading.of_ids(place, where, ids, documents.WITH_STEMS)
        if not found:
            return Tally()
        number = change.version(run, reason)
        removed = take_out(change, found, number)
        forget_origins(change, found)
        change.head = replace(change.head, documents=change.head.documents - len(found))
    return Tally(deleted=len(found), chunks_removed=removed)


def renew(place: Place, ids: Collection[str], at: str) -> None:
    """Notes that the documents were seen unchanged at their source.

    A search at that moment may miss a chunk, as `Leaving` says; only where documents age.
    """
    if not ids:
        return
    with place.change() as change:
        found = reading.of_ids(place, reading.documents_alive(change.before), ids, documents.FACTS)
        seen = {"seen": seconds(at)}
        change.records.patch({row.id: seen for row in found})
        for build in change.builds():
            for some in slices([row.id for row in found], _KEYS):
                table = change.chunks(build)
                rows = table.all(among("document", some), Wanted())
                table.patch({row.id: seen for row in rows})


# --- one change ----------------------------------------------------------------------------------


class _Held:
    """What the ids of new documents have now."""

    def __init__(self, rows: Sequence[Row], generation: int) -> None:
        self.live: dict[str, Row] = {}
        self.versions: dict[tuple[str, str], set[str]] = {}
        for row in rows:
            facts = documents.facts(row)
            if int(row.values["removed"]) > generation:
                self.live[facts["id"]] = row
            named = self.versions.setdefault((facts["id"], facts["version"]), set())
            named.add(facts["exact"])

    def version_of(self, entry: Entry) -> str:
        """The document's own version, made distinct where it stands for another text already."""
        record = entry.record
        if not record.version:
            return entry.digest[:12]
        taken = self.versions.get((record.id, record.version), set())
        other = bool(taken - {documents.exact(record.text)})
        return f"{record.version}+{entry.digest[:8]}" if other else record.version


def _held(change: Change, entries: Sequence[Entry]) -> _Held:
    ids = [entry.record.id for entry in entries]
    where = conditions(kind="document")
    rows = reading.of_ids(change.place, where, ids, documents.WITH_STEMS)
    return _Held(rows, change.before.generation)


def _replaced(
    change: Change,
    entries: Sequence[Entry],
    held: _Held,
    vectors: Vectors,
    run: str,
    reason: str,
) -> Tally:
    number = change.version(run, reason)
    before = [held.live[e.record.id] for e in entries if e.record.id in held.live]
    was = _texts(change, before)
    known = _all_vectors(change, entries, vectors)
    take_out(change, before, number)
    counts: list[Counter[str]] = []
    rows, cut = [], []
    for entry in entries:
        placed = documents.Placed(
            version=held.version_of(entry),
            order=change.order(),
            added=change.generation,
            added_in=number,
            builds=(change.head.build,),
            seen_at=documents.seen_at(entry.record),
        )
        stems = words.stems_of(entry.pieces)
        counts.append(words.counted(stems))
        rows.append(documents.row(entry, placed, {change.head.build: counts[-1]}))
        cut += chunks.rows(entry, placed, change.head.build, stems, known)
    change.records.put(rows)
    change.chunks(change.head.build).put(cut)
    change.words(change.head.build, words.differing((), counts))
    documents_now = change.head.documents + len(entries) - len(before)
    change.head = replace(change.head, documents=documents_now)
    now = {e.record.id: Counter(p.embedded.hex() for p in e.pieces) for e in entries}
    return Tally(
        added=len(entries) - len(before),
        changed=len(before),
        chunks_added=sum((now[id_] - was.get(id_, Counter())).total() for id_ in now),
        chunks_removed=sum((was[id_] - now[id_]).total() for id_ in was),
    )


def _texts(change: Change, rows: Sequence[Row]) -> dict[str, Counter[str]]:
    """Hashes of the chunks' texts, by document id."""
    ids = {row.id: str(documents.facts(row)["id"]) for row in rows}
    found: dict[str, Counter[str]] = {id_: Counter() for id_ in ids.values()}
    table = change.place.chunks(change.head.build)
    wanted = Wanted(values=("document", "embedded"))
    for some in slices(list(ids), _KEYS):
        for row in table.all(among("document", some), wanted):
            found[ids[row.values["document"]]][row.values["embedded"]] += 1
    return found


def _all_vectors(change: Change, entries: Sequence[Entry], vectors: Vectors) -> Vectors:
    """Those given, and those that the index has for the other texts."""
    missing = {p.embedded for entry in entries for p in entry.pieces if p.embedded not in vectors}
    if not missing or not change.before.spec.embedder:
        return vectors
    return {**reading.vectors(change.place, change.before, missing), **vectors}


def take_out(change: Change, rows: Sequence[Row], number: int) -> int:
    """Makes documents not live from this generation on; how many chunks are found no longer."""
    if not rows:
        return 0
    gone = {"removed": change.generation, "removed_in": number}
    change.records.patch({row.id: gone for row in rows})
    change.leave([row.id for row in rows])
    removed = 0
    for build in change.builds():
        if build == change.head.build:
            for some in slices([row.id for row in rows], _KEYS):
                removed += change.place.chunks(build).count(among("document", some))
        counts = [documents.stems_of(row).get(build, Counter()) for row in rows]
        change.words(build, words.differing(counts, ()))
    return removed


def forget_origins(change: Change, rows: Sequence[Row]) -> None:
    """The next ingest reads the documents' sources again."""
    held = [documents.facts(row) for row in rows]
    sources = [key(each[name]) for each in held for name in ("origin", "source")]
    for some in slices(sources, _KEYS):
        change.records.delete(conditions(kind="origin") & among("source", some))


def give_vectors(change: Change, build: int, vectors: Vectors) -> None:
    """Gives the chunks of a build that have none their vectors.

    A search at that moment may miss a chunk (see `Leaving`); it was half searchable until then.
    """
    table = change.chunks(build)
    for some in slices([each.hex() for each in vectors], _KEYS):
        where = among("embedded", some) & conditions(has_vector=False)
        found = list(table.all(where, chunks.WHOLE))
        table.put([chunks.with_vectors(row, vectors) for row in found])


def _embedded_by(change: Change, embedder: str, chunker: str) -> None:
    """Makes the first build; its embedder is the first one used. Raises `SettingsError`."""
    change.first_build(chunker, embedder)
    spec = change.head.spec
    if embedder and spec.embedder and embedder != spec.embedder:
        raise other_embedder(made_by=spec.embedder, configured=embedder)
    if embedder and not spec.embedder:
        change.head = change.head.spelt(Spec(chunker=spec.chunker, embedder=embedder))


_LAST = {"order": 0}


def next_order() -> int:
    """Microseconds since 1970, and later each time: what audit rows are ordered by."""
    _LAST["order"] = max(_LAST["order"] + 1, time.time_ns() // 1000)
    return _LAST["order"]
