"""A second look with what the best passages say: pseudo-relevance feedback.

The passages are from outside. What they say steers only where the same reader's search looks again
among the same passages; it reaches nothing else.
"""

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from fairlead.retrieval.analysis import STEMMER, STOP_WORDS, words
from fairlead.retrieval.pipeline.fusion import scaled
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Ref, Scores

if TYPE_CHECKING:  # 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

DENSE_DOCUMENTS: Final = 3
DENSE_WEIGHT: Final = 0.3
TERM_DOCUMENTS: Final = 5
TERMS: Final = 10
TERM_WEIGHT: Final = 0.1
_CANDIDATES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Found:
    """Both rankings of one question."""

    terms: tuple[str, ...] = ()
    vector: "NDArray[float32] | None" = None
    lexical: Scores = field(default_factory=dict)
    dense: Scores = field(default_factory=dict)


Fuse = Callable[[Found], Awaitable[dict[Ref, float]]]


async def expanded(
    snapshot: Snapshot, found: Found, fused: dict[Ref, float], fuse: Fuse
) -> dict[Ref, float]:
    """The fused scores with the vectors and words of the best passages taken into account."""
    best = sorted(fused, key=lambda ref: (-fused[ref], ref))
    if not best or found.vector is None or not found.dense:
        return fused
    moved = await _moved(snapshot, found.vector, best[:DENSE_DOCUMENTS])
    again = replace(found, dense=await snapshot.dense(moved, _CANDIDATES))
    scores = await fuse(again)
    terms = await _terms(snapshot, found.terms, best[:TERM_DOCUMENTS])
    if not terms:
        return scores
    said = scaled(await snapshot.sparse(terms, _CANDIDATES))
    return {
        ref: (1 - TERM_WEIGHT) * scores.get(ref, 0.0) + TERM_WEIGHT * said.get(ref, 0.0)
        for ref in {*scores, *said}
    }


async def _moved(
    snapshot: Snapshot, vector: "NDArray[float32]", best: Sequence[Ref]
) -> "NDArray[float32]":
    """The question's vector, drawn towards the best passages (Rocchio 1971)."""
    import numpy as np  # noqa: PLC0415 - see above

    near = await snapshot.vectors_of(best)
    near = near[np.abs(near).sum(axis=1) > 0] if near.size else near
    if not len(near):
        return vector
    moved = vector + DENSE_WEIGHT * near.mean(axis=0)
    unit: NDArray[float32] = (moved / max(float(np.linalg.norm(moved)), 1e-12)).astype(np.float32)
    return unit


async def _terms(snapshot: Snapshot, asked: Sequence[str], best: Sequence[Ref]) -> list[str]:
    """Words that mark the best passages: by mean frequency times idf, none that was asked."""
    texts = [words(f"{c.title} {c.body}") for c in (await snapshot.candidates(best)).values()]
    stems = STEMMER.stems([word for text in texts for word in text])
    known = {stem for found in STEMMER.stems(list(asked)).values() for stem in found}
    counts: Counter[str] = Counter()
    for text in texts:
        for word in text:
            if len(word) >= 3 and word.isalpha() and word not in STOP_WORDS:
                if known.isdisjoint(stems[word]):
                    counts[word] += 1
    frequent = [word for word, _ in counts.most_common(200)]
    idf = await _idf(snapshot, [stem for word in frequent for stem in stems[word]])
    weight = {
        word: counts[word] * max((idf.get(stem, 0.0) for stem in stems[word]), default=0.0)
        for word in frequent
    }
    return sorted(weight, key=lambda word: (-weight[word], word))[:TERMS]


async def _idf(snapshot: Snapshot, stems: Sequence[str]) -> Mapping[str, float]:
    counts = await snapshot.frequencies(stems)
    return {
        stem: math.log(1 + (snapshot.chunks - n + 0.5) / (n + 0.5)) for stem, n in counts.items()
    }
