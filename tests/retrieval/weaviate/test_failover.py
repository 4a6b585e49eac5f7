"""Replication 3: the death of the node that is asked loses no stored document and no search."""

import asyncio
import time
from pathlib import Path

import pytest

from fairlead.errors import FairleadError
from fairlead.retrieval import Library
from fairlead.retrieval.weaviate import WeaviateStore
from fairlead.schema import Document, Principal
from fairlead.sections import Weaviate as Section
from fairlead.sections import WeaviateNode
from tests.retrieval.conformance.conftest import ids_in, library_on, prefix, scope
from tests.retrieval.conftest import HashEmbedder
from tests.servers.cluster import WeaviateCluster

pytestmark = pytest.mark.weaviate


class Load:
    """A writer and some readers until `stop` is set."""

    def __init__(self, library: Library) -> None:
        self.stop = asyncio.Event()
        self.stored: list[str] = []
        self.refused: list[str] = []
        self.searches = 0
        self.failed: list[str] = []
        self.slowest = 0.0
        self._library = library

    async def write(self) -> None:
        """Documents in tens; what was not acknowledged is ingested again."""
        number = 0
        while not self.stop.is_set():
            ids = [f"d{n}" for n in range(number, number + 10)]
            given = [Document(id=i, text=f"common words of {i}") for i in ids]
            try:
                await self._library.ingest(given, tenant="acme")
            except FairleadError as error:
                self.refused.append(error.message)
                continue
            self.stored += ids
            number += 10

    async def read(self) -> None:
        while not self.stop.is_set():
            began = time.monotonic()
            known = len(self.stored)
            try:
                found = await self._library.search(
                    "common words", principal=Principal(tenant="acme"), k=3
                )
                if not found.hits and known:
                    self.failed.append("nothing found")
                self.failed += [each for each in found.warnings if "no vector" not in each]
            except FairleadError as error:
                self.failed.append(error.message)
            self.searches += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


async def test_a_node_that_dies_takes_nothing_with_it(
    weaviate_cluster: WeaviateCluster, tmp_path: Path, embedder: HashEmbedder
) -> None:
    first, *others = weaviate_cluster.nodes
    section = Section(
        url=first.url,
        grpc_port=first.ports.grpc,
        nodes=tuple(WeaviateNode(url=o.url, grpc_port=o.ports.grpc) for o in others),
        replicas=3,
        prefix=prefix(),
        connect_seconds=5,
        query_seconds=5,
        insert_seconds=10,
    )
    store = WeaviateStore(section)
    library = library_on(store, tmp_path, embedder)
    await library.ingest([Document(id="zero", text="common words")], tenant="acme")
    load = Load(library)
    tasks = [asyncio.create_task(load.write()), *(asyncio.create_task(load.read()) for _ in "ab")]
    await asyncio.sleep(3)
    first.kill()
    before, searches = len(load.stored), load.searches
    await asyncio.sleep(12)
    load.stop.set()
    await asyncio.gather(*tasks)
    assert load.failed == [] and load.searches > searches + 20
    assert len(load.stored) > before + 20 > 40
    assert await ids_in(store.index("acme", "default"), scope()) >= {*load.stored, "zero"}
    checked = await library.check(tenant="acme")
    assert checked.problems == () and checked.documents >= len(load.stored) + 1
    await library.close()
