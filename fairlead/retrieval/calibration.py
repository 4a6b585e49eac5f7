"""Measures what a cosine means in a collection, after what it holds has changed."""

import asyncio
from datetime import UTC, datetime
from functools import partial

from fairlead.protocols import Embedder
from fairlead.retrieval.pipeline.confidence import FACT, PROBES, first_sentence, measured_scale
from fairlead.retrieval.store import Index
from fairlead.retrieval.stored import Scope
from fairlead.schema import Principal

_SAMPLED = 48
_SENTENCES = 24
_MEASURED = "scale measured"


async def calibrated(index: Index, embedder: Embedder) -> None:
    """Stores the collection's scale, where all of it has vectors and it was not measured since."""
    scope = Scope(principal=Principal(tenant=index.tenant), now=datetime.now(UTC))
    async with index.snapshot(scope) as snapshot:
        mark = f"{snapshot.version} {embedder.identity}"
        if not snapshot.vectors or snapshot.facts.get(_MEASURED) == mark:
            return
        sampled = await snapshot.candidates(await snapshot.sample(_SAMPLED))
        sentences = {c.hit.passage_id: first_sentence(c.body) for c in sampled.values()}
        own = dict([item for item in sentences.items() if item[1]][:_SENTENCES])
        asked = partial(embedder.embed, query=True)
        rows = await asyncio.to_thread(asked, [*PROBES, *own.values()])
        scale = await measured_scale(
            snapshot, rows[: len(PROBES)], dict(zip(own, rows[len(PROBES) :], strict=True))
        )
    await asyncio.to_thread(index.learn, {FACT: str(scale), _MEASURED: mark})
