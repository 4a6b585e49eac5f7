"""The capability table of each store against what the store does."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fairlead.errors import Unavailable
from fairlead.retrieval import Library
from fairlead.retrieval.store import Store
from fairlead.schema import Document, Principal
from tests.retrieval.conformance.conftest import OpenStore, blocking, ids_in, library_on, scope
from tests.retrieval.conftest import HashEmbedder

PLACE: dict[str, Any] = {"tenant": "acme", "collection": "default"}
ROOT = Path(__file__).parents[3]


class DeadEmbedder(HashEmbedder):
    def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        raise Unavailable("the embedder is away")


async def test_text_first(store: Store, tmp_path: Path) -> None:
    library = library_on(store, tmp_path, DeadEmbedder())
    try:
        await library.ingest([Document(id="a", text="Words.")], **PLACE)
    except Unavailable:
        assert not store.capabilities.text_first
    found = await ids_in(store.index("acme", "default"), scope())
    assert found == ({"a"} if store.capabilities.text_first else set())


async def test_exact_dense(store: Store, library: Library, embedder: HashEmbedder) -> None:
    """Every store is exact here; one that says so has to be."""
    random = Random(7)
    texts = [" ".join(random.choices("abcdefghijklmnop", k=12)) for _ in range(200)]
    await library.ingest([Document(id=f"d{n}", text=t) for n, t in enumerate(texts)], **PLACE)
    vector = embedder.embed([texts[3]])[0]
    wanted = sorted((float(row @ vector) for row in embedder.embed(texts)), reverse=True)[:10]
    async with store.index("acme", "default").snapshot(scope()) as snapshot:
        found = sorted((await snapshot.dense(vector, 10)).values(), reverse=True)
    shared = sum(abs(a - b) < 2e-3 for a, b in zip(found, wanted, strict=True))
    assert shared == 10 if store.capabilities.exact_dense else shared >= 8


async def test_visible_statistics(store: Store, library: Library) -> None:
    """Whether documents that one may not read move the scores of those that one may."""
    given = [Document(id=f"d{n}", text=f"fig {'kiwi ' * n}") for n in range(4)]
    await library.ingest(given, **PLACE)
    index = store.index("acme", "default")

    async def scores() -> list[float]:
        async with index.snapshot(scope()) as snapshot:
            return sorted((await snapshot.sparse(["kiwi"], 10)).values())

    before = await scores()
    hidden = [Document(id=f"h{n}", text="kiwi secret", acl=("boss",)) for n in range(20)]
    await library.ingest(hidden, **PLACE)
    same = await scores() == pytest.approx(before)
    assert same == store.capabilities.visible_statistics
    other = [Document(id=f"r{n}", text="kiwi") for n in range(20)]
    now = await scores()
    await library.ingest(other, tenant="rival")
    assert await scores() == pytest.approx(now)  # another tenant's never do


async def test_rebuild_scope(store: Store, library: Library) -> None:
    for tenant in ("acme", "rival"):
        await library.ingest([Document(id="a", text="Words.")], tenant=tenant)
    before = await blocking(store.index("rival", "default").spec)
    await library.upkeep.rebuild(chunker="window", **PLACE)
    assert await blocking(store.index("acme", "default").spec) != before
    same = await blocking(store.index("rival", "default").spec) == before
    assert same == (store.capabilities.rebuild_scope == "tenant")


INGEST = """
import asyncio, sys
from pathlib import Path
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.schema import Document
from fairlead.sections import Weaviate
from tests.retrieval.conformance.conftest import library_on
from tests.retrieval.conftest import HashEmbedder

where, folder = sys.argv[1], Path(sys.argv[2])
if where.startswith("{"):
    from fairlead.retrieval.weaviate import WeaviateStore
    store = WeaviateStore(Weaviate.model_validate_json(where))
else:
    store = EmbeddedStore(Path(where))
library = library_on(store, folder, HashEmbedder())
given = [Document(id=f"d{n}", text=f"Text {n} of {int(sys.argv[3])}.") for n in range(400)]
print("begins", flush=True)
asyncio.run(library.ingest(given, tenant="acme"))
"""


def _where(store: Store, tmp_path: Path) -> str:
    if store.name == "embedded":
        return str(tmp_path / "knowledge")
    shared = store._shared  # type: ignore[attr-defined] # of the Weaviate store
    return str(shared.section.model_dump_json())


async def test_a_killed_ingest_is_seen_by_nobody_and_taken_up_again(
    open_store: OpenStore, tmp_path: Path, embedder: HashEmbedder
) -> None:
    store = open_store()
    library = library_on(store, tmp_path, embedder)
    random = Random(11)
    for number in range(4):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-c", INGEST),
            *(_where(store, tmp_path), str(tmp_path), str(number)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        await process.stdout.readline()
        await asyncio.sleep(random.uniform(0.05, 1.2))
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()
        found = await library.check(tenant="acme")
        assert found.problems == ()
        if store.capabilities.transactions:  # and words come before vectors
            assert all("have no vector yet" in note for note in found.notes)
        async with store.index("acme", "default").snapshot(scope()) as snapshot:
            held = await snapshot.candidates(await snapshot.sample(999))
            assert snapshot.chunks == len(held) == found.chunks
    given = [Document(id=f"d{n}", text=f"Text {n} of 9.") for n in range(400)]
    await library.ingest(given, **PLACE)
    found = await library.check(tenant="acme")
    assert (found.problems, found.notes) == ((), ())
    assert (found.documents, found.chunks, found.vectors) == (400, 400, 400)
    result = await library.search("Text 17", principal=Principal(tenant="acme"), mode="sparse")
    assert result.hits[0].text == "Text 17 of 9."
    await library.close()
