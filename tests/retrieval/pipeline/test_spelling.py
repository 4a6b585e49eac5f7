"""Misspelt words are mended from the words of what the reader may see, and of nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.retrieval.analysis import query_terms
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.retrieval.pipeline.spelling import mended
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Scope
from fairlead.schema import Document, Principal

DOCUMENTS = (
    Document(id="a", text="Warranties cover the headlamp of a bicycle for two years."),
    Document(id="b", text="Return the parcel with its label; returns are free."),
    Document(id="c", text="The order number stands on every invoice.", metadata={"town": "Bergen"}),
    Document(id="d", text="Confidential: project Zephyrus.", acl=("board",)),
)
Open = Callable[[Principal], AbstractAsyncContextManager[Snapshot]]


@pytest.fixture
async def seen_by(tmp_path: Path, embedder: Embedder) -> AsyncIterator[Open]:
    store = EmbeddedStore(tmp_path)
    library = Library(tmp_path, embedder, store=store)
    await library.ingest(list(DOCUMENTS), tenant="t")

    @asynccontextmanager
    async def opened(principal: Principal) -> AsyncIterator[Snapshot]:
        scope = Scope(principal=principal, now=datetime.now(UTC))
        async with store.index("t", "default").snapshot(scope) as snapshot:
            yield snapshot

    yield opened
    await library.close()


async def mends(seen_by: Open, question: str, *groups: str) -> dict[str, str]:
    async with seen_by(Principal(tenant="t", groups=groups)) as snapshot:
        return dict(await mended(snapshot, question, query_terms(question)))


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("waranties on a headlmap", {"waranties": "warranties", "headlmap": "headlamp"}),
        ("oder number", {"oder": "order"}),
        ("a hotel in bergan", {"bergan": "bergen"}),  # as metadata writes it
        ("retrun labels", {"retrun": "return"}),  # the plural is the same word
        ("order number", {}),
        ("the xyzzyplugh", {}),  # nothing is near
        ("lbl", {}),  # too short to be judged
        ("ordr1 or_der", {}),  # a code and an identifier
        ("what about Oder", {}),  # a name
        ("Oder number", {"oder": "order"}),  # any word is capitalised there
        ("ODER NUMBER", {"oder": "order"}),
        ("haedlmap", {"haedlmap": "headlamp"}),  # two edits from eight letters on
        ("ivnoice", {"ivnoice": "invoice"}),  # neighbours that changed places are one edit
        ("odxr", {}),
    ],
)
async def test_mends(seen_by: Open, question: str, found: dict[str, str]) -> None:
    assert await mends(seen_by, question) == found


async def test_a_word_that_the_reader_may_not_see_mends_nothing(seen_by: Open) -> None:
    assert await mends(seen_by, "project zephirus") == {}
    assert await mends(seen_by, "project zephirus", "board") == {"zephirus": "zephyrus"}


async def test_only_so_many_are_mended(seen_by: Open) -> None:
    misspelt = " ".join(f"orde{letter}" for letter in "abcefghijkl")
    assert len(await mends(seen_by, misspelt)) == 8
