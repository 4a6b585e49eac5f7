"""What an operator does to collections: earlier states, expiry, deletion, quarantine, moving."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TypeVar

from fairlead.errors import InputError, NotFound
from fairlead.protocols import Embedder
from fairlead.retrieval.batch import Batch, Batches
from fairlead.retrieval.caches import Caches
from fairlead.retrieval.configuration import Configured
from fairlead.retrieval.copying import Copied, copied
from fairlead.retrieval.ingest import Order
from fairlead.retrieval.rebuild import rebuilt
from fairlead.retrieval.store import Index, Store
from fairlead.retrieval.stored import AuditRow, Quarantined, Spec, Tally, Version
from fairlead.retrieval.stores import STORES
from fairlead.retrieval.times import stamp
from fairlead.retrieval.vectors import Progress, embed_pending
from fairlead.schema import Json
from fairlead.settings import Settings

_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an operator's change came to."""

    documents: int
    index_version: str
    lost: int = 0
    """Documents of the wanted state that were erased since and cannot come back."""


class Upkeep:
    """Of every collection in a store; each change is a line of the collection's audit log."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder | None,
        settings: Settings,
        caches: Caches,
        index: Callable[[str, str], Index],
        open_other: Callable[[str], Store],
    ) -> None:
        self._store, self._embedder, self._settings = store, embedder, settings
        self._caches, self._index, self._open_other = caches, index, open_other

    # --- versions --------------------------------------------------------------------------------

    async def versions(self, *, tenant: str, collection: str) -> Sequence[Version]:
        """Every state of a collection, oldest first."""
        return await asyncio.to_thread(self._index(tenant, collection).versions)

    async def rollback(
        self, version: str, *, tenant: str, collection: str, actor: str = "local"
    ) -> Change:
        """Makes a new version with the documents of an old one; nothing is lost by it.

        Raises `NotFound` where there is no such version.
        """
        index = self._index(tenant, collection)

        def work() -> tuple[Tally, int]:
            tally, lost = index.rollback(version, run=_run())
            self._note(index, actor, "rollback", version, _counts(tally))
            return tally, lost

        tally, lost = await self._changing(index, work)
        return self._change(index, tally, lost)

    async def expire(
        self, *, tenant: str, collection: str, now: datetime | None = None, actor: str = "local"
    ) -> Change:
        """Erases what is past its time, with its older versions; tombstones stay."""
        index = self._index(tenant, collection)
        ttl = Configured(self._settings, collection).section.ttl_days

        def work() -> Tally:
            tally = index.expire(now or datetime.now(UTC), ttl, run=_run())
            if tally.deleted:
                self._note(index, actor, "expire", collection, _counts(tally))
            return tally

        return self._change(index, await self._changing(index, work))

    async def delete(
        self, names: Sequence[str], *, tenant: str, collection: str, actor: str = "local"
    ) -> Change:
        """Erases documents by id or source, every version of them; tombstones stay.

        What is in the quarantine under these names goes too, also where it was never stored.
        Raises `NotFound` for a name that no document has, and then erases nothing.
        """
        index = self._index(tenant, collection)

        def work() -> Tally:
            held = index.quarantine()
            kept_out = {
                name: [each.id for each in held if name in (each.document_id, each.source)]
                for name in names
            }
            missing = [name for name in names if not kept_out[name] and not index.named(name)]
            if missing:
                raise NotFound(
                    f"collection {collection!r} has no document {missing[0]!r}",
                    hint="Name documents by their id or source, as `fairlead search` shows them.",
                )
            tally = index.erase(names, why="deleted", run=_run())
            dropped = index.drop(list(chain.from_iterable(kept_out.values())))
            tally += Tally(deleted=dropped)
            self._note(index, actor, "delete", ", ".join(names)[:400], _counts(tally))
            return tally

        return self._change(index, await self._changing(index, work))

    async def audit(self, *, tenant: str, collection: str, limit: int = 100) -> Sequence[AuditRow]:
        """Who did what, newest first."""
        return await asyncio.to_thread(self._index(tenant, collection).audit, limit)

    def caches(self, tenant: str) -> Mapping[str, Mapping[str, float]]:
        """Hits and sizes of a tenant's caches."""
        return self._caches.statistics(tenant)

    # --- quarantine ------------------------------------------------------------------------------

    async def quarantine(self, *, tenant: str, collection: str) -> Sequence[Quarantined]:
        """What gates kept out, oldest first, without the texts."""
        return await asyncio.to_thread(self._index(tenant, collection).quarantine)

    async def quarantined(self, id_: str, *, tenant: str, collection: str) -> Quarantined:
        """One of them with its text. Raises `NotFound`."""
        index = self._index(tenant, collection)
        return await asyncio.to_thread(_held, index, id_)

    async def release(
        self, id_: str, *, tenant: str, collection: str, actor: str = "local"
    ) -> Change:
        """Stores a document although its gate kept it out; the other gates hold.

        Raises `NotFound`, and `InputError` where another gate keeps it out: releasing it once more
        overrules that one too.
        """
        index = self._index(tenant, collection)
        configured = Configured(self._settings, collection)

        def work() -> Tally:
            held = _held(index, id_)
            assert held.record is not None, "read whole"
            order = Order(
                given=(),
                chunker=configured.chunker_of(index.spec().chunker),
                rules=configured.rules,
                extractor=configured.extractor,
            )
            batches = Batches(
                index,
                self._embedder,
                order.rules,
                order.chunker,
                order.extractor,
                run=_run(),
                digest=order.digest,
                text_first=self._store.capabilities.text_first,
            )
            overruled = held.gate.split(",")
            rejects = batches.store(Batch(records=[held.record]), released=overruled)
            if rejects:
                raise InputError(
                    f"{held.source!r} stays in quarantine: {rejects[0].reason}",
                    hint="Release it once more to overrule that gate too, or drop it.",
                )
            self._note(index, actor, "release", held.source, {"gate": held.gate})
            if self._embedder is not None:
                embed_pending(index, self._embedder, _silent, lambda: False)
            return batches.done.tally

        return self._change(index, await self._changing(index, work))

    async def drop(
        self, ids: Sequence[str], *, tenant: str, collection: str, actor: str = "local"
    ) -> int:
        """Deletes documents from the quarantine; how many. Raises `NotFound` for one not there."""
        index = self._index(tenant, collection)

        def work() -> int:
            for id_ in ids:
                _held(index, id_)
            self._note(index, actor, "drop", ", ".join(ids)[:400], {})
            return index.drop(ids)

        return await asyncio.to_thread(work)

    # --- another embedder, chunker or store ------------------------------------------------------

    async def rebuild(
        self,
        *,
        tenant: str,
        collection: str,
        chunker: str | None = None,
        actor: str = "local",
        progress: Progress | None = None,
    ) -> Change:
        """Cuts and embeds a collection anew, beside the present index, and swaps it in at once."""
        index = self._index(tenant, collection)
        configured = Configured(self._settings, collection)
        wanted = configured.chunker(chunker)

        def work() -> int:
            identity = self._embedder.identity if self._embedder else ""
            count = rebuilt(
                index,
                Spec(chunker=wanted.identity, embedder=identity),
                wanted,
                self._embedder,
                configured.extractor,
                progress or _silent,
            )
            detail: dict[str, Json] = {"chunker": wanted.identity, "embedder": identity}
            self._note(index, actor, "rebuild", collection, detail)
            return count

        count = await self._changing(index, work)
        return self._change(index, Tally(changed=count))

    async def copy(
        self,
        to: str,
        *,
        tenant: str,
        collection: str,
        actor: str = "local",
        progress: Progress | None = None,
    ) -> Copied:
        """Copies a collection into the store called `to`, with all versions, and compares both.

        Raises `InputError` for no other store's name, and where it has such a collection.
        """
        index = self._index(tenant, collection)
        target = self._other(to)
        there = target.index(tenant, collection)

        def work() -> Copied:
            done = copied(index, there, progress or _silent)
            self._note(
                there, actor, "copy", f"from {self._store.name}", {"documents": done.documents}
            )
            return done

        try:
            return await asyncio.to_thread(work)
        finally:
            await target.close()

    def _other(self, name: str) -> Store:
        others = [each for each in STORES if each != self._store.name]
        if name not in others:
            raise InputError(
                f"cannot copy from the {self._store.name} store to {name!r}",
                hint=f"Say --to {' or '.join(others)}.",
            )
        return self._open_other(name)

    # --- what they share -------------------------------------------------------------------------

    async def _changing(self, index: Index, work: Callable[[], _Found]) -> _Found:
        try:
            return await asyncio.to_thread(work)
        finally:
            self._caches.forget(index.tenant, index.name)

    def _change(self, index: Index, tally: Tally, lost: int = 0) -> Change:
        facts = index.information()
        return Change(
            documents=tally.added + tally.changed + tally.deleted,
            index_version=facts.index_version if facts else "",
            lost=lost,
        )

    def _note(
        self, index: Index, actor: str, action: str, target: str, detail: Mapping[str, Json]
    ) -> None:
        now = stamp(datetime.now(UTC))
        index.note(AuditRow(at=now, actor=actor, action=action, target=target, detail=detail))


def _held(index: Index, id_: str) -> Quarantined:
    found = index.quarantined(id_)
    if found is None:
        raise NotFound(
            f"nothing {id_!r} is in quarantine", hint="`fairlead quarantine ls` lists what is."
        )
    return found


def _counts(tally: Tally) -> dict[str, Json]:
    return {name: count for name, count in vars(tally).items() if count}


def _run() -> str:
    return uuid.uuid4().hex


def _silent(stage: str, done: int, total: int) -> None:
    """No progress is shown."""
