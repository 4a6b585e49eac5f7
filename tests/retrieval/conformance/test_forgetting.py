"""What is erased or has expired is gone from searches, caches, contexts and the disk alike."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import Unavailable
from fairlead.retrieval import Library
from fairlead.retrieval.store import Store
from fairlead.schema import Document, Principal
from fairlead.settings import Settings
from tests.retrieval.conftest import HashEmbedder

READER = Principal(tenant="acme")
PLACE: dict[str, Any] = {"tenant": "acme", "collection": "default"}
SECRET = "The zanzibar clause ends in autumn."


def cached(store: Store, root: Path, embedder: HashEmbedder) -> Library:
    settings = Settings.model_validate({"retrieval": {"cache": {"place": "disk"}}})
    return Library(root / "knowledge", embedder, settings, store=store)


def files_with(said: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and said in path.read_bytes()]


@pytest.mark.parametrize("way", ["delete", "expire"])
async def test_nothing_of_it_is_left(
    store: Store, tmp_path: Path, embedder: HashEmbedder, way: str
) -> None:
    library = cached(store, tmp_path, embedder)
    soon = datetime.now(UTC) + timedelta(hours=1)
    documents = [
        Document(id="old", text=SECRET, valid_until=soon if way == "expire" else None),
        Document(id="new", text="The clause holds."),
    ]
    await library.ingest(documents, tenant="acme")
    asked: list[dict[str, Any]] = [{}, {"tokens": 200}]
    for options in asked:
        first = await library.search("zanzibar clause", principal=READER, **options)
        again = await library.search("zanzibar clause", principal=READER, **options)
        assert "cache" in again.timings and again.hits == first.hits
        assert first.hits[0].document_id == "old"
    citation = first.hits[0]
    if way == "delete":
        await library.upkeep.delete(["old"], **PLACE)
    else:
        await library.upkeep.expire(now=soon + timedelta(seconds=1), **PLACE)
    for options in asked:
        found = await library.search("zanzibar clause", principal=READER, **options)
        assert [hit.document_id for hit in found.hits] == ["new"]
    version = found.index_version
    for earlier in (await library.upkeep.versions(**PLACE))[:-1]:
        past = await library.search("zanzibar", principal=READER, as_of=earlier.version)
        assert "old" not in [hit.document_id for hit in past.hits]
    named = {"document_id": citation.document_id, "version": citation.version}
    tombstone = await library.document(**PLACE, **named)
    assert tombstone is not None and (tombstone.status, tombstone.text) == ("erased", "")
    assert tombstone.erased_at and tombstone.why == ("deleted" if way == "delete" else "expired")
    assert await library.text(**PLACE, **named, start=0, end=9) is None
    assert (await library.check(**PLACE)).ok and version
    await library.close()
    await store.close()
    assert not files_with(b"zanzibar", tmp_path)


async def test_a_store_that_went_away_leaves_what_was_found(
    store: Store, tmp_path: Path, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = cached(store, tmp_path, embedder)
    await library.ingest([Document(id="d", text="The clause holds.")], tenant="acme")
    first = await library.search("clause", principal=READER)

    def gone(*_: Any) -> Any:
        raise Unavailable("the store is gone")

    monkeypatch.setattr(type(store.index("acme", "default")), "snapshot", gone)
    stale = await library.search("clause", principal=READER)
    assert stale.hits == first.hits and stale.stale_seconds is not None
    assert "the store is away" in stale.warnings[-1]
    for other in (Principal(tenant="acme", groups=("hr",)), Principal(tenant="zeta")):
        with pytest.raises(Unavailable):
            await library.search("clause", principal=other)
    with pytest.raises(Unavailable):
        await library.search("clauses", principal=READER)
    await library.close()
