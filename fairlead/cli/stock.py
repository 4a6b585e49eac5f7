"""What `fairlead doctor` looks at in the data: the embedder's weights, collections, traces."""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli.checks import Check, attempt

if TYPE_CHECKING:
    from fairlead.retrieval import Integrity
    from fairlead.settings import Settings


def check_embedder(settings: "Settings") -> Iterator[Check]:
    """Whether the embedder loads (its weights are verified then) and gives a vector of length 1."""
    from fairlead.serving import missing_weights, open_embedder

    wanted = settings.retrieval.embedder
    embedder = open_embedder(settings)
    if embedder is None:
        missing = missing_weights() if wanted == "default" else ""
        what, _, fix = missing.partition(": ")
        yield Check(
            name="embedder",
            status="warn" if missing else "ok",
            detail=f"{what or 'none'}: search goes by words alone",
            fix=f"{fix[:1].upper()}{fix[1:]}",
        )
        return
    vector = embedder.embed(["ready"])[0]
    length = math.sqrt(sum(float(value) ** 2 for value in vector))
    fits = len(vector) == embedder.dimension and abs(length - 1) < 0.01
    yield Check(
        name="embedder",
        status="ok" if fits else "fail",
        detail=embedder.identity if fits else f"a vector of {len(vector)}, length {length:.3f}",
        fix="" if fits else f"Set retrieval.embedder to another than {wanted!r}.",
    )


def check_collections(settings: "Settings") -> Iterator[Check]:
    """Whether what is stored can be read by this version: files agree with themselves too."""
    if settings.retrieval.store == "weaviate":
        yield from attempt("weaviate", partial(_check_server, settings))
        return
    root = settings.storage.path / "knowledge"
    paths = sorted(root.glob("*/*.db"))
    if not paths:
        yield Check(name="collections", status="ok", detail="none yet")
    for path in paths:
        name = f"collection {path.parent.name}/{path.stem}"
        yield from attempt(name, partial(_check_collection, name, path))


def _check_server(settings: "Settings") -> Iterator[Check]:
    from fairlead.retrieval.stores import open_store

    store = open_store(settings, settings.storage.path / "knowledge")
    found = list(store.specs())
    tenants = len({tenant for tenant, _, _ in found})
    detail = f"{settings.weaviate.url}: {len(found)} collections of {tenants} tenants"
    yield Check(name="weaviate", status="ok", detail=detail)


def _check_collection(name: str, path: Path) -> Iterator[Check]:
    import asyncio

    from fairlead.retrieval import Library

    async def examined() -> "Integrity":
        library = Library(path.parent.parent, None)
        try:
            return await library.check(tenant=path.parent.name, collection=path.stem)
        finally:
            await library.close()

    found = asyncio.run(examined())
    counts = f"{found.documents} documents, {found.chunks} chunks, {found.vectors} vectors"
    yield Check(
        name=name,
        status="ok" if found.ok else "fail",
        detail=counts if found.ok else "; ".join(found.problems),
        fix="" if found.ok else f"Move {str(path)!r} away and ingest again.",
    )


def check_traces(settings: "Settings") -> Iterator[Check]:
    """Whether the stored traces can be read."""
    from fairlead.tracing import TraceReader

    path = settings.storage.path / "traces.db"
    if not path.exists():
        yield Check(name="traces", status="ok", detail="none yet")
        return
    TraceReader(path).traces(limit=1)
    yield Check(name="traces", status="ok", detail=f"{path.stat().st_size / 1e6:.1f} MB")
