"""Replication 3: a node that dies takes no acknowledged write and no query with it."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from weaviate import WeaviateClient
from weaviate.classes.config import (
    Configure,
    ConsistencyLevel,
    DataType,
    Property,
)
from weaviate.classes.data import DataObject
from weaviate.exceptions import WeaviateBaseError

from tests.servers.cluster import WeaviateCluster
from tests.servers.connections import connect

CATCHING_UP_SECONDS = 60.0

pytestmark = pytest.mark.weaviate


def notes(client: WeaviateClient, level: ConsistencyLevel = ConsistencyLevel.QUORUM) -> Any:
    return client.collections.use("Note").with_tenant("acme").with_consistency_level(level)


def note() -> DataObject[Any, None]:
    return DataObject({"text": "a common word"}, uuid=str(uuid4()), vector={"body": [1.0, 2.0]})


@dataclass
class Load:
    """One writer and some readers, each with a client of its own, until `stop` is set."""

    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: list[str] = field(default_factory=list)
    queries: int = 0
    failed: list[str] = field(default_factory=list)

    def write(self, client: WeaviateClient) -> None:
        """Batches of ten. One that is not acknowledged is sent again: same ids, same objects."""
        while not self.stop.is_set():
            batch = [note() for _ in range(10)]
            while not self._written(client, batch):
                pass

    def _written(self, client: WeaviateClient, batch: list[Any]) -> bool:
        try:
            if notes(client).data.insert_many(batch).has_errors:
                return False
        except WeaviateBaseError:
            return False
        self.acknowledged += [str(each.uuid) for each in batch]
        return True

    def read(self, client: WeaviateClient) -> None:
        while not self.stop.is_set():
            try:
                found = notes(client).query.hybrid("common", vector=[1.0, 2.0], limit=3)
                self.failed += [] if found.objects else ["nothing found"]
            except WeaviateBaseError as error:
                self.failed.append(str(error))
            self.queries += 1

    @contextmanager
    def running(self, writer: WeaviateClient, *readers: WeaviateClient) -> Iterator[None]:
        threads = [threading.Thread(target=self.write, args=(writer,))]
        threads += [threading.Thread(target=self.read, args=(reader,)) for reader in readers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()


def test_the_death_of_the_leader_loses_no_write_and_no_query(
    weaviate_cluster: WeaviateCluster,
) -> None:
    victim = weaviate_cluster.leader()
    survivors = [node for node in weaviate_cluster.nodes if node is not victim]
    load = Load()
    with ExitStack() as clients:
        # A call that waits for the dead leader ends only by its own time limit.
        writer, near, far = (
            clients.enter_context(connect(node, seconds=5)) for node in (*survivors, survivors[0])
        )
        listed = clients.enter_context(connect(victim, *survivors, seconds=5))
        writer.collections.create(
            "Note",
            properties=[Property(name="text", data_type=DataType.TEXT)],
            vector_config=Configure.Vectors.self_provided(name="body"),
            multi_tenancy_config=Configure.multi_tenancy(enabled=True),
            replication_config=Configure.replication(factor=3),
        ).tenants.create("acme")
        assert not notes(writer).data.insert_many([note()]).has_errors
        with load.running(writer, near, far, listed):
            time.sleep(2)
            victim.kill()
            before, queries = len(load.acknowledged), load.queries
            time.sleep(8)
        assert load.failed == [] and load.queries > queries + 100
        assert len(load.acknowledged) > before + 100 > 200
        for reader in (near, far):
            assert missing(load.acknowledged, reader) == set()
    victim.start()
    with connect(victim) as client:
        patience = time.monotonic() + CATCHING_UP_SECONDS
        while missing(load.acknowledged, client) and time.monotonic() < patience:
            time.sleep(0.5)
        assert missing(load.acknowledged, client) == set()


def missing(ids: list[str], client: WeaviateClient) -> set[str]:
    """Which of the ids this node's own copy does not hold: it answers searches from that alone."""
    own = notes(client, ConsistencyLevel.ONE).iterator(return_properties=[])
    return set(ids) - {str(each.uuid) for each in own}
