"""Searches answered from before: while nothing changed, or marked stale while the store is away."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fairlead.errors import InputError, Unavailable
from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.retrieval.embedded.index import EmbeddedIndex
from fairlead.schema import Document, Principal
from fairlead.settings import Settings
from tests.retrieval.conftest import HashEmbedder

ANN = Principal(tenant="acme", subject="ann", groups=("staff",))
BOB = Principal(tenant="acme", subject="bob")
PLACE: dict[str, Any] = {"tenant": "acme", "collection": "default"}
QUESTION = "When may goods be returned?"
SHORTLY = 3.0
"""Seconds: enough for a busy machine to take a document in and find it."""
Away = Callable[[], None]


def opened(folder: Path, embedder: Embedder | None, **cache: Any) -> Library:
    settings = Settings.model_validate({"retrieval": {"cache": cache}})
    return Library(folder / "knowledge", embedder, settings)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    """Makes the store fail as one does that is on another machine."""

    def snapshot(self: EmbeddedIndex, scope: object) -> None:
        raise Unavailable("cannot reach the store")

    return lambda: monkeypatch.setattr(EmbeddedIndex, "snapshot", snapshot)


async def ingest(library: Library, **texts: str) -> None:
    await library.ingest([Document(id=id_, text=text) for id_, text in texts.items()], **PLACE)


async def test_a_second_search_is_answered_from_the_first(
    library: Library, embedder: HashEmbedder
) -> None:
    await ingest(library, a="Goods may be returned within 30 days.")
    first = await library.search(QUESTION, principal=ANN)
    embedder.texts.clear()
    again = await library.search(QUESTION, principal=ANN)
    assert (again.hits, again.confidence) == (first.hits, first.confidence)
    assert set(again.timings) == {"cache", "total"}
    assert embedder.texts == []
    assert again.stale_seconds is None


@pytest.mark.parametrize(
    "other",
    [
        {"principal": BOB},
        {"k": 3},
        {"mode": "sparse"},
        {"tokens": 100},
        {"filters": {"document_id": "a"}},
        {"as_of": "00000001"},
        {"query": QUESTION + " "},
    ],
)
async def test_another_search_is_not(library: Library, other: dict[str, Any]) -> None:
    await ingest(library, a="Goods may be returned within 30 days.")
    asked: dict[str, Any] = {"query": QUESTION, "principal": ANN}
    await library.search(**asked)
    assert "cache" not in (await library.search(**{**asked, **other})).timings


async def test_a_change_is_seen_at_once(library: Library) -> None:
    await ingest(library, a="Goods may be returned within 30 days.")
    await library.search(QUESTION, principal=ANN)
    await ingest(library, a="Goods may be returned within 60 days.")
    found = await library.search(QUESTION, principal=ANN)
    assert "60" in found.hits[0].text
    await library.upkeep.delete(["a"], **PLACE)
    assert (await library.search(QUESTION, principal=ANN)).hits == ()


@pytest.mark.parametrize("place", ["memory", "disk"])
async def test_while_the_store_is_away_a_result_is_marked_stale(
    tmp_path: Path, embedder: HashEmbedder, away: Away, place: str
) -> None:
    library = opened(tmp_path, embedder, place=place)
    await ingest(library, a="Goods may be returned within 30 days.")
    first = await library.search(QUESTION, principal=ANN)
    if place == "disk":
        await library.close()
        library = opened(tmp_path, embedder, place=place)
    away()
    found = await library.search(QUESTION, principal=ANN)
    assert found.hits == first.hits
    assert found.stale_seconds is not None
    assert found.warnings[-1].startswith("the store is away (cannot reach the store): these")
    for principal, query in ((BOB, QUESTION), (ANN, "Another question")):
        with pytest.raises(Unavailable):
            await library.search(query, principal=principal)
    await library.close()


@pytest.mark.parametrize("cache", [{"place": "off"}, {"stale_seconds": 0}])
async def test_nothing_is_shown_where_nothing_stale_is_wanted(
    tmp_path: Path, embedder: HashEmbedder, away: Away, cache: dict[str, Any]
) -> None:
    library = opened(tmp_path, embedder, **cache)
    await ingest(library, a="Goods may be returned within 30 days.")
    await library.search(QUESTION, principal=ANN)
    away()
    with pytest.raises(Unavailable):
        await library.search(QUESTION, principal=ANN)
    await library.close()


async def test_what_was_erased_is_not_shown_stale(library: Library, away: Away) -> None:
    await ingest(library, a="Goods may be returned within 30 days.", b="Parcels take 4 days.")
    await library.search(QUESTION, principal=ANN)
    await library.upkeep.delete(["a"], **PLACE)
    away()
    with pytest.raises(Unavailable):
        await library.search(QUESTION, principal=ANN)


async def test_a_result_ends_when_the_collection_forgets(
    tmp_path: Path, embedder: HashEmbedder
) -> None:
    """Nothing changed, and still what was found is over."""
    settings = Settings.model_validate({"collections": {"default": {"ttl_days": SHORTLY / 86400}}})
    library = Library(tmp_path / "knowledge", embedder, settings)
    await ingest(library, a="Goods return.")
    first = await library.search(QUESTION, principal=ANN)
    assert len(first.hits) == 1
    await asyncio.sleep(SHORTLY + 0.1)
    assert not (await library.search(QUESTION, principal=ANN)).hits
    await library.close()


async def test_embedders_of_one_kind_share_no_results(tmp_path: Path) -> None:
    """What tells them apart may stand in the settings alone."""
    found = []
    for prefix in ("", "question: "):
        retrieval = {"embedding": {"query_prefix": prefix}, "cache": {"place": "disk"}}
        settings = Settings.model_validate({"retrieval": retrieval})
        library = Library(tmp_path / "knowledge", HashEmbedder(), settings)
        await ingest(library, a="Goods return.")
        found.append("cache" in (await library.search(QUESTION, principal=ANN)).timings)
        found.append("cache" in (await library.search(QUESTION, principal=ANN)).timings)
        await library.close()
    assert found == [False, True, False, True]


async def test_a_result_ends_with_the_first_document_in_it(library: Library, away: Away) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=SHORTLY)
    await library.ingest([Document(id="a", text="Goods return.", valid_until=soon)], **PLACE)
    assert (await library.search(QUESTION, principal=ANN)).hits
    await asyncio.sleep(SHORTLY + 0.1)
    assert (await library.search(QUESTION, principal=ANN)).hits == ()


class Interrupted(HashEmbedder):
    """Something else happens while a question is embedded."""

    meanwhile: Callable[[], None] | None = None

    def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        if query and self.meanwhile:
            other = threading.Thread(target=self.meanwhile)
            other.start()
            other.join()
        return super().embed(texts, query=query)


async def test_a_result_begun_before_a_change_is_not_kept(tmp_path: Path, away: Away) -> None:
    embedder = Interrupted()
    library = opened(tmp_path, embedder)
    await ingest(library, b="Parcels take 4 days.")
    await ingest(library, a="Goods may be returned within 30 days.")

    def change() -> None:
        asyncio.run(library.upkeep.rollback("00000001", **PLACE))

    embedder.meanwhile = change
    assert "a" in {hit.document_id for hit in (await library.search(QUESTION, principal=ANN)).hits}
    away()
    with pytest.raises(Unavailable):
        await library.search(QUESTION, principal=ANN)
    await library.close()


def bad() -> Iterator[tuple[str, dict[str, Any], str]]:
    yield " \n", {}, "is empty"
    yield "x" * 200_000, {}, "200,000 characters"
    yield "half \ud800", {}, "surrogate"
    yield "x", {"k": 0}, "k is 0"
    yield "x", {"k": 1001}, "k is 1001"
    yield "x", {"mode": "vague"}, "unknown mode 'vague'"


@pytest.mark.parametrize(("query", "more", "said"), list(bad()))
async def test_a_search_that_cannot_be_made(
    library: Library, query: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        await library.search(query, principal=ANN, **more)
