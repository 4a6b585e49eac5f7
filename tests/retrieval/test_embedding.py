"""Vectors while ingesting: later, not at all, by another embedder, or cut off."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fairlead.errors import SettingsError, Unavailable
from fairlead.retrieval import Library
from fairlead.schema import Principal

READER = Principal(tenant="acme")


async def sources_of(library: Library, query: str, k: int = 8) -> list[str]:
    return [hit.source for hit in (await library.search(query, principal=READER, k=k)).hits]


async def test_text_only_leaves_the_vectors_for_later(library: Library, docs: Path) -> None:
    stages: list[tuple[str, int, int]] = []
    report = await library.ingest(
        [docs], tenant="acme", text_only=True, progress=lambda *at: stages.append(at)
    )
    assert report.vectors == {"added": 0, "kept": 0, "pending": 5}
    found = await library.search("return label", principal=READER)
    assert found.hits[0].source == "docs/policies/returns.md"
    assert "4 of 4 chunks have no vector yet" in found.warnings[0]
    report = await library.ingest([docs], tenant="acme", progress=lambda *at: stages.append(at))
    assert report.vectors == {"added": 5, "kept": 0, "pending": 0}
    assert ("text", 3, 3) in stages and stages[-1] == ("vectors", 5, 5)
    assert (await library.search("return label", principal=READER)).warnings == ()


async def test_a_failing_embedder_leaves_searchable_text(tmp_path: Path, docs: Path) -> None:
    class Failing:
        identity, dimension = "failing", 4

        def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
            raise Unavailable("the embedding service is down", hint="Start it.")

        def count_tokens(self, text: str) -> int:
            return len(text.split())

    library = Library(tmp_path / "knowledge", Failing())
    report = await library.ingest([docs], tenant="acme")
    assert report.vectors["pending"] == 5 and "service is down" in report.warnings[0]
    found = await library.search("return label", principal=READER)
    assert found.hits and "searched by text alone" in found.warnings[1]
    await library.close()


async def test_vectors_of_two_embedders_are_never_compared(
    tmp_path: Path, docs: Path, embedder: object
) -> None:
    first = Library(tmp_path / "knowledge", embedder)  # type: ignore[arg-type]
    await first.ingest([docs], tenant="acme")
    await first.close()
    other = type(embedder)("other/64")  # type: ignore[call-arg]
    second = Library(tmp_path / "knowledge", other)  # type: ignore[arg-type]
    found = await second.search("return label", principal=READER)
    assert found.hits and "another embedder" in found.warnings[0]
    before = await second.collections("acme")
    for attempt in (second.ingest([docs], tenant="acme"), second.check_embedder()):
        with pytest.raises(SettingsError, match=r"embedded by 'hash/64'.*'other/64'") as caught:
            await attempt
        assert "fairlead index rebuild" in caught.value.hint
    assert await second.collections("acme") == before
    await second.upkeep.rebuild(tenant="acme", collection="default")
    (info,) = await second.collections("acme")
    assert (info.embedder, info.vectors) == ("other/64", 5)
    assert (await second.search("return label", principal=READER)).warnings == ()
    await second.close()


async def test_a_cancelled_ingest_can_be_taken_up(library: Library, tmp_path: Path) -> None:
    for n in range(300):
        path = tmp_path / "many" / f"{n}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"Document number {n}.", encoding="utf-8")
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "vectors":
            loop.call_soon_threadsafe(begun.set)

    task = asyncio.create_task(
        library.ingest([tmp_path / "many"], tenant="acme", progress=progress)
    )
    await asyncio.wait_for(begun.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    report = await library.ingest([tmp_path / "many"], tenant="acme")
    assert report.documents["unchanged"] == 300
    assert report.vectors["added"] + report.vectors["kept"] == 300
    assert (await library.check(tenant="acme")).ok


# --- the file ------------------------------------------------------------------------------------
