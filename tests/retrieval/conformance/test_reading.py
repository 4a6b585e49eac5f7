"""What is found, by whom, as of when: the same on every store."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fairlead.errors import NotFound
from fairlead.retrieval import Library
from fairlead.retrieval.analysis import query_terms
from fairlead.retrieval.store import Store
from fairlead.schema import Document, Principal, SearchMode
from tests.retrieval.conformance.conftest import blocking, ids_in, library_on, scope
from tests.retrieval.conftest import HashEmbedder

READER = Principal(tenant="acme")
FRUIT = {
    "a": "Apples are picked in autumn and kept in cool cellars.",
    "b": "Pears ripen after they are picked, apples do not.",
    "c": "The cellar door is painted green.",
}


async def fill(library: Library, texts: dict[str, str] = FRUIT, tenant: str = "acme") -> None:
    await library.ingest([Document(id=i, text=t) for i, t in texts.items()], tenant=tenant)


async def test_what_was_never_written_reads_as_empty(store: Store, library: Library) -> None:
    found = await library.search("anything", principal=READER)
    assert (found.hits, found.index_version) == ((), "")
    assert await library.collections("acme") == ()
    assert (await library.check(tenant="acme")).ok
    index = store.index("acme", "default")
    assert await blocking(index.information) is None
    for read in (index.versions, index.origins, index.quarantine, index.learned):
        assert not await blocking(read)
    assert await blocking(index.document, "a") is None
    assert list(await blocking(lambda: list(store.specs()))) == []
    assert await blocking(lambda: list(index.archive())) == []
    assert not await blocking(index.named, "a") and await blocking(index.drop, ["q"]) == 0
    assert await blocking(index.audit, 10) == []


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
async def test_modes_find(library: Library, mode: SearchMode) -> None:
    await fill(library)
    found = await library.search("apples picked", principal=READER, mode=mode)
    assert found.hits[0].document_id in ("a", "b")
    assert all(hit.text == FRUIT[hit.document_id] for hit in found.hits)
    if mode == "sparse":
        assert {hit.document_id for hit in found.hits} == {"a", "b"}


async def test_rankings(store: Store, library: Library, embedder: HashEmbedder) -> None:
    await fill(library)
    index = store.index("acme", "default")
    async with index.snapshot(scope()) as snapshot:
        assert (snapshot.chunks, snapshot.vectors) == (3, 3)
        by_words = await snapshot.sparse(query_terms("cellar"), 10)
        held = await snapshot.candidates(list(by_words))
        assert {held[ref].hit.document_id for ref in by_words} == {"a", "c"}
        assert all(score > 0 for score in by_words.values())
        once, twice = [await snapshot.sparse(["picked"] * n, 10) for n in (1, 2)]
        assert once.keys() == twice.keys()
        assert all(twice[ref] > once[ref] for ref in once)
        vector = embedder.embed([FRUIT["b"]])[0]
        near = await snapshot.dense(vector, 2)
        best = max(near, key=lambda ref: near[ref])
        assert near[best] == pytest.approx(1.0, abs=1e-2) and len(near) == 2
        assert (await snapshot.candidates([best]))[best].hit.document_id == "b"
        rows = await snapshot.vectors_of([best])
        assert rows.shape == (1, 64) and float(rows[0] @ vector) == pytest.approx(1.0, abs=1e-2)
        assert await snapshot.sample(2) == await snapshot.sample(2)
        assert len(await snapshot.sample(2)) == 2
        assert await snapshot.sparse(["nowhere"], 10) == {}


async def test_titles_weigh_more(store: Store, library: Library) -> None:
    texts = [
        Document(id="titled", title="Plums", text="A word on fruit."),
        Document(id="said", title="Fruit", text="A word on plums."),
    ]
    await library.ingest(texts, tenant="acme")
    async with store.index("acme", "default").snapshot(scope()) as snapshot:
        found = await snapshot.sparse(["plums"], 2)
        best = max(found, key=lambda ref: found[ref])
        assert (await snapshot.candidates([best]))[best].hit.document_id == "titled"


async def test_words_are_counted(store: Store, library: Library) -> None:
    await fill(library)
    index = store.index("acme", "default")
    async with index.snapshot(scope()) as snapshot:
        assert await snapshot.frequencies(["appl", "cellar", "absent"]) == {"appl": 2, "cellar": 2}
        assert await snapshot.similar_stems("celar", 1) == {"cellar": 2}
    await library.ingest([Document(id="c", text="The door is green.")], tenant="acme")
    async with index.snapshot(scope()) as snapshot:
        assert await snapshot.frequencies(["cellar", "paint"]) == {"cellar": 1}


async def test_misspelt_words_are_mended(library: Library) -> None:
    await fill(library)
    found = await library.search("when are aples picked", principal=READER, mode="sparse")
    assert {hit.document_id for hit in found.hits} == {"a", "b"}


async def test_tenants_see_nothing_of_each_other(library: Library, store: Store) -> None:
    await fill(library)
    await fill(library, {"x": "Apples are the rival's."}, tenant="rival")
    for tenant, wanted in (("acme", set(FRUIT)), ("rival", {"x"}), ("third", set())):
        index = store.index(tenant, "default")
        assert await ids_in(index, scope(tenant)) == wanted
        assert len(await library.collections(tenant)) == bool(wanted)
        assert await blocking(index.document, "zzz") is None
        assert (await blocking(index.document, "x") is not None) == (tenant == "rival")
    specs = await blocking(lambda: list(store.specs()))
    assert {(tenant, name) for tenant, name, _ in specs} == {
        ("acme", "default"),
        ("rival", "default"),
    }


async def test_names_that_look_alike_stay_apart(library: Library, store: Store) -> None:
    for name in ("a-b", "a_b", "a_ub", "a_db"):
        await library.ingest([Document(text=f"said in {name}")], tenant="acme", collection=name)
    assert await store.collections("acme") == ["a-b", "a_b", "a_db", "a_ub"]
    for name in ("a-b", "a_b", "a_ub", "a_db"):
        found = await library.search("said", principal=READER, collection=name)
        assert [hit.text for hit in found.hits] == [f"said in {name}"]


async def test_readers(store: Store, library: Library) -> None:
    await library.ingest(
        [
            Document(id="all", text="For everybody."),
            Document(id="staff", text="For staff.", acl=("staff",)),
            Document(id="ann", text="For Ann.", acl=("ann", "boss")),
            Document(id="space", text="For odd names.", acl=(" staff", "everybody")),
        ],
        tenant="acme",
    )
    index = store.index("acme", "default")
    for subject, groups, wanted in (
        ("bob", (), {"all"}),
        ("bob", ("staff",), {"all", "staff"}),
        ("ann", ("staff",), {"all", "staff", "ann"}),
        ("STAFF", ("Ann",), {"all"}),
        (" staff", (), {"all", "space"}),
    ):
        reader = Principal(tenant="acme", subject=subject, groups=groups)
        assert await ids_in(index, scope(principal=reader)) == wanted
        async with index.snapshot(scope(principal=reader)) as snapshot:
            assert snapshot.chunks == len(wanted)


async def test_what_a_collection_forgets_says_when(
    store: Store, tmp_path: Path, embedder: HashEmbedder
) -> None:
    """Its own end, or so long after it was seen, whichever comes first."""
    library = library_on(store, tmp_path, embedder, collections={"default": {"ttl_days": 10}})
    now = datetime.now(UTC)
    await library.ingest(
        [
            Document(id="a", text="Apples."),
            Document(id="b", text="Apples.", valid_until=now + timedelta(days=2)),
            Document(id="c", text="Apples.", valid_until=now + timedelta(days=20)),
        ],
        tenant="acme",
    )
    async with store.index("acme", "default").snapshot(scope(max_age_days=10)) as snapshot:
        found = await snapshot.candidates(await snapshot.sample(9))
    ends = {each.hit.document_id: each.hit.provenance.valid_until for each in found.values()}
    days = {
        id_: (datetime.fromisoformat(end) - now).total_seconds() / 86400
        for id_, end in ends.items()
    }
    assert days == pytest.approx({"a": 10, "b": 2, "c": 10}, abs=0.01)


async def test_expired_documents_are_not_found(store: Store, library: Library) -> None:
    now = datetime.now(UTC)
    soon = now + timedelta(hours=1)
    await library.ingest(
        [Document(id="a", text="For ever."), Document(id="b", text="An hour.", valid_until=soon)],
        tenant="acme",
    )
    index = store.index("acme", "default")
    assert await ids_in(index, scope(now=now)) == {"a", "b"}
    assert await ids_in(index, scope(now=soon)) == {"a"}
    async with index.snapshot(scope(now=soon)) as snapshot:
        assert snapshot.chunks == 1


async def test_documents_that_were_not_seen_for_long(store: Store, library: Library) -> None:
    await fill(library)
    index = store.index("acme", "default")
    later = datetime.now(UTC) + timedelta(days=10)
    assert await ids_in(index, scope(now=later, max_age_days=9)) == set()
    assert await ids_in(index, scope(now=later, max_age_days=11)) == set(FRUIT)
    await blocking(index.renew, ["a", "b"], (later - timedelta(days=1)).isoformat())
    assert await ids_in(index, scope(now=later, max_age_days=9)) == {"a", "b"}


async def test_as_of(store: Store, library: Library) -> None:
    before = datetime.now(UTC)
    await fill(library, {"a": "One."})
    first = (await library.collections("acme"))[0].index_version
    between = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await fill(library, {"a": "Two.", "b": "Three."})
    await library.upkeep.delete(["b"], tenant="acme", collection="default")
    index = store.index("acme", "default")

    async def texts(as_of: datetime | str) -> set[str]:
        async with index.snapshot(scope(as_of=as_of)) as snapshot:
            found = await snapshot.candidates(await snapshot.sample(10))
            return {each.hit.text for each in found.values()}

    assert await texts(before) == set()
    assert await texts(first) == await texts(between) == {"One."}
    assert await texts(datetime.now(UTC)) == {"Two."}
    assert await texts("00000002") == {"Two."}  # what was erased since is gone from the past too
    for wrong in ("0", "99", "00000000"):
        with pytest.raises(NotFound):
            await texts(wrong)


async def test_without_vectors_words_are_enough(store: Store, tmp_path: Path) -> None:
    library = library_on(store, tmp_path, None, retrieval={"embedder": "none"})
    await fill(library)
    found = await library.search("apples", principal=READER)
    assert {hit.document_id for hit in found.hits} == {"a", "b"}
    async with store.index("acme", "default").snapshot(scope()) as snapshot:
        assert (snapshot.chunks, snapshot.vectors, snapshot.spec.embedder) == (3, 0, "")
        refs = await snapshot.sample(3)
        assert not (await snapshot.vectors_of(refs)).any()
        assert not (await snapshot.vectors_of(refs)).any()


async def test_entities_link(store: Store, tmp_path: Path, embedder: HashEmbedder) -> None:
    library = library_on(store, tmp_path, embedder, collections={"default": {"entities": "rules"}})
    await fill(
        library, {"a": "We asked Ada Lovelace.", "b": "Then Ada Lovelace wrote.", "c": "No."}
    )
    async with store.index("acme", "default").snapshot(scope()) as snapshot:
        found = await snapshot.linked(["ada lovelace", "nobody"], 5)
        assert len(found) == 2
        assert all(list(names) == ["ada lovelace"] for names in found.values())
        assert len(await snapshot.linked(["ada lovelace"], 1)) == 1
        assert await snapshot.entities_of(list(found)) == found


async def test_a_narrowed_snapshot_finds_in_its_documents_only(
    store: Store, library: Library, embedder: HashEmbedder
) -> None:
    """With the scores that they have among all: statistics stay those of the whole."""
    await fill(library)
    index = store.index("acme", "default")
    terms = query_terms("apples picked cellar")
    vector = embedder.embed(["apples picked"], query=True)[0]
    async with index.snapshot(scope()) as snapshot:
        words, near = await snapshot.sparse(terms, 10), await snapshot.dense(vector, 10)
        held = await snapshot.candidates([*words, *near])
        wanted = {found.document for found in held.values() if found.hit.document_id != "b"}
        narrowed = snapshot.narrowed(wanted)
        assert {held[ref].hit.document_id for ref in await narrowed.sparse(terms, 10)} == {"a", "c"}
        for ref, score in (await narrowed.sparse(terms, 10)).items():
            assert score == pytest.approx(words[ref], abs=2e-3)
        nearest = await narrowed.dense(vector, 10)
        assert {held[ref].hit.document_id for ref in nearest} == {"a", "c"}
        assert nearest == pytest.approx({ref: near[ref] for ref in nearest})
        assert (narrowed.chunks, narrowed.vectors) == (3, 3)
        assert not await snapshot.narrowed([]).sparse(terms, 10)
        again = narrowed.narrowed([next(iter(wanted))])
        assert len(await again.dense(vector, 10)) == 1
        assert len(await snapshot.dense(vector, 10)) == 3, "the first one is as it was"


async def test_a_narrowed_snapshot_shows_nobody_more(store: Store, library: Library) -> None:
    secret = Document(id="s", text="The vault of apples is opened at noon.", acl=("boss",))
    await library.ingest([secret], tenant="acme")
    await fill(library)
    boss = Principal(tenant="acme", subject="boss")
    index, terms = store.index("acme", "default"), query_terms("vault apples")
    async with index.snapshot(scope(principal=boss)) as snapshot:
        found = await snapshot.candidates(list(await snapshot.sparse(terms, 10)))
        place = next(each.document for each in found.values() if each.hit.document_id == "s")
        assert len(await snapshot.narrowed([place]).sparse(terms, 10)) == 1
    async with index.snapshot(scope()) as snapshot:
        assert not await snapshot.narrowed([place]).sparse(terms, 10)


async def test_layered_retrieval_shows_passages_of_the_best_documents_only(
    store: Store, tmp_path: Path, embedder: HashEmbedder
) -> None:
    stages = {"retrieval": {"cache": {"place": "off"}, "stages": {"documents": 1}}}
    library = library_on(store, tmp_path, embedder, **stages)
    await fill(library)
    found = await library.search("apples picked cellars", principal=READER, k=10)
    assert len(found.hits) == 1 and found.hits[0].document_id in ("a", "b")
    assert {"narrow", "search", "fuse"} <= set(found.timings)
    assert (await library.search("pears", principal=READER, k=10)).hits[0].document_id == "b"
    await library.close()
