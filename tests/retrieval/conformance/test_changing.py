"""Versions, taking back, erasing, quarantine and audit: the same on every store."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InputError, NotFound, SettingsError
from fairlead.retrieval import Library
from fairlead.retrieval.store import Store
from fairlead.retrieval.stored import Origin
from fairlead.schema import Document, Principal
from tests.retrieval.conformance.conftest import OpenStore, blocking, ids_in, library_on, scope
from tests.retrieval.conftest import HashEmbedder

READER = Principal(tenant="acme")
PLACE: dict[str, Any] = {"tenant": "acme", "collection": "default"}


async def ingest(library: Library, **texts: str) -> str:
    """The index version after it."""
    given = [Document(id=id_, text=text) for id_, text in texts.items()]
    return (await library.ingest(given, tenant="acme")).index_version


async def texts(store: Store) -> dict[str, str]:
    async with store.index("acme", "default").snapshot(scope()) as snapshot:
        found = await snapshot.candidates(await snapshot.sample(100))
        return {each.hit.document_id: each.hit.text for each in found.values()}


async def test_only_changes_make_versions(library: Library, store: Store) -> None:
    first = await ingest(library, a="One.", b="Two.")
    assert await ingest(library, a="One.", b="Two.") == first == "00000001"
    report = await library.ingest(
        [Document(id="a", text="One."), Document(id="b", text="Changed.")], tenant="acme"
    )
    assert report.index_version == "00000002"
    assert (report.documents["changed"], report.documents["unchanged"]) == (1, 1)
    assert (report.chunks["added"], report.chunks["removed"]) == (1, 1)
    found = await library.upkeep.versions(**PLACE)
    assert [(v.version, v.documents, v.reason) for v in found] == [
        ("00000001", 2, "ingest"),
        ("00000002", 2, "ingest"),
    ]
    assert (await library.check(tenant="acme")).problems == ()


async def test_batches_of_one_run_are_one_version(library: Library, store: Store) -> None:
    given = [Document(id=f"d{n}", text=f"Number {n}.") for n in range(150)]
    report = await library.ingest(given, tenant="acme")
    assert report.index_version == "00000001"
    (version,) = await library.upkeep.versions(**PLACE)
    assert version.documents == 150
    async with store.index("acme", "default").snapshot(scope()) as snapshot:
        assert (snapshot.chunks, snapshot.vectors) == (150, 150)


async def test_old_versions_stay_readable(library: Library) -> None:
    await ingest(library, a="One.")
    old = await library.document(document_id="a", **PLACE)
    await ingest(library, a="Two.")
    new = await library.document(document_id="a", **PLACE)
    assert old and new and (old.status, new.status) == ("live", "live")
    again = await library.document(document_id="a", version=old.version, **PLACE)
    assert again and (again.text, again.status) == ("One.", "superseded")
    assert (again.added_in, again.removed_in) == ("00000001", "00000002")
    assert (new.text, new.added_in, new.removed_in) == ("Two.", "00000002", "")
    assert await library.document(document_id="a", version="none", **PLACE) is None


async def test_own_versions_are_kept_apart(library: Library) -> None:
    for text in ("One.", "Other.", "One."):
        await library.ingest([Document(id="a", text=text, version="1.0")], tenant="acme")
    found = await library.document(document_id="a", **PLACE)
    assert found and found.text == "One." and found.version == "1.0"


async def test_rollback(library: Library, store: Store) -> None:
    first = await ingest(library, a="One.", b="Two.")
    await ingest(library, a="Changed.", c="Three.")
    change = await library.upkeep.rollback(first, **PLACE)
    assert (change.index_version, change.lost) == ("00000003", 0)
    assert await texts(store) == {"a": "One.", "b": "Two."}
    found = await library.search("One.", principal=READER, mode="dense", k=1)
    assert found.hits[0].text == "One."
    forth = await library.upkeep.rollback("00000002", **PLACE)
    assert forth.documents == 2  # a changed, c came back
    assert await texts(store) == {"a": "Changed.", "b": "Two.", "c": "Three."}
    await library.upkeep.delete(["a"], **PLACE)
    assert (await library.upkeep.rollback(first, **PLACE)).lost == 1
    assert await texts(store) == {"b": "Two."}
    with pytest.raises(NotFound):
        await library.upkeep.rollback("00000099", **PLACE)
    counted = [version.documents for version in await library.upkeep.versions(**PLACE)]
    assert counted == [2, 3, 2, 3, 2, 1]
    assert (await library.check(tenant="acme")).problems == ()


async def test_deleting_leaves_a_tombstone(library: Library, store: Store) -> None:
    await ingest(library, a="A secret word: xylophone.", b="Else.")
    await ingest(library, a="The xylophone again.")
    before = await library.document(document_id="a", **PLACE)
    index = store.index("acme", "default")
    async with index.snapshot(scope()) as snapshot:
        state = snapshot.state
    change = await library.upkeep.delete(["a"], **PLACE)
    assert change.documents == 1
    async with index.snapshot(scope()) as snapshot:
        assert snapshot.state != state
        assert await snapshot.sparse(["xylophone"], 5) == {}
        assert await snapshot.frequencies(["xylophon"]) == {}
    assert await ids_in(index, scope()) == {"b"}
    for version in (None, before.version if before else ""):
        found = await library.document(document_id="a", version=version, **PLACE)
        assert found and (found.status, found.text, found.why) == ("erased", "", "deleted")
        assert found.erased_at and found.title == "" and dict(found.metadata) == {}
    assert [each.entry.record.text for each in await blocking(lambda: list(index.archive()))] == [
        "",
        "Else.",
        "",
    ]
    with pytest.raises(NotFound):
        await library.upkeep.delete(["a"], **PLACE)
    await ingest(library, a="Back again.")
    assert await texts(store) == {"a": "Back again.", "b": "Else."}
    assert (await library.check(tenant="acme")).problems == ()


async def test_deleting_by_source(library: Library, store: Store) -> None:
    await library.ingest(
        [Document(id=i, text=f"Text {i}.", source=f"https://x/{i}") for i in "ab"], tenant="acme"
    )
    await library.upkeep.delete(["https://x/a"], **PLACE)
    assert await ids_in(store.index("acme", "default"), scope()) == {"b"}


async def test_expiry(library: Library, store: Store) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    await library.ingest([Document(id="a", text="Old words.")], tenant="acme")
    await library.ingest(
        [Document(id="a", text="Short-lived.", valid_until=soon), Document(id="b", text="Stays.")],
        tenant="acme",
    )
    assert (await library.upkeep.expire(**PLACE)).documents == 0
    change = await library.upkeep.expire(now=soon + timedelta(seconds=1), **PLACE)
    assert change.documents == 1
    assert await texts(store) == {"b": "Stays."}
    found = await library.document(document_id="a", **PLACE)
    assert found and (found.status, found.why) == ("erased", "expired")
    archived = await blocking(lambda: list(store.index("acme", "default").archive()))
    assert all(each.erased for each in archived if each.entry.record.id == "a")


async def test_expiry_of_what_was_not_seen(library: Library, store: Store) -> None:
    await ingest(library, a="One.", b="Two.")
    index = store.index("acme", "default")
    later = datetime.now(UTC) + timedelta(days=5)
    await blocking(index.renew, ["b"], (later - timedelta(days=1)).isoformat())
    tally = await blocking(index.expire, later, 3.0, run="r")
    assert tally.deleted == 1
    assert await ids_in(index, scope()) == {"b"}


async def test_quarantine(store: Store, tmp_path: Path, embedder: HashEmbedder) -> None:
    library = library_on(
        store, tmp_path, embedder, collections={"default": {"languages": [], "min_chars": 20}}
    )
    await ingest(library, long="A text that is certainly long enough.", short="Too short.")
    (held,) = await library.upkeep.quarantine(**PLACE)
    assert held.document_id == "short" and held.record is None
    whole = await library.upkeep.quarantined(held.id, **PLACE)
    assert whole.record and whole.record.text == "Too short."
    assert (await library.collections("acme"))[0].quarantined == 1
    change = await library.upkeep.release(held.id, **PLACE)
    assert change.documents == 1
    assert await library.upkeep.quarantine(**PLACE) == []
    assert set(await texts(store)) == {"long", "short"}
    with pytest.raises(InputError, match="quarantined"):
        await ingest(library, other="Also short.")
    (held,) = await library.upkeep.quarantine(**PLACE)
    assert await library.upkeep.drop([held.id], **PLACE) == 1
    with pytest.raises(NotFound):
        await library.upkeep.quarantined(held.id, **PLACE)


async def test_deleting_what_is_in_quarantine_only(
    store: Store, tmp_path: Path, embedder: HashEmbedder
) -> None:
    """It never got in, and its text goes like that of any other."""
    library = library_on(store, tmp_path, embedder, collections={"default": {"min_chars": 20}})
    await ingest(library, long="A text that is certainly long enough.", short="Too short.")
    with pytest.raises(NotFound, match="'shore'"):
        await library.upkeep.delete(["short", "shore"], **PLACE)
    assert len(await library.upkeep.quarantine(**PLACE)) == 1
    assert (await library.upkeep.delete(["short"], **PLACE)).documents == 1
    assert await library.upkeep.quarantine(**PLACE) == []
    assert set(await texts(store)) == {"long"}
    assert (await library.upkeep.audit(**PLACE))[0].action == "delete"


async def test_audit(library: Library) -> None:
    await ingest(library, a="One.")
    await library.upkeep.delete(["a"], actor="ann", **PLACE)
    found = await library.upkeep.audit(**PLACE)
    assert [(row.actor, row.action) for row in found] == [("ann", "delete"), ("local", "ingest")]
    assert found[0].target == "a" and found[0].detail["deleted"] == 1
    assert len(await library.upkeep.audit(limit=1, **PLACE)) == 1


async def test_another_embedder_is_refused(library: Library, store: Store, tmp_path: Path) -> None:
    await ingest(library, a="One.")
    other = library_on(store, tmp_path, HashEmbedder("other/64"))
    with pytest.raises(SettingsError, match="embedded by"):
        await other.check_embedder()
    index = store.index("acme", "default")
    with pytest.raises(SettingsError, match="embedded by"):
        await blocking(index.embed, {b"k" * 16: other_vector()}, embedder="other/64")


def other_vector() -> object:
    return HashEmbedder().embed(["x"])[0]


async def test_text_first_and_vectors_later(library: Library, store: Store) -> None:
    given = [Document(id="a", text="One."), Document(id="b", text="One more.")]
    await library.ingest(given, tenant="acme", text_only=True)
    index = store.index("acme", "default")
    waiting = await blocking(index.pending, "hash/64")
    assert [each.chunks for each in waiting] == [1, 1]
    held = await blocking(index.pending_texts, [each.key for each in waiting])
    assert sorted(held.values()) == ["One more.", "One."]
    async with index.snapshot(scope()) as snapshot:
        state = snapshot.state
        assert snapshot.vectors == 0
    await library.ingest(given, tenant="acme")
    assert not await blocking(index.pending, "hash/64")
    async with index.snapshot(scope()) as snapshot:
        assert snapshot.vectors == 2 and snapshot.state != state
        assert snapshot.version == "00000001"


async def test_what_was_embedded_is_not_embedded_again(
    library: Library, embedder: HashEmbedder
) -> None:
    await ingest(library, a="The same text.")
    embedder.texts.clear()
    await ingest(library, b="The same text.", c="New.")
    assert "New." in embedder.texts and "The same text." not in embedder.texts


async def test_origins_and_pruning(library: Library, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("# One\n\nText of one.\n")
    (folder / "sub" / "b.md").write_text("# Two\n\nText of two.\n")
    await library.ingest([folder], tenant="acme")
    index = store.index("acme", "default")
    assert set(await blocking(index.origins)) == {"docs/a.md", "docs/sub/b.md"}
    assert set((await blocking(index.below, ["docs/sub"])).values()) == {"docs/sub/b.md"}
    assert len(await blocking(index.below, ["docs"])) == 2
    assert not await blocking(index.below, ["doc", "docs/s"])
    (folder / "sub" / "b.md").unlink()
    report = await library.ingest([folder], tenant="acme", prune=True)
    assert report.documents["deleted"] == 1
    assert set(await blocking(index.origins)) == {"docs/a.md"}
    await blocking(index.remember, [], ["docs/a.md"])
    assert not await blocking(index.origins)
    origin = Origin(source="s", digest="d", documents=2, etag='"e"', last_modified="m")
    await blocking(index.remember, [origin])
    assert await blocking(index.origins) == {"s": origin}


async def test_duplicates_are_found(store: Store, tmp_path: Path, embedder: HashEmbedder) -> None:
    library = library_on(store, tmp_path, embedder, guard={"duplicates": "block"})
    said = " ".join(f"word{n}" for n in range(300)) + " "
    await ingest(library, a=said)
    for other in (said.upper(), said + "and a few more of them."):
        with pytest.raises(InputError, match="the same as 'a'"):
            await ingest(library, b=other)
    assert len(await texts(store)) == 1


@pytest.mark.parametrize("ends", ["by itself", "unseen"])
async def test_what_is_over_keeps_no_duplicate_out(
    store: Store, tmp_path: Path, embedder: HashEmbedder, ends: str
) -> None:
    """Before any sweep: nobody finds it any more, so the other one would be missed."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    collection = {"default": {"ttl_days": 2 / 86400}} if ends == "unseen" else {}
    library = library_on(
        store, tmp_path, embedder, guard={"duplicates": "block"}, collections=collection
    )
    said = " ".join(f"word{n}" for n in range(300))
    until = soon if ends == "by itself" else None
    await library.ingest([Document(id="a", text=said, valid_until=until)], tenant="acme")
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 1)
    await ingest(library, b=said)
    assert set(await texts(store)) >= {"b"}
    if ends == "by itself":  # the other would be over as well
        await ingest(library, c="Something else.")
        with pytest.raises(InputError, match="the same as 'b'"):
            await ingest(library, d=f"{said} and more")


async def test_everything_outlives_the_process(
    open_store: OpenStore, tmp_path: Path, embedder: HashEmbedder
) -> None:
    first = open_store()
    library = library_on(first, tmp_path, embedder)
    await ingest(library, a="One.", b="Two.")
    await library.upkeep.delete(["b"], **PLACE)
    seen = await library.search("One", principal=READER)
    facts = await library.collections("acme")
    await library.close()
    second = open_store()
    again = library_on(second, tmp_path, embedder)
    assert (await again.search("One", principal=READER)).hits == seen.hits
    assert await again.collections("acme") == facts
    assert await ingest(again, c="Three.") == "00000003"
    assert [v.version for v in await again.upkeep.versions(**PLACE)] == [
        "00000001",
        "00000002",
        "00000003",
    ]
    await again.close()


async def test_facts_are_learned(library: Library, store: Store) -> None:
    await ingest(library, a="One.")
    index = store.index("acme", "default")
    before = dict(await blocking(index.learned))
    await blocking(index.learn, {"width": "7"})
    assert await blocking(index.learned) == {**before, "width": "7"}
    async with index.snapshot(scope()) as snapshot:
        assert snapshot.facts["width"] == "7"


async def test_bad_input_changes_nothing(library: Library, store: Store) -> None:
    await ingest(library, a="One.")
    before = await library.collections("acme")
    for query, values in (("", {}), ("x", {"k": 0}), ("x", {"k": 100_000}), ("x" * 200_000, {})):
        with pytest.raises(InputError):
            await library.search(query, principal=READER, **values)  # type: ignore[arg-type]
    assert (await library.search("the of and", principal=READER)).hits is not None
    assert await library.collections("acme") == before
