import numpy as np
import pytest

from fairlead.protocols import Embedder
from fairlead.retrieval.pipeline.confidence import Scale
from fairlead.retrieval.pipeline.feedback import Found, expanded, ranked
from fairlead.retrieval.pipeline.fusion import fused, shares
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Ref


async def fuse(found: Found) -> dict[Ref, float]:
    return fused(found.lexical, found.dense, Scale(low=0.0, high=1.0))


async def found(snapshot: Snapshot, embedder: Embedder, question: str) -> Found:
    terms = tuple(question.split())
    vector = embedder.embed([question])[0]
    return Found(
        terms=terms,
        vector=vector,
        lexical=await snapshot.sparse(terms, 100),
        dense=await snapshot.dense(vector, 100),
    )


async def test_without_vectors_or_passages_nothing_changes(snapshot: Snapshot) -> None:
    scores: dict[Ref, float] = {1: 0.5, 2: 0.25}
    assert await expanded(snapshot, Found(terms=("film",)), scores, fuse) == scores
    nothing = Found(terms=("film",), vector=np.ones(64, dtype=np.float32))
    assert await expanded(snapshot, nothing, {}, fuse) == {}


async def test_words_of_the_best_passage_find_another(
    snapshot: Snapshot, embedder: Embedder
) -> None:
    """The question says nothing of Tarkovsky; the film's passage does."""

    async def by_words(found: Found) -> dict[Ref, float]:
        return shares(found.lexical)

    asked = await found(snapshot, embedder, "solaris film 1972")
    before = await by_words(asked)
    after = await expanded(snapshot, asked, before, by_words)
    held = await snapshot.candidates(list(after))
    new = {held[ref].hit.document_id for ref in after if ref not in before}
    assert new == {"tarkovsky"}


async def test_feedback_repeats(snapshot: Snapshot, embedder: Embedder) -> None:
    asked = await found(snapshot, embedder, "how many stars")
    scores = await fuse(asked)
    first = await expanded(snapshot, asked, dict(scores), fuse)
    assert await expanded(snapshot, asked, dict(scores), fuse) == pytest.approx(first)


def test_ties_go_by_age() -> None:
    assert ranked({3: 0.5, 1: 0.5, 2: 0.9}) == [2, 1, 3]
