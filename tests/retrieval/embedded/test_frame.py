"""A frame brought up to date step by step is one loaded at once, whatever happened in between."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import NotFound
from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.retrieval.embedded.database import CollectionFile, head_of
from fairlead.retrieval.embedded.frame import LIVE, Frame, loaded
from fairlead.schema import Document
from fairlead.settings import Settings
from tests.retrieval.conftest import HashEmbedder

WORDS = "apple pear plum fig date lime kiwi quince".split()
SETTINGS = Settings.model_validate(
    {"collections": {"default": {"chunker": "recursive:tokens=16"}}, "guard": {"duplicates": "off"}}
)
NAME = st.sampled_from(["d0", "d1", "d2", "d3"])
INGEST = st.tuples(st.just("ingest"), NAME, st.lists(st.sampled_from(WORDS), min_size=1))
STEP = st.one_of(
    INGEST,
    INGEST,
    st.tuples(st.just("without vectors"), NAME, st.lists(st.sampled_from(WORDS), min_size=1)),
    st.tuples(st.just("readers"), NAME, st.lists(st.sampled_from(WORDS), min_size=1)),
    st.tuples(st.just("ends"), NAME, st.lists(st.sampled_from(WORDS), min_size=1)),
    st.tuples(st.just("delete"), NAME, st.just([])),
    st.tuples(st.just("rollback"), st.integers(1, 9), st.just([])),
    st.tuples(st.just("expire"), st.just(""), st.just([])),
    st.tuples(st.just("rebuild"), st.sampled_from([16, 20]), st.just([])),
)
Step = tuple[str, str | int, list[str]]


async def taken(library: Library, step: Step) -> None:
    kind, which, said = step
    if kind == "delete":
        await library.upkeep.delete([str(which)], tenant="acme", collection="default")
    elif kind == "rollback":
        await library.upkeep.rollback(f"{which:08d}", tenant="acme", collection="default")
    elif kind == "expire":
        await library.upkeep.expire(
            tenant="acme", collection="default", now=datetime(2090, 1, 1, tzinfo=UTC)
        )
    elif kind == "rebuild":
        await library.upkeep.rebuild(
            tenant="acme", collection="default", chunker=f"recursive:tokens={which}"
        )
    else:
        document = Document(
            id=str(which),
            text=" ".join(said),
            acl=tuple(sorted(set(said))) if kind == "readers" else (),
            valid_until=datetime(2080, 1, 1, tzinfo=UTC) if kind == "ends" else None,
        )
        await library.ingest(
            [document], tenant="acme", collection="default", text_only=kind == "without vectors"
        )


def shown(frame: Frame) -> list[tuple[object, ...]]:
    """What a search can know of each chunk of a live document."""
    documents = frame.documents
    found: list[tuple[object, ...]] = []
    width = sum(block.shape[1] for block in frame.matrix.blocks[:1])
    planes = np.concatenate([np.zeros((0, width), np.int8), *frame.matrix.blocks])
    for at, row in enumerate(frame.chunks.tolist()):
        place = int(frame.document[at])
        if documents.removed[place] != LIVE:
            continue
        slot = int(frame.slots[at])
        found.append(
            (
                row,
                int(documents.rows[place]),
                float(documents.expires[place]),
                float(documents.seen[place]),
                sorted(documents.acls[int(documents.readers[place])]),
                float(frame.lengths[at]),
                terms_of(frame, at),
                None if slot < 0 else (float(frame.matrix.scales[slot]), planes[slot].tolist()),
            )
        )
    return found


def terms_of(frame: Frame, at: int) -> dict[int, int]:
    found = {}
    for part in frame.segments:
        for term in part.terms.tolist():
            chunks, weights = part.of(term)
            if at in chunks:
                found[term] = int(weights[chunks == at][0])
    return found


async def compared(folder: Path, embedder: Embedder, steps: Sequence[Step]) -> int:
    """Takes the steps; after each a frame that was kept is one made anew. How many were equal."""
    library = Library(folder, embedder, SETTINGS)
    kept = CollectionFile(folder / "acme" / "default.db", "acme", "default")
    equal = 0
    for step in steps:
        try:
            await taken(library, step)
        except NotFound:
            continue  # a version that there is not
        with kept.reading() as connection:
            if connection is not None:
                refreshed = kept.frame(connection)
                assert refreshed is not None
                assert shown(refreshed) == shown(loaded(connection, head_of(connection))), step
                equal += 1
    kept.close()
    await library.close()
    return equal


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEP, min_size=2, max_size=8))
def test_refreshed_is_loaded(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    asyncio.run(compared(tmp_path_factory.mktemp("frame"), HashEmbedder(), steps))


async def test_every_step_is_taken(tmp_path: Path, embedder: Embedder) -> None:
    long = WORDS * 3
    steps: list[Step] = [
        ("ingest", "d0", long),
        ("without vectors", "d1", ["fig", *long]),
        ("readers", "d2", ["pear"]),
        ("ends", "d3", ["plum"]),
        ("ingest", "d0", [*long, "date"]),
        ("delete", "d1", []),
        ("rollback", 2, []),
        ("expire", "", []),
        ("rebuild", 20, []),
        ("ingest", "d1", ["lime"]),
    ]
    assert await compared(tmp_path, embedder, steps) == len(steps)


async def test_many_small_changes(tmp_path: Path, embedder: Embedder) -> None:
    """Segments and blocks are merged, and what was removed is left out in the end."""
    steps: list[Step] = [("ingest", "d0", WORDS)]
    for n in range(12):
        steps += [("ingest", f"e{n}", [*WORDS, str(n)]), ("ingest", "d0", [str(n), *WORDS])]
    assert await compared(tmp_path, embedder, steps) == len(steps)
