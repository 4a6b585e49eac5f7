"""Three Weaviate nodes on one loopback address. See `WeaviateCluster` for what it takes."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.weaviate import LOOPBACK, Ports, Weaviate


class WeaviateCluster:
    """Nodes that find each other by gossip and agree on the schema by Raft.

    What it takes on one machine: `CLUSTER_IN_LOCALHOST`, so that ports tell the nodes apart and one
    address does for all (addresses of their own would not help: gRPC and data listen on every
    address anyhow); on each node Raft's remote calls one port above Raft itself; every node's
    `name:raft-port` in `RAFT_JOIN` and every gossip address in `CLUSTER_JOIN`, so that any node may
    come back first; `RAFT_BOOTSTRAP_EXPECT` of all; and all started together, as none answers
    before a majority has elected a leader. An advertised loopback address spares Weaviate the
    search for a private one, which a machine without a network does not have.

    A node that comes back answers searches from its own copy alone, whatever the consistency level,
    and is filled up in the background: here within seconds (5 s is the shortest round that Weaviate
    takes), with its defaults within a minute.
    """

    def __init__(
        self, folder: Path, *, size: int = 3, environment: Mapping[str, str] | None = None
    ) -> None:
        ports = [Ports.free() for _ in range(size)]
        names = [f"node-{number}" for number in range(1, size + 1)]
        together = {
            "CLUSTER_JOIN": ",".join(f"{LOOPBACK}:{each.gossip}" for each in ports),
            "RAFT_JOIN": ",".join(
                f"{name}:{each.raft}" for name, each in zip(names, ports, strict=True)
            ),
            "RAFT_BOOTSTRAP_EXPECT": str(size),
            "ASYNC_REPLICATION_FREQUENCY": "5s",
            "ASYNC_REPLICATION_PROPAGATION_DELAY": "1s",
            **(environment or {}),
        }
        self.nodes = tuple(
            Weaviate(folder, name=name, ports=each, environment=together)
            for name, each in zip(names, ports, strict=True)
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts all nodes at once: each waits for the others before it answers."""
        try:
            for node in self.nodes:
                node.start(wait=False)
            for node in self.nodes:
                node.wait()
        except BaseException:
            self.stop()
            raise

    def leader(self) -> Weaviate:
        """The node that leads Raft now: every write asks it for the tenant's state."""
        with urllib.request.urlopen(f"{self.nodes[0].url}/v1/cluster/statistics") as reply:
            (name,) = {each["leaderId"] for each in json.load(reply)["statistics"]}
        return next(node for node in self.nodes if node.name == name)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
