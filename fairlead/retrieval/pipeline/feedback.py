"""A second look with what the best passages say: pseudo-relevance feedback, in both rankings.

Words: the ten that best mark the first five passages are searched too, and what they find counts
0.3 of what the question's own words find (the interpolation of RM3, Abdul-Jaleel et al. 2004, with
terms by tf / (tf + k1) · idf). Vectors: the question's is drawn towards the mean of the first three
(Rocchio 1971), each weighted by its score. Then near passages lend each other score (`smoothing`).
Both looks are averaged: the second one sees everywhere what the first thought good, so it counts as
much as the question's words were found at all, and never more than .6.

The constants are the middle of a flat optimum over thirteen public sets (`benchmarks/datasets.py`;
104 random settings, then one constant at a time; whole documents, words as shares of the best
BM25): mean nDCG@10 .650, .643 without feedback.
Choosing a setting without a set and measuring it on that set, for each in turn, gives .653, where
plain min-max fusion gives .636.

The passages are from outside. What they say steers only where the same reader's search looks again
among the same passages; it reaches nothing else.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlead.retrieval.analysis import STEMMER, STOP_WORDS, words
from fairlead.retrieval.pipeline.fusion import attained, mixed
from fairlead.retrieval.pipeline.smoothing import smoothed
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Ref, Scores

if TYPE_CHECKING:  # 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

DENSE_DOCUMENTS: Final = 3
DENSE_WEIGHT: Final = 0.3
TERM_DOCUMENTS: Final = 5
TERMS: Final = 10
TERM_WEIGHT: Final = 0.3
SECOND: Final = 0.6
"""Of the second look at most. nDCG@10 on six public sets (80 questions each) and on two sets of
questions on documentation: .609, .897, .908; with half of each look .608, .875, .894; without a
second one .599, .883, .920.
"""
_K1: Final = 1.2
_CANDIDATES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Found:
    """Both rankings of one question."""

    terms: tuple[str, ...] = ()
    vector: "NDArray[float32] | None" = None
    lexical: Scores = field(default_factory=dict)
    dense: Scores = field(default_factory=dict)
    most: float = 0.0
    """What the terms could score (`fusion.attainable`); 0 where `lexical` has shares."""


Fuse = Callable[[Found], Awaitable[dict[Ref, float]]]


async def expanded(
    snapshot: Snapshot, found: Found, fused: dict[Ref, float], fuse: Fuse
) -> dict[Ref, float]:
    """The fused scores with the vectors and words of the best passages taken into account.

    Unchanged where there are no vectors, or nothing was found.
    """
    best = {ref: fused[ref] for ref in ranked(fused)[: max(TERM_DOCUMENTS, DENSE_DOCUMENTS)]}
    if not best or found.vector is None or not found.dense:
        return fused
    moved = await _moved(snapshot, found.vector, best)
    terms = await _terms(snapshot, found.terms, best)
    said = await snapshot.sparse(terms, _CANDIDATES) if terms else {}
    again = Found(
        terms=found.terms,
        vector=moved,
        lexical=mixed(found.lexical, said, TERM_WEIGHT),
        dense=await snapshot.dense(moved, _CANDIDATES),
    )
    second = await _smoothed(snapshot, await fuse(again))
    least, share = min(fused.values()), min(SECOND, attained(found.lexical, found.most))
    return {
        ref: share * score + (1 - share) * fused.get(ref, least) for ref, score in second.items()
    }


def ranked(scores: Scores) -> list[Ref]:
    """Best first; ties by age, so that searches repeat."""
    return sorted(scores, key=lambda ref: (-scores[ref], ref))


async def _moved(
    snapshot: Snapshot, vector: "NDArray[float32]", best: Scores
) -> "NDArray[float32]":
    """The question's vector, drawn towards the best passages."""
    import numpy as np  # noqa: PLC0415 - see above

    first = list(best)[:DENSE_DOCUMENTS]
    near = await snapshot.vectors_of(first)
    if not near.size:
        return vector
    drawn = np.array([_weight(best[ref]) for ref in first], dtype=np.float32) @ near
    moved = vector + DENSE_WEIGHT * drawn / max(float(np.linalg.norm(drawn)), 1e-12)
    unit: NDArray[float32] = (moved / max(float(np.linalg.norm(moved)), 1e-12)).astype(np.float32)
    return unit


async def _terms(snapshot: Snapshot, asked: Sequence[str], best: Scores) -> list[str]:
    """Words that mark the best passages and were not asked for."""
    held = await snapshot.candidates(list(best)[:TERM_DOCUMENTS])
    texts = {ref: _counted(f"{c.title} {c.body}") for ref, c in held.items()}
    stems = STEMMER.stems([word for counts in texts.values() for word in counts])
    known = {stem for found in STEMMER.stems(list(asked)).values() for stem in found}
    marks: dict[str, float] = defaultdict(float)
    written: dict[str, str] = {}
    for ref, counts in texts.items():
        by_stem: Counter[str] = Counter()
        for word, count in counts.items():
            if len(stems[word]) == 1 and stems[word][0] not in known:
                by_stem[stems[word][0]] += count
                written.setdefault(stems[word][0], word)
        for stem, count in by_stem.items():
            marks[stem] += _weight(best[ref]) * count / (count + _K1)
    idf = await _idf(snapshot, list(marks))
    chosen = sorted(marks, key=lambda stem: (-marks[stem] * idf.get(stem, 0.0), stem))[:TERMS]
    return [written[stem] for stem in chosen]


def _counted(text: str) -> Counter[str]:
    """Words that can mark a text."""
    return Counter(w for w in words(text) if len(w) >= 3 and w.isalpha() and w not in STOP_WORDS)


async def _idf(snapshot: Snapshot, stems: Sequence[str]) -> Mapping[str, float]:
    counts = await snapshot.frequencies(stems)
    return {
        stem: math.log(1 + (snapshot.chunks - n + 0.5) / (n + 0.5)) for stem, n in counts.items()
    }


async def _smoothed(snapshot: Snapshot, scores: dict[Ref, float]) -> dict[Ref, float]:
    import numpy as np  # noqa: PLC0415 - see above

    refs = ranked(scores)
    worth = np.array([scores[ref] for ref in refs], dtype=np.float32)
    found = smoothed(worth, await snapshot.vectors_of(refs))
    return dict(zip(refs, (float(each) for each in found), strict=True))


def _weight(score: float) -> float:
    """Of a passage in the feedback; scores may be below 0."""
    return max(score, 1e-6)
