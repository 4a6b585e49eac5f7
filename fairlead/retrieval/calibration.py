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
_GROWTH = 0.05
"""Share of the vectors by which a collection may change before it is measured again."""


async def calibrated(index: Index, embedder: Embedder) -> None:
    """Stores the collection's scale, unless it was measured when about as much was there."""
    scope = Scope(principal=Principal(tenant=index.tenant), now=datetime.now(UTC))
    async with index.snapshot(scope) as snapshot:
        count, before = snapshot.vectors, snapshot.facts.get(_MEASURED, "0 ").split(" ", 1)
        known = before[1] == embedder.identity and abs(count - int(before[0])) <= _GROWTH * count
        if known or not count:
            return
        sampled = await snapshot.candidates(await snapshot.sample(_SAMPLED))
        sentences = {c.hit.passage_id: first_sentence(c.body) for c in sampled.values()}
        own = dict([item for item in sentences.items() if item[1]][:_SENTENCES])
        asked = partial(embedder.embed, query=True)
        rows = await asyncio.to_thread(asked, [*PROBES, *own.values()])
        scale = await measured_scale(
            snapshot, rows[: len(PROBES)], dict(zip(own, rows[len(PROBES) :], strict=True))
        )
    await asyncio.to_thread(
        index.learn, {FACT: str(scale), _MEASURED: f"{count} {embedder.identity}"}
    )
