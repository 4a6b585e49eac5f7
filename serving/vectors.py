"""Vectors that somebody else made: what they are called, and what is accepted as vectors."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fairlead.errors import SettingsError

if TYPE_CHECKING:  # 60 ms to import, and only embedding needs it
    from numpy import float32
    from numpy.typing import NDArray


def identified(
    model: str, dimension: int, *, revision: str = "", prefixes: tuple[str, str] = ("", "")
) -> str:
    """An embedder's identity; its model is what stands before the first `@`, or `/` without one.

    Prefixes, of documents and of queries, come in as a digest: they can be long.
    """
    said = model.replace("%", "%25").replace("@", "%40")
    said += f"@{revision}" if revision else ""
    said += f"/{dimension}"
    if any(prefixes):
        said += f"+{hashlib.sha256(json.dumps(prefixes).encode()).hexdigest()[:8]}"
    return said


def unit_rows(
    vectors: Sequence[Any], texts: int, *, by: str, dimension: int = 0
) -> "NDArray[float32]":
    """As float32 rows of length 1; a vector of zeros, which means nothing, stays one.

    Raises `SettingsError` for all but one vector of finite numbers per text, of `dimension` each
    (0: of any, but all the same). `by` names who made them.
    """
    import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

    try:
        with np.errstate(over="ignore"):  # becomes infinite, and is found below
            rows = np.array(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        rows = np.zeros(0, dtype=np.float32)
    if rows.ndim != 2 or len(rows) != texts or not rows.size or not np.isfinite(rows).all():
        raise SettingsError(
            f"{by} did not return one vector of finite numbers per text",
            hint="Set retrieval.embedder to a model that embeds texts.",
        )
    if dimension and rows.shape[1] != dimension:
        raise SettingsError(
            f"{by} returned vectors of {rows.shape[1]} numbers, not {dimension}",
            hint="Set retrieval.embedding.dimensions to what the model has, or remove it.",
        )
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    units: NDArray[float32] = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return units
