"""Rebuilding beside the present index, moving to another store, and doing it all at once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InputError
from fairlead.retrieval import Library
from fairlead.retrieval.copying import Copied, copied
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.retrieval.store import Store
from fairlead.retrieval.stored import Spec
from fairlead.schema import Document, Principal
from tests.retrieval.conformance.conftest import OpenStore, blocking, ids_in, library_on, scope
from tests.retrieval.conftest import HashEmbedder

READER = Principal(tenant="acme")
PLACE: dict[str, Any] = {"tenant": "acme", "collection": "default"}
LONG = " ".join(f"Sentence number {n} says a word or two." for n in range(120))


async def test_another_embedder_by_rebuilding(
    library: Library, store: Store, tmp_path: Path
) -> None:
    await library.ingest([Document(id="a", text="One."), Document(id="b", text="Two.")], **PLACE)
    await library.ingest([Document(id="a", text="Changed.")], **PLACE)
    await library.ingest([Document(text="Elsewhere.")], tenant="rival")
    other = library_on(store, tmp_path, HashEmbedder("other/64"))
    await other.upkeep.rebuild(**PLACE)
    index = store.index("acme", "default")
    assert (await blocking(index.spec)).embedder == "other/64"
    assert (await blocking(store.index("rival", "default").spec)).embedder == "hash/64"
    async with index.snapshot(scope()) as snapshot:
        assert (snapshot.chunks, snapshot.vectors) == (2, 2)
        assert await snapshot.frequencies(["chang", "two"]) == {"chang": 1, "two": 1}
    async with index.snapshot(scope(as_of="00000001")) as snapshot:
        found = await snapshot.candidates(await snapshot.sample(9))
        assert {each.hit.text for each in found.values()} == {"One.", "Two."}
    found_ = await other.search("Changed.", principal=READER, mode="dense", k=1)
    assert found_.hits[0].text == "Changed."
    await other.ingest([Document(id="c", text="Three.")], **PLACE)
    assert await ids_in(index, scope()) == {"a", "b", "c"}
    await other.upkeep.delete(["a"], **PLACE)
    assert (await other.check(tenant="acme")).problems == ()


async def test_another_chunker_by_ingesting(library: Library, store: Store) -> None:
    await library.ingest([Document(id="a", text=LONG)], **PLACE)
    before = (await library.collections("acme"))[0]
    report = await library.ingest([Document(id="a", text=LONG)], chunker="window", **PLACE)
    after = (await library.collections("acme"))[0]
    assert any("cut anew" in warning for warning in report.warnings)
    assert after.chunks > before.chunks and after.chunker != before.chunker
    assert after.vectors == after.chunks
    for chunker in ("recursive", "window", "recursive"):  # classes are taken in turn
        await library.ingest([Document(id="a", text=LONG)], chunker=chunker, **PLACE)
    assert (await library.collections("acme"))[0].chunks == before.chunks
    assert (await library.check(tenant="acme")).problems == ()


async def test_what_comes_meanwhile_is_in_the_new_build(library: Library, store: Store) -> None:
    await library.ingest([Document(id="a", text="One.")], **PLACE)
    index = store.index("acme", "default")
    await blocking(index.begin_build, Spec(chunker="c/1", embedder=""))
    (first,) = await blocking(index.unbuilt, 10)
    await library.ingest([Document(id="b", text="Two.")], **PLACE)
    assert len(await blocking(index.unbuilt, 10)) == 2
    await blocking(index.begin_build, Spec(chunker="c/1", embedder=""))  # goes on
    assert not await blocking(index.swap)
    assert first.entry.record.text == "One." and not first.entry.pieces


async def test_no_search_fails_while_builds_are_swapped(
    library: Library, store: Store, tmp_path: Path
) -> None:
    given = [Document(id=f"d{n}", text=f"Common words of document {n}.") for n in range(40)]
    await library.ingest(given, **PLACE)
    done, counts = asyncio.Event(), []

    async def searching() -> None:
        while not done.is_set():
            found = await library.search("common words", principal=READER, mode="sparse", k=50)
            counts.append(len(found.hits))

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(searching()) for _ in range(3)]
        for name in ("other/64", "third/64", "hash/64"):
            other = library_on(store, tmp_path, HashEmbedder(name))
            await other.upkeep.rebuild(**PLACE)
        done.set()
        await asyncio.gather(*readers)
    assert len(counts) >= len(readers) and set(counts) == {40}


async def test_readers_see_batches_whole(
    library: Library, store: Store, tmp_path: Path, embedder: HashEmbedder
) -> None:
    """While one writer replaces all documents again and again, no reader sees a mixture."""
    ids = [f"d{n}" for n in range(12)]

    async def write(text: str) -> None:
        await library.ingest([Document(id=i, text=f"{text} {i}.") for i in ids], **PLACE)

    await write("round zero")
    index = store.index("acme", "default")
    done, seen = asyncio.Event(), []

    async def reading() -> None:
        while not done.is_set():
            async with index.snapshot(scope()) as snapshot:
                by_words = await snapshot.sparse(["round"], 100)
                near = await snapshot.dense(embedder.embed(["round d1"])[0], 100)
                found = await snapshot.candidates(list({**by_words, **near}))
                rounds = {each.hit.text.rsplit(" ", 1)[0] for each in found.values()}
                assert len(near) == snapshot.vectors
                seen.append((len(by_words), len(rounds), snapshot.chunks))

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(reading()) for _ in range(2)]
        for number in ("one", "two", "three", "four"):
            await write(f"round {number}")
        done.set()
        await asyncio.gather(*readers)
    assert set(seen) == {(12, 1, 12)}


async def test_two_writers_take_turns(
    library: Library, open_store: OpenStore, store: Store, tmp_path: Path, embedder: HashEmbedder
) -> None:
    other = library_on(open_store(), tmp_path, embedder)
    await asyncio.gather(
        *(
            each.ingest([Document(id=f"{name}{n}", text=f"{name} {n}.")], **PLACE)
            for n in range(4)
            for name, each in (("x", library), ("y", other))
        )
    )
    assert len(await ids_in(store.index("acme", "default"), scope())) == 8
    assert (await library.collections("acme"))[0].documents == 8
    assert (await library.check(tenant="acme")).problems == ()
    await other.close()


async def move(source: Store, target: Store) -> Copied:
    here, there = (each.index("acme", "default") for each in (source, target))
    done: Copied = await blocking(copied, here, there, lambda *_: None)
    return done


async def test_moving_to_the_embedded_store(
    library: Library, store: Store, tmp_path: Path, embedder: HashEmbedder
) -> None:
    given = [
        Document(id="a", text=LONG, title="Long", metadata={"year": 2024}, acl=("staff",)),
        Document(id="b", text="Two.", source="https://x/b"),
        Document(id="c", text="Goes."),
    ]
    await library.ingest(given, **PLACE)
    await library.ingest([Document(id="b", text="Changed.", source="https://x/b")], **PLACE)
    await library.upkeep.delete(["c"], **PLACE)
    beside = EmbeddedStore(tmp_path / "beside")
    done = await move(store, beside)
    assert (done.documents, done.versions) == (4, 3)
    assert done.vectors == done.chunks > 2
    with pytest.raises(InputError, match="not empty"):
        await move(store, beside)
    there = library_on(beside, tmp_path, embedder)
    here, moved = store.index("acme", "default"), beside.index("acme", "default")
    for wanted in (scope(), scope(as_of="00000001"), scope(as_of="00000002")):
        assert await ids_in(here, wanted) == await ids_in(moved, wanted)
    for id_ in "abc":
        assert await blocking(here.document, id_) == await blocking(moved.document, id_)
    assert await blocking(here.versions) == await blocking(moved.versions)
    assert (await there.check(tenant="acme")).problems == ()
    await there.close()


async def test_moving_from_the_embedded_store(
    store: Store, tmp_path: Path, embedder: HashEmbedder
) -> None:
    beside_store = EmbeddedStore(tmp_path / "beside")
    beside = library_on(beside_store, tmp_path, embedder)
    given = [Document(id=f"d{n}", text=f"Text number {n}.", title=f"T{n}") for n in range(150)]
    await beside.ingest(given, **PLACE)
    await beside.ingest([Document(id="d0", text="Changed.")], **PLACE)
    await beside.upkeep.delete(["d1"], **PLACE)
    done = await move(beside_store, store)
    assert (done.documents, done.versions) == (151, 3)
    library = library_on(store, tmp_path, embedder)
    assert (await library.check(tenant="acme")).problems == ()
    wanted = await beside.search("T7", principal=READER, k=1, mode="sparse")
    found = await library.search("T7", principal=READER, k=1, mode="sparse")
    assert found.hits[0].text == wanted.hits[0].text == "Text number 7."
    assert found.hits[0].passage_id == wanted.hits[0].passage_id
    assert found.index_version == wanted.index_version == "00000003"
    assert (await library.ingest([Document(id="d2", text="New.")], **PLACE)).index_version == (
        "00000004"
    )
    assert len(await ids_in(store.index("acme", "default"), scope(as_of="00000001"))) == 149
    assert await ids_in(store.index("acme", "default"), scope()) == {
        f"d{n}" for n in range(150) if n != 1
    }
    assert (await library.check(tenant="acme")).problems == ()
    assert [row.action for row in await library.upkeep.audit(**PLACE)][:2] == ["ingest", "delete"]
    await beside.close()
