"""What one reader may see of a collection on the server, as filters that the server applies."""

import asyncio
import copy
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fairlead.retrieval.analysis import STEMMER
from fairlead.retrieval.embedded.snapshot import EmptySnapshot
from fairlead.retrieval.filters import OWN_FIELDS, Reading, readings, unknown_field
from fairlead.retrieval.filters import Filter as Wished
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Candidate, Ref, Scope, Scores
from fairlead.retrieval.weaviate import chunks, documents, head, reading, words
from fairlead.retrieval.weaviate.conditions import condition, field_key, orders_words
from fairlead.retrieval.weaviate.connection import Absent
from fairlead.retrieval.weaviate.head import HEAD, KEPT, Head, Moment, chunks_alive, shown
from fairlead.retrieval.weaviate.names import key
from fairlead.retrieval.weaviate.place import Place
from fairlead.retrieval.weaviate.remembering import missing
from fairlead.retrieval.weaviate.tables import AsyncTable, Wanted, among, conditions

if TYPE_CHECKING:  # 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

_WORDS: Final = ("words",)
"""Stems of the title stand in it three times: as on the embedded store, and in one length."""
_COUNTED_FOR: Final = 5.0
"""Seconds that counts of what a reader may see hold in one state: documents expire."""
_FIELDS: Final = 10_000
"""Documents whose fields are looked through for the values that a condition puts in order."""
_NAMED: Final = 1000
"""Chunks whose fields are named where a filter asks for one that there is not."""


@asynccontextmanager
async def snapshot(place: Place, scope: Scope) -> AsyncIterator[Snapshot]:
    """What the scope may see; of what was never written, nothing."""
    yield await _opened(place, scope)


async def _opened(place: Place, scope: Scope) -> Snapshot:
    records = AsyncTable(place.records)
    try:
        present = Head.of((await records.get([HEAD], KEPT)).get(HEAD))
        if present is None or not present.build:
            return EmptySnapshot()
        moment = head.present(present, scope.as_of)
        if moment is None:
            assert scope.as_of is not None, "else the present is meant"
            where, wanted = head.past(scope.as_of)
            moment = head.found(await records.find(where, wanted, limit=1))
        view = PlaceSnapshot(place, present, moment)
        await view.look(scope)
    except Absent:
        place.shared.schema.forget()
        return EmptySnapshot()
    return view


class PlaceSnapshot:
    """Of one generation: later changes do not reach it, except that what was erased is gone."""

    def __init__(self, place: Place, present: Head, moment: Moment) -> None:
        self._place, self._head, self._moment = place, present, moment
        self._records = AsyncTable(place.records)
        self._table = AsyncTable(place.chunks(present.build))
        self._visible: Any = None
        self._max_age_days: float | None = None
        self._readers: tuple[str, ...] = ()
        self._known = place.shared.states.of(present.born, present.state)
        self.version = shown(moment.version)
        self.state = f"{present.state} {moment.generation}"
        self.spec = present.spec
        self.facts: Mapping[str, str] = present.facts
        self.chunks = 0
        self.vectors = 0

    # --- whom it is for --------------------------------------------------------------------------

    async def look(self, scope: Scope) -> None:
        """Makes the filter of a scope, and counts what is in it."""
        from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

        now = scope.now.timestamp()
        fixed = chunks_alive(self._head, self._moment.generation)
        self._readers = (scope.principal.subject, *scope.principal.groups)
        fixed &= among("readers", chunks.readable_by(scope.principal))
        fixed &= Filter.by_property("ends").greater_than(now)
        if scope.max_age_days is not None:
            oldest = now - scope.max_age_days * 86400
            fixed &= Filter.by_property("seen").greater_than(oldest)
        self._max_age_days = scope.max_age_days
        self._visible = fixed
        for each in scope.filters:
            fixed &= await self._condition(each)
        self._visible = fixed
        await self._count(scope)

    async def _count(self, scope: Scope) -> None:
        now = int(scope.now.timestamp() / _COUNTED_FOR)
        generation = self._moment.generation
        name = ("count", generation, self._readers, scope.filters, scope.max_age_days, now)
        held = self._known.facts.get(name)
        if held is None:
            counted = await asyncio.gather(
                self._table.count(self._visible),
                self._table.count(self._visible & conditions(has_vector=True)),
            )
            held = self._known.keep_fact(name, counted)
        self.chunks, self.vectors = held

    async def _condition(self, wished: Wished) -> Any:
        from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

        if not wished.known:
            await self._check_known(wished.field)
        values = await self._values(wished.field) if orders_words(wished) else ()
        found = condition(wished, values)
        holds = among("tags", found.tags)
        return Filter.not_(holds) if found.negative else holds

    async def _check_known(self, name: str) -> None:
        """Where the reader may see documents, one has the field; a misspelt one is an error.

        No other document's fields are told of, not even whether there are any.
        """
        fact = ("field", name, self._moment.generation, self._readers)
        if self._known.facts.get(fact):
            return
        where = self._visible & among("tags", [field_key(name)])
        if await self._table.find(where, Wanted(), limit=1):
            self._known.keep_fact(fact, True)
            return
        rows = await self._table.find(self._visible, chunks.SHOWN, limit=_NAMED)
        if rows:
            known = {field for row in rows for field in chunks.facts(row)["metadata"]}
            raise unknown_field(name, [*known, *OWN_FIELDS])

    async def _values(self, name: str) -> tuple[Reading, ...]:
        """What documents have in a field."""
        found = self._known.facts.get(("values", name))
        if found is None:
            where = conditions(kind="document", erased=False) & among("names", [field_key(name)])
            rows = await self._records.find(where, documents.FACTS, limit=_FIELDS)
            values = reading.fields(rows).get(name, [])
            read = tuple({each for value in values for each in readings(value)})
            found = self._known.keep_fact(("values", name), read)
        return tuple(found)

    def narrowed(self, documents: Collection[Ref]) -> Snapshot:
        found = copy.copy(self)
        found._visible = self._visible & among("document", [str(each) for each in documents])
        return found

    # --- the two rankings ------------------------------------------------------------------------

    async def sparse(self, terms: Sequence[str], n: int) -> Scores:
        stems = STEMMER.stems(terms)
        said = " ".join(stem for term in terms for stem in stems[term])
        if not said:
            return {}
        rows = await self._table.by_words(said, _WORDS, self._visible, n)
        return {row.id: row.score for row in rows}

    async def dense(self, vector: "NDArray[float32]", n: int) -> Scores:
        if not self.vectors:
            return {}
        rows = await self._table.by_vector(vector.tolist(), "body", self._visible, n)
        return {row.id: row.score for row in rows}

    # --- what ranking needs beyond ---------------------------------------------------------------

    async def frequencies(self, stems: Sequence[str]) -> Mapping[str, int]:
        return (await self._vocabulary()).frequencies(stems)

    async def similar_stems(self, stem: str, edits: int) -> Mapping[str, int]:
        vocabulary = await self._vocabulary()
        return await asyncio.to_thread(vocabulary.similar, stem, edits)

    async def _vocabulary(self) -> words.Vocabulary:
        present, held = self._head, self._place.shared.vocabularies
        known = held.held(present.born, present.build, present.generation)
        if known.generation == present.generation:
            return known
        where = words.after(present.build, known.generation, present.generation)
        rows = await self._records.find(where, words.KEPT)
        found = await asyncio.to_thread(known.with_rows, rows, present.generation)
        held.keep(present.born, present.build, found)
        return found

    async def vectors_of(self, refs: Sequence[Ref]) -> "NDArray[float32]":
        import numpy as np  # noqa: PLC0415 - 60 ms to import

        held = dict(self._known.vectors)
        wanted = missing(refs, held)
        rows = await self._table.get(wanted, Wanted(vectors=("body",)))
        come: dict[Ref, NDArray[float32] | None] = dict.fromkeys(wanted)
        for id_, row in rows.items():
            if "body" in row.vectors:
                come[id_] = np.asarray(row.vectors["body"], dtype=np.float32)
        self._known.keep_vectors(come)
        held |= come
        sizes = {len(vector) for ref in refs if (vector := held[ref]) is not None}
        found = np.zeros((len(refs), max(sizes, default=0)), dtype=np.float32)
        for at, ref in enumerate(refs):
            if (vector := held[ref]) is not None:
                found[at] = vector
        return found

    async def candidates(self, refs: Sequence[Ref]) -> Mapping[Ref, Candidate]:
        held, place = dict(self._known.candidates), self._place
        rows = await self._table.get(missing(refs, held), chunks.SHOWN)
        come: dict[Ref, Candidate] = {
            id_: chunks.candidate(
                row, place.tenant, place.collection, self.spec, self._max_age_days
            )
            for id_, row in rows.items()
        }
        self._known.keep_candidates(come)
        held |= come
        return {ref: held[ref] for ref in refs if ref in held}

    async def sample(self, n: int) -> Sequence[Ref]:
        wanted = Wanted(sort=(("lot", True),))
        return [row.id for row in await self._table.find(self._visible, wanted, limit=max(1, n))]

    # --- entities --------------------------------------------------------------------------------

    async def linked(self, entities: Sequence[str], n: int) -> Mapping[Ref, Sequence[str]]:
        listed = list(dict.fromkeys(entities))
        rows = await asyncio.gather(
            *(
                self._table.find(
                    self._visible & among("entities", [key("entity", name)]), Wanted(), limit=n
                )
                for name in listed
            )
        )
        found: dict[Ref, list[str]] = {}
        for name, held in zip(listed, rows, strict=True):
            for row in held:
                found.setdefault(row.id, []).append(name)
        return found

    async def entities_of(self, refs: Sequence[Ref]) -> Mapping[Ref, Sequence[str]]:
        rows = await self._table.get([str(ref) for ref in refs], chunks.SHOWN)
        return {
            id_: names_ for id_, row in rows.items() if (names_ := chunks.facts(row)["entities"])
        }
