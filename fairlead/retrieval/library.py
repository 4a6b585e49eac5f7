"""The documents of all tenants: ingesting them, searching them, reading them back."""

import asyncio
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path

from fairlead.errors import InputError, Unavailable
from fairlead.protocols import Embedder, Reranker
from fairlead.reports import CollectionInfo, IngestReport, SearchResult
from fairlead.retrieval.caches import Caches
from fairlead.retrieval.calibration import calibrated
from fairlead.retrieval.configuration import Configured
from fairlead.retrieval.ingest import Ingest, Order
from fairlead.retrieval.searches import Searches
from fairlead.retrieval.sources import Source
from fairlead.retrieval.store import Index, Store, other_embedder
from fairlead.retrieval.stored import Integrity, StoredDocument
from fairlead.retrieval.stores import open_store
from fairlead.retrieval.times import until
from fairlead.retrieval.upkeep import Upkeep
from fairlead.retrieval.vectors import Progress
from fairlead.schema import Document, Json, Principal, SearchMode
from fairlead.settings import Settings
from fairlead.tracing import Tracing

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Library:
    """Collections of tenants in one store: below `root`, or where the settings say.

    All blocking work runs in threads. What was never written reads as empty.
    """

    def __init__(
        self,
        root: Path,
        embedder: Embedder | None,
        settings: Settings | None = None,
        tracing: Tracing | None = None,
        *,
        store: Store | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._settings = settings or Settings()
        tracing = tracing or Tracing()
        self._embedder = embedder
        self.store = store or open_store(self._settings, root)
        self._caches = _caches(self._settings, root.parent / "cache")
        self._searches = Searches(
            self.store, embedder, self._settings, tracing, self._caches, reranker
        )
        self.upkeep = Upkeep(
            self.store,
            embedder,
            self._settings,
            self._caches,
            self._index,
            partial(open_store, self._settings, root),
        )
        """Versions, expiry, deletion, quarantine, rebuilding, moving, audit."""

    async def check_embedder(self) -> None:
        """Raises `SettingsError` where a collection was embedded by another embedder.

        While the store is away nothing is compared: searches say that, and compare when it is back.
        """
        if self._embedder is not None:
            with suppress(Unavailable):
                await asyncio.to_thread(self._compared, self._embedder)

    def _compared(self, embedder: Embedder) -> None:
        for _, _, spec in self.store.specs():
            if spec.embedder and spec.embedder != embedder.identity:
                raise other_embedder(made_by=spec.embedder, configured=embedder.identity)

    # --- writing ---------------------------------------------------------------------------------

    async def ingest(
        self,
        sources: Sequence[Source],
        *,
        tenant: str,
        collection: str = "default",
        as_name: str | None = None,
        prune: bool = False,
        chunker: str | None = None,
        pii: str | None = None,
        text_only: bool = False,
        expires: datetime | date | str | None = None,
        actor: str = "local",
        progress: Progress | None = None,
    ) -> IngestReport:
        """Stores what is new or changed in files, folders, pages, `-` (JSON lines) or documents.

        Documents become visible batch by batch, each whole; an interrupted run is taken up by the
        next. `prune` removes what vanished below the given folders and files; `pii` overrides the
        policy for personal data; `expires` is when these documents are gone. `progress` is called
        from another thread. Raises `InputError` when no source was any good, `SettingsError` when
        the collection was embedded by another embedder, and then changes nothing.
        """
        index = self._index(tenant, collection)
        configured = Configured(self._settings, collection, pii=pii)
        order = Order(
            given=[sources] if isinstance(sources, (str, Path, Document)) else list(sources),
            chunker=configured.chunker(chunker),
            rules=configured.rules,
            as_name=as_name,
            prune=prune,
            text_only=text_only,
            expires=until(expires),
            allow_hosts=self._settings.policy.allow_hosts,
            extractor=configured.extractor,
            renews=configured.section.ttl_days is not None,
            actor=actor,
        )
        stopped = threading.Event()

        def work() -> IngestReport:
            return Ingest(
                self.store, index, self._embedder, order, progress or _silent, stopped.is_set
            ).run()

        try:
            report = await asyncio.to_thread(work)
        finally:
            stopped.set()  # a cancelled caller leaves; the thread ends after its batch
        self._caches.forget(tenant, collection)
        if self._embedder is not None and not text_only:
            await calibrated(index, self._embedder)
        await asyncio.to_thread(index.settle)
        return report

    # --- reading ---------------------------------------------------------------------------------

    async def search(
        self,
        query: str,
        *,
        principal: Principal,
        collection: str = "default",
        k: int = 8,
        mode: SearchMode = "hybrid",
        filters: Mapping[str, Json] | None = None,
        as_of: datetime | str | None = None,
        tokens: int | None = None,
    ) -> SearchResult:
        """The `k` best passages that the principal may read, best first.

        `filters` are conditions on metadata (see `filters.parsed_filters`); `as_of` is a moment or
        an index version; `tokens` is a budget for all passages together, within which neighbours
        are joined. Raises `InputError` for a query, filter, mode or `k` that cannot be used,
        `Unavailable` when the store is away and no result is kept.
        """
        self._index(principal.tenant, collection)
        return await self._searches.search(
            query,
            principal=principal,
            collection=collection,
            k=k,
            mode=mode,
            filters=filters,
            as_of=as_of,
            tokens=tokens,
        )

    async def collections(self, tenant: str) -> tuple[CollectionInfo, ...]:
        """What a tenant has, by name."""
        names = await self.collection_names(tenant)
        return await asyncio.to_thread(self._described, tenant, names)

    async def collection_names(self, tenant: str) -> tuple[str, ...]:
        """The names alone, without counting what is in them."""
        _check_name("tenant", tenant)
        return tuple(await self.store.collections(tenant))

    def _described(self, tenant: str, names: Sequence[str]) -> tuple[CollectionInfo, ...]:
        found = [self.store.index(tenant, name).information() for name in names]
        return tuple(each for each in found if each is not None)

    async def text(
        self, *, tenant: str, collection: str, document_id: str, version: str, start: int, end: int
    ) -> str | None:
        """The stored text's code points `start` to `end`, of that version, replaced or not."""
        document = await self.document(
            tenant=tenant, collection=collection, document_id=document_id, version=version
        )
        return document.text[max(0, start) : max(0, end)] if document and document.text else None

    async def document(
        self, *, tenant: str, collection: str, document_id: str, version: str | None = None
    ) -> StoredDocument | None:
        """A document version, or without `version` the live or newest one; None where none is.

        One that was deleted or has expired is a tombstone: `status` is `erased`, and it says when
        and why; its text is empty.
        """
        index = self._index(tenant, collection)
        return await asyncio.to_thread(index.document, document_id, version)

    async def check(self, *, tenant: str, collection: str = "default") -> Integrity:
        """Whether what the store holds of a collection agrees with itself."""
        index = self._index(tenant, collection)
        return await asyncio.to_thread(index.verified)

    async def close(self) -> None:
        """Closes what is open. A library can be used again afterwards."""
        await self.store.close()
        self._caches.close()

    def _index(self, tenant: str, collection: str) -> Index:
        _check_name("tenant", tenant)
        _check_name("collection", collection)
        return self.store.index(tenant, collection)


def _check_name(kind: str, name: str) -> None:
    """Before any path is built from it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no {kind} name",
            hint="Use 1 to 64 of a-z, 0-9, _ and -, with a letter or digit first.",
        )


def _caches(settings: Settings, folder: Path) -> Caches:
    cache = settings.retrieval.cache
    on_disk = cache.place == "disk" or (
        cache.place == "auto" and settings.retrieval.store != "embedded"
    )
    off = cache.place == "off"
    return Caches(
        folder if on_disk else None,
        seconds=0.0 if off else cache.seconds,
        stale_seconds=0.0 if off else cache.stale_seconds,
        limit=cache.megabytes * 1024 * 1024,
    )


def _silent(stage: str, done: int, total: int) -> None:
    """No progress is shown."""
