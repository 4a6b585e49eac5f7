"""One tenant's collection on a server: its tables, its lease, and its changes."""

import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fairlead.errors import FairleadError, Unavailable
from fairlead.retrieval.stored import Spec
from fairlead.retrieval.times import seconds, stamp
from fairlead.retrieval.weaviate import names, words
from fairlead.retrieval.weaviate.connection import Absent, Connection
from fairlead.retrieval.weaviate.head import HEAD, INTENT, KEPT, LIVE, Head, Leaving
from fairlead.retrieval.weaviate.remembering import States
from fairlead.retrieval.weaviate.schema import Schema
from fairlead.retrieval.weaviate.tables import (
    Row,
    Table,
    Wanted,
    among,
    conditions,
    slices,
)
from fairlead.sections import Weaviate as Section
from fairlead.storage.lease import Leases

_WAITS: Final = 120.0
"""Seconds that a writer waits for another one on this machine."""
_MOMENT: Final = 0.25
_SEARCHES: Final = 10.0
"""Seconds after which no search is left that began before a change."""
_LEAVING: Final = 2000
"""Removed documents whose chunks may wait to be marked: every search names them."""
_AT_ONCE: Final = 200
_KEEPS: Final = 60.0
"""Seconds that a replaced build is kept for readers who began before."""


@dataclass(kw_only=True)
class Shared:
    """What all collections of a store share."""

    section: Section
    connection: Connection
    schema: Schema
    vocabularies: words.Vocabularies = field(default_factory=words.Vocabularies)
    states: States = field(default_factory=States)

    @property
    def leases(self) -> Leases:
        return Leases.at(Path(tempfile.gettempdir()) / "fairlead" / "weaviate.lock")


class Place:
    """Where one tenant's collection is."""

    def __init__(self, shared: Shared, tenant: str, collection: str) -> None:
        self.shared, self.tenant, self.collection = shared, tenant, collection
        self.records = self._table(names.records_class(shared.section.prefix, collection))
        self._glimpsed: tuple[float, Head | None] = (0.0, None)

    def chunks(self, build: int) -> Table:
        return self._table(names.chunks_class(self.shared.section.prefix, self.collection, build))

    def _table(self, name: str) -> Table:
        shared = self.shared
        return Table(shared.connection, name, self.tenant, shared.section.replicas)

    def head(self) -> Head | None:
        """None where nothing was ever written."""
        try:
            return Head.of(self.records.get([HEAD], KEPT).get(HEAD))
        except Absent:
            self.shared.schema.forget()
            return None

    def glimpsed(self) -> Head | None:
        """As `head`, at most a moment ago: for the many questions of an ingest."""
        at, _ = self._glimpsed
        if time.monotonic() - at > _MOMENT:
            self._glimpsed = time.monotonic(), self.head()
        return self._glimpsed[1]

    def made(self) -> Table:
        """The records, made where they were missing."""
        self.shared.schema.records(self.collection, self.tenant)
        return self.records

    # --- changing --------------------------------------------------------------------------------

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keeps other writers of the collection on this machine out."""
        section = self.shared.section
        name = "\n".join((section.url, section.prefix, self.tenant, self.collection))
        leases = self.shared.leases
        patience = time.monotonic() + _WAITS
        while not leases.take(name):
            if time.monotonic() > patience:
                raise Unavailable(
                    f"another writer has held collection {self.collection!r} for {_WAITS:g} s",
                    hint="Try again when it is done.",
                )
            time.sleep(0.01)
        try:
            yield
        finally:
            leases.give(name)

    @contextmanager
    def change(self) -> Iterator["Change"]:
        """One generation: what is written in the block becomes visible at its end, or never."""
        with self.lease():
            self.made()
            self._glimpsed = 0.0, None
            change = self._begun()
            try:
                yield change
                change.publish()
            except Exception:
                with suppress(FairleadError):  # else the next writer does it
                    change.undo()
                raise
            change.clear()

    def _begun(self) -> "Change":
        held = self.records.get([HEAD, INTENT], KEPT)
        head = Head.of(held.get(HEAD)) or Head(born=uuid.uuid4().hex[:12])
        reserved = int(held[INTENT].values["data"].split()[0]) if INTENT in held else 0
        change = Change(self, head, 1 + max(head.generation, reserved), held.get(HEAD))
        if reserved > head.generation:
            change.undo()
        change.reserve()
        return change


class Change:
    """A generation in the making. `head` is what will be published."""

    def __init__(self, place: Place, head: Head, generation: int, before: Row | None) -> None:
        self.place, self.generation = place, generation
        self.before = head
        self.head = replace(head, generation=generation)
        self._stored = before
        self._token = f"{generation} {uuid.uuid4().hex}"
        self._written: set[int] = set()
        self._words: dict[int, Counter[str]] = {}
        self._come = 0

    @property
    def records(self) -> Table:
        return self.place.records

    def chunks(self, build: int) -> Table:
        """To be written to."""
        self._written.add(build)
        return self.place.chunks(build)

    def builds(self) -> list[int]:
        """The present build and the one being made."""
        return [build for build in (self.head.build, self.head.building) if build]

    def leave(self, documents: Sequence[str]) -> None:
        """Removes documents; their chunks are marked later."""
        leaving = Leaving(generation=self.generation, at=time.time(), documents=tuple(documents))
        self.head = replace(self.head, leaving=(*self.head.leaving, leaving))

    def _mark(self, before: float) -> None:
        """Marks the chunks of documents that were removed so long ago."""
        head = self.head
        for each in head.leaving:
            if each.at >= before:
                continue
            for build in self.builds():
                table = self.chunks(build)
                for some in slices(each.documents, _AT_ONCE):
                    rows = table.all(among("document", some), Wanted())
                    table.patch({row.id: {"removed": each.generation} for row in rows})
        kept = tuple(each for each in head.leaving if each.at >= before)
        self.head = replace(head, leaving=kept)

    def order(self) -> int:
        """The place of the next document."""
        self._come += 1
        return names.place_in(self.generation, self._come)

    def reserve(self) -> None:
        self.records.put([Row(id=INTENT, values={"kind": "intent", "data": self._token})])

    def skip(self, more: int) -> None:
        """Publishes a later generation: documents of those between are seen with it."""
        self.generation += more
        self.head = replace(self.head, generation=self.generation)

    def first_build(self, chunker: str, embedder: str) -> None:
        """Makes the first build where there is none."""
        place = self.place
        if not self.head.build:
            self.head = replace(
                self.head, build=1, builds={1: Spec(chunker=chunker, embedder=embedder)}
            )
            place.shared.schema.chunks(place.collection, place.tenant, 1, anew=True)
            place.shared.schema.lead(place.collection, place.tenant, 1)
        else:
            place.shared.schema.chunks(place.collection, place.tenant, self.head.build)

    def version(self, run: str, reason: str) -> int:
        """The index version of a run: made at its first change, and anew after somebody else's."""
        head, now = self.head, stamp(datetime.now(UTC))
        if head.version and head.run == run:
            self.head = replace(head, at=now)
        else:
            if head.version:
                self.records.put([self.before.as_version()])
            self.head = replace(head, version=head.version + 1, at=now, reason=reason, run=run)
        return self.head.version

    def words(self, build: int, counts: "Counter[str]") -> None:
        """Notes how often the words of a build come and go."""
        self._words.setdefault(build, Counter()).update(counts)

    def _count_words(self) -> None:
        """Stores the changes of words; now and then, and after an erasure, all as one sum."""
        head = self.head
        due = head.deltas >= words.SUMMED_AT or head.epoch != self.before.epoch
        for build, counts in self._words.items():
            if not (due and build == head.build) and any(counts.values()):
                self.records.put([words.row(counts, build, self.generation, whole=False)])
                self.head = replace(self.head, deltas=self.head.deltas + 1)
        if due:
            self._sum_words(head.build)

    def _sum_words(self, build: int) -> None:
        before = self.before.generation
        rows = list(self.records.all(words.after(build, 0, before), words.KEPT))
        known = words.Vocabulary().with_rows(rows, before).counts
        known.update(self._words.get(build, Counter()))
        kept = {stem: count for stem, count in known.items() if count > 0}
        self.records.put([words.row(kept, build, self.generation, whole=True)])
        self.head = replace(self.head, deltas=0, summed=self.generation)

    # --- its end ---------------------------------------------------------------------------------

    def publish(self) -> None:
        """Names the generation in the head. Raises `Unavailable` where another machine wrote."""
        self._mark(time.time() - _SEARCHES)
        self._count_words()
        for build in self._written:
            self._kept(build)
        held = self.records.get([HEAD, INTENT], KEPT)
        ours = INTENT in held and held[INTENT].values["data"] == self._token
        if not ours or Head.of(held.get(HEAD)) != Head.of(self._stored):
            raise Unavailable(
                f"collection {self.place.collection!r} was changed by another machine meanwhile",
                hint="Let one machine at a time ingest, and try again.",
            )
        self.records.put([self.head.row()])

    def _kept(self, build: int) -> None:
        """Lets the server write the vectors of a batch to its log.

        The vector index keeps the end of its log in memory until something else is done to it:
        a server that was killed then had the objects of the last batch, but did not find them by
        their vectors. A deletion, of nothing, is something else.
        """
        self.place.chunks(build).delete(conditions(added=-1))

    def undo(self) -> None:
        """Takes away what generations after the published one left behind."""
        from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

        published = self.before.generation
        for table in (self.records, *(self.place.chunks(n) for n in self.before.builds)):
            try:
                table.delete(Filter.by_property("added").greater_than(published))
                removed = Filter.by_property("removed")
                where = removed.greater_than(published) & removed.less_than(LIVE)
                while rows := table.find(where, Wanted()):
                    back = {"removed": LIVE, "removed_in": 0}
                    if table is not self.records:
                        del back["removed_in"]
                    table.patch({row.id: back for row in rows})
            except Absent:
                continue

    def clear(self) -> None:
        """After publishing: what nobody reads any more goes."""
        from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

        head, before = self.head, self.before
        if head.summed != before.summed:  # readers may still be at the sum before this one
            since = head.summed if head.epoch != before.epoch else before.summed
            older = Filter.by_property("added").less_than(since)
            self.records.delete(conditions(kind="words") & among("builds", [head.build]) & older)
        if sum(len(each.documents) for each in head.leaving) > _LEAVING:
            self._mark(time.time() + 1)
            self.records.put([self.head.row()])
        self.drop_retired()

    def drop_retired(self) -> None:
        build, at = self.head.retired
        place = self.place
        if build and time.time() - seconds(at) > _KEEPS:
            place.shared.schema.drop_chunks(place.collection, place.tenant, build)
            self.head = replace(self.head, retired=(0, ""))
            self.records.put([self.head.row()])
