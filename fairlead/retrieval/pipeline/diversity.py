"""Which of the ranked passages are shown: each text once, not too much alike."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fairlead.retrieval.stored import Candidate, Ref

if TYPE_CHECKING:  # 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray


def distinct(ranked: Sequence[Ref], candidates: Mapping[Ref, Candidate]) -> list[Ref]:
    """Each text and each stretch that is read once, its best chunk standing for it."""
    kept: list[Ref] = []
    seen: set[object] = set()
    for ref in ranked:
        candidate = candidates[ref]
        if candidate.digest in seen or candidate.read in seen:
            continue
        seen.update((candidate.digest, candidate.read))
        kept.append(ref)
    return kept


def capped(
    ranked: Sequence[Ref], candidates: Mapping[Ref, Candidate], per_document: int
) -> list[Ref]:
    """At most so many of one document, the others behind; 0 for no limit."""
    if not per_document:
        return list(ranked)
    counts: Counter[str] = Counter()
    first: list[Ref] = []
    rest: list[Ref] = []
    for ref in ranked:
        document = candidates[ref].hit.document_id
        counts[document] += 1
        (first if counts[document] <= per_document else rest).append(ref)
    return first + rest


def diversified(
    ranked: Sequence[Ref],
    scores: Mapping[Ref, float],
    vectors: "NDArray[float32]",
    k: int,
    relevance: float,
) -> list[Ref]:
    """The first `k` by maximal marginal relevance (Carbonell and Goldstein 1998), then the rest.

    Each next one has the largest relevance · score − (1 − relevance) · its largest cosine with
    those before. `vectors` are those of `ranked`, in order.
    """
    import numpy as np  # noqa: PLC0415 - see above

    if len(ranked) < 2 or not vectors.size:
        return list(ranked)
    worth = np.array([scores[ref] for ref in ranked], dtype=np.float32)
    nearest = np.full(len(ranked), -1.0, dtype=np.float32)
    left = np.ones(len(ranked), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(k, len(ranked))):
        penalty = np.where(nearest > 0, nearest, 0.0)
        marginal = np.where(left, relevance * worth - (1 - relevance) * penalty, -np.inf)
        at = int(marginal.argmax())
        chosen.append(at)
        left[at] = False
        nearest = np.maximum(nearest, vectors @ vectors[at])
    return [ranked[at] for at in chosen] + [ref for at, ref in enumerate(ranked) if left[at]]
