"""Retrieval metrics as trec_eval computes them: nDCG@10, recall@10, recall@100, MRR@10."""

import math
from collections.abc import Mapping, Sequence

NAMES = ("nDCG@10", "R@10", "R@100", "MRR@10")


def measured(ranked: Sequence[str], grades: Mapping[str, int]) -> dict[str, float]:
    """Each of `NAMES` for one query: documents best first, and the grades of the judged ones.

    A document is relevant from grade 1 on; at least one must be.
    """
    return {
        "nDCG@10": ndcg(ranked, grades, 10),
        "R@10": recall(ranked, grades, 10),
        "R@100": recall(ranked, grades, 100),
        "MRR@10": reciprocal_rank(ranked, grades, 10),
    }


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Gain is the grade itself (not 2 to its power), discounted by log2(rank + 1)."""
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    return _discounted([max(0, grades.get(each, 0)) for each in ranked[:k]]) / _discounted(best[:k])


def recall(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant)


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Of the first relevant document; 0 where it is not among the first `k`."""
    ranks = (at for at, each in enumerate(ranked[:k], start=1) if grades.get(each, 0) > 0)
    return 1 / next(ranks, math.inf)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
