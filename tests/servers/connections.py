"""Clients of the real servers."""

import weaviate
from weaviate.classes.init import AdditionalConfig, Auth, Timeout

from tests.servers.weaviate import LOOPBACK, Weaviate


def connect(
    first: Weaviate, *others: Weaviate, seconds: int = 30, api_key: str | None = None
) -> weaviate.WeaviateClient:
    """A client that sends gRPC (queries and batches) to the first node that answers.

    The client knows one address for gRPC, but gRPC itself takes a list: a call that hits a dead
    node fails there and its built-in retry, a second later, goes to the next. REST (schema, single
    objects) goes to the first node only.
    """
    nodes = (first, *others)
    addresses = ",".join(f"{LOOPBACK}:{node.ports.grpc}" for node in nodes[:-1])
    return weaviate.connect_to_custom(
        http_host=LOOPBACK,
        http_port=first.ports.http,
        http_secure=False,
        grpc_host=f"ipv4:{addresses},{LOOPBACK}" if addresses else LOOPBACK,
        grpc_port=nodes[-1].ports.grpc,
        grpc_secure=False,
        auth_credentials=Auth.api_key(api_key) if api_key else None,
        additional_config=AdditionalConfig(
            timeout=Timeout(init=seconds, query=seconds, insert=seconds)
        ),
    )
