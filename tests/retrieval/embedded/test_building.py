"""Another build beside the present one: interrupted, repeated, swapped; and moved whole."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from fairlead.errors import InputError
from fairlead.retrieval.chunkers import open_chunker
from fairlead.retrieval.copying import copied
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.retrieval.embedded.index import EmbeddedIndex
from fairlead.retrieval.rebuild import rebuilt
from fairlead.retrieval.stored import Entry, Scope, Spec, Vectors
from fairlead.schema import Principal
from tests.retrieval.conftest import HashEmbedder
from tests.retrieval.embedded.conftest import entry

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EMBEDDER = HashEmbedder()
OTHER = "recursive:tokens=16"
LONG = "\n\n".join(f"Paragraph {n} tells of tea number {n} and of its cup." for n in range(9))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EmbeddedIndex]:
    store = EmbeddedStore(tmp_path)
    yield store.index("acme", "c")
    asyncio.run(store.close())


def vectors_of(*entries: Entry) -> Vectors:
    texts = {p.embedded: p.to_embed for p in chain.from_iterable(e.pieces for e in entries)}
    return dict(zip(texts, EMBEDDER.embed(list(texts.values())), strict=True))


def commit(index: EmbeddedIndex, *entries: Entry) -> None:
    vectors = vectors_of(*entries)
    index.commit(entries, vectors, embedder=EMBEDDER.identity, run="r")


def rebuild(index: EmbeddedIndex, chunker: str = OTHER) -> int:
    cutter = open_chunker(chunker)
    spec = Spec(chunker=cutter.identity, embedder=EMBEDDER.identity)
    return rebuilt(index, spec, cutter, EMBEDDER, None, lambda *_: None)


async def nearest(index: EmbeddedIndex, text: str) -> tuple[str, float]:
    """The document whose chunk lies nearest to a text, and how near."""
    scope = Scope(principal=Principal(tenant="acme"), now=NOW)
    async with index.snapshot(scope) as snapshot:
        assert snapshot.vectors == snapshot.chunks
        near = await snapshot.dense(EMBEDDER.embed([text])[0], 1)
        held = await snapshot.candidates(list(near))
        ((ref, cosine),) = near.items()
        return held[ref].hit.document_id, round(cosine, 3)


def found(index: EmbeddedIndex, text: str) -> tuple[str, float]:
    return asyncio.run(nearest(index, text))


def test_rebuilding_leaves_nothing_of_the_build_before(index: EmbeddedIndex) -> None:
    commit(index, entry("a", LONG), entry("b", "Coffee."))
    assert rebuild(index) == 2
    assert index.spec().chunker == "recursive/2:tokens=16"
    facts = index.information()
    assert facts is not None and facts.chunks == facts.vectors > 5
    assert index.verified().problems == ()
    assert found(index, "Coffee.") == ("b", 1.0)


def test_a_vector_is_never_taken_for_one_whose_place_it_got(index: EmbeddedIndex) -> None:
    """A build that is given up for another leaves places free that later vectors get."""
    others = [entry(f"o{n}", f"Coffee without {what}.") for n, what in enumerate(("tea", "cake"))]
    commit(index, entry("a", LONG), *others)
    cutter = open_chunker(OTHER)
    spec = Spec(chunker=cutter.identity, embedder=EMBEDDER.identity)
    index.begin_build(spec)
    archived = index.unbuilt(9)[0]
    built = entry("a", LONG, chunker=OTHER)
    index.build([(archived.key, built)], vectors_of(built))
    assert found(index, LONG)[0] == "a"  # what is held in memory has seen those vectors
    index.begin_build(Spec(chunker="another/1", embedder=EMBEDDER.identity))
    commit(index, entry("b", "Coffee without milk."))
    assert found(index, "Coffee without milk.") == ("b", 1.0)
    assert index.verified().problems == ()


def test_two_builders_do_the_work_once(index: EmbeddedIndex) -> None:
    commit(index, entry("a", LONG), entry("b", "Coffee."))
    cutter = open_chunker(OTHER)
    index.begin_build(Spec(chunker=cutter.identity, embedder=EMBEDDER.identity))
    waiting = index.unbuilt(9)
    work = [(each.key, entry(each.entry.record.id, each.entry.record.text)) for each in waiting]
    index.build(work, {})
    index.build(work, {})
    assert index.swap()
    assert index.verified().problems == ()


def test_what_was_erased_while_it_was_built_does_not_come_back(index: EmbeddedIndex) -> None:
    commit(index, entry("a", LONG), entry("b", "Coffee."))
    cutter = open_chunker(OTHER)
    index.begin_build(Spec(chunker=cutter.identity, embedder=EMBEDDER.identity))
    waiting = index.unbuilt(9)
    index.erase(["a"], why="deleted", run="e")
    work = [(each.key, entry(each.entry.record.id, each.entry.record.text)) for each in waiting]
    index.build(work, vectors_of(*(each for _, each in work)))
    assert not index.vectors([piece.embedded for piece in entry("a", LONG).pieces])
    assert index.swap()
    assert index.verified().problems == ()


def test_the_first_document_may_come_during_a_build(index: EmbeddedIndex) -> None:
    index.begin_build(Spec(chunker="recursive/2", embedder=EMBEDDER.identity))
    commit(index, entry("a", "Tea."))
    assert not index.swap()  # the document is missing from it
    assert found(index, "Tea.")[0] == "a"
    assert rebuild(index) == 1
    assert index.verified().problems == ()


def test_without_a_build_there_is_nothing_to_embed(index: EmbeddedIndex) -> None:
    commit(index, entry("a", "Tea."))
    with pytest.raises(InputError, match="no rebuild was begun"):
        index.build_pending()


def test_a_collection_is_moved_with_all_that_belongs_to_it(
    index: EmbeddedIndex, tmp_path: Path
) -> None:
    """Versions, tombstones, entity links, vectors, findings, the quarantine and the audit log."""
    linked = entry("b", "Ada met Grace.", entities=(("ada", "grace"),), metadata={"year": 1952})
    commit(index, entry("a", LONG), linked, entry("c", "Goes.", acl=("staff",)))
    index.commit([entry("a", "Changed.")], {}, embedder="", run="s")
    index.retire(["c"], run="t", reason="prune")
    index.erase(["c"], why="deleted", run="u")
    index.learn({"scale": "1 2"})
    store = EmbeddedStore(tmp_path / "there")
    there = store.index("acme", "c")
    done = copied(index, there, lambda *_: None)
    assert (done.documents, done.versions) == (4, len(index.versions()))
    assert [vars(each) for each in there.archive()] == [vars(each) for each in index.archive()]
    assert there.versions() == index.versions() and there.learned() == index.learned()
    for id_ in "abc":
        assert there.document(id_) == index.document(id_)
    assert there.verified().problems == ()
    scope = Scope(principal=Principal(tenant="acme"), now=NOW)

    async def links(which: EmbeddedIndex) -> dict[str, list[str]]:
        async with which.snapshot(scope) as snapshot:
            held = await snapshot.linked(["ada", "grace"], 9)
            shown = await snapshot.candidates(list(held))
            return {shown[ref].hit.text: sorted(names) for ref, names in held.items()}

    assert (
        asyncio.run(links(there))
        == asyncio.run(links(index))
        == {"Ada met Grace.": ["ada", "grace"]}
    )
    keys = [piece.embedded for piece in entry("a", LONG).pieces]
    here, moved = index.vectors(keys), there.vectors(keys)
    assert here.keys() == moved.keys() == set(keys)
    assert all(np.allclose(here[key], moved[key], atol=1e-4) for key in keys)
    asyncio.run(store.close())
