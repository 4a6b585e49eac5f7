"""The same tests on every store: embedded always, Weaviate where its server is asked for."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fairlead.retrieval import Library
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.retrieval.store import Index, Snapshot, Store
from fairlead.retrieval.stored import Scope
from fairlead.retrieval.weaviate import WeaviateStore
from fairlead.schema import Principal
from fairlead.sections import Weaviate as Section
from fairlead.settings import Settings
from tests.retrieval.conftest import HashEmbedder

OpenStore = Callable[[], Store]
STORES = ["embedded", pytest.param("weaviate", marks=pytest.mark.weaviate)]


def prefix() -> str:
    """Of classes that only one test uses."""
    return f"T{Random().getrandbits(60):015x}"


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], OpenStore]:
    """By a name, what opens a store of its own, each time anew on the same data."""
    kind, prefixes = request.param, defaultdict[str, str](prefix)
    server = request.getfixturevalue("weaviate") if kind == "weaviate" else None

    def named(name: str) -> OpenStore:
        if server is None:
            return lambda: EmbeddedStore(tmp_path / name)
        section = Section(
            url=server.url, grpc_port=server.ports.grpc, prefix=prefixes[name], query_seconds=30
        )
        return lambda: WeaviateStore(section)

    return named


@pytest.fixture
def open_store(stores: Callable[[str], OpenStore]) -> OpenStore:
    """Opens the store of the test, each time anew on the same data."""
    return stores("knowledge")


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[Store]:
    opened = open_store()
    yield opened
    await opened.close()
    gc.collect()


@pytest.fixture
async def library(store: Store, tmp_path: Path, embedder: HashEmbedder) -> AsyncIterator[Library]:
    opened = library_on(store, tmp_path, embedder)
    yield opened
    await opened.close()


def library_on(
    store: Store, tmp_path: Path, embedder: HashEmbedder | None, **settings: Any
) -> Library:
    """A library without result caches, so that each search reaches the store."""
    cache = {"retrieval": {"cache": {"place": "off"}}}
    return Library(
        tmp_path / "knowledge", embedder, Settings.model_validate(cache | settings), store=store
    )


def scope(tenant: str = "acme", *, now: datetime | None = None, **values: Any) -> Scope:
    principal = values.pop("principal", None) or Principal(tenant=tenant)
    return Scope(principal=principal, now=now or datetime.now(UTC), **values)


async def ids_in(index: Index, of: Scope) -> set[str]:
    """Ids of the documents of which chunks can be found."""
    async with index.snapshot(of) as snapshot:
        return {hit.hit.document_id for hit in (await _all(snapshot)).values()}


async def _all(snapshot: Snapshot) -> Any:
    return await snapshot.candidates(await snapshot.sample(1000))


async def blocking(work: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """A call that blocks, in a thread as the library makes it."""
    return await asyncio.to_thread(work, *values, **named)
