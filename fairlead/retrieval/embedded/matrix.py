"""Vectors in two planes of int8, searched exactly.

A vector is `scale` times its coarse plane, to within half a step; the fine plane holds the rest in
254ths of a step. A search scans the coarse planes of all and then compares the best again with
both: recall@10 against float32 .992 by the coarse plane alone, 1.0 with both, at a quarter of the
memory (200,000 Gaussian vectors of 384 dimensions, the hardest case).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # 60 ms to import
    import numpy as np
    from numpy.typing import NDArray

_BLOCK = 512
"""Rows that are compared at once: 0.8 MB as float32, which the cache holds, and so few that BLAS
does not wake its other threads: on a busy machine waiting for them took six times the work."""
_FINE = 254.0


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The coarse planes of one embedder's vectors, in blocks as they came."""

    rows: "NDArray[np.int64]"
    """The vectors' rows in the database, rising."""
    scales: "NDArray[np.float32]"
    blocks: "tuple[NDArray[np.int8], ...]"

    def __len__(self) -> int:
        return len(self.rows)

    def joined(self, more: "Matrix") -> "Matrix":
        """With later vectors behind; small blocks are joined."""
        import numpy as np  # noqa: PLC0415 - see above

        blocks = (*self.blocks, *more.blocks)
        if len(blocks) > 8:
            blocks = (blocks[0], np.concatenate(blocks[1:]))
            if len(blocks[1]) * 4 > len(blocks[0]):
                blocks = (np.concatenate(blocks),)
        return Matrix(
            rows=np.concatenate([self.rows, more.rows]),
            scales=np.concatenate([self.scales, more.scales]),
            blocks=blocks,
        )

    def cosines(self, query: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Of every vector with a unit vector, by the coarse planes."""
        import numpy as np  # noqa: PLC0415 - see above

        found = np.empty(len(self), dtype=np.float32)
        space = np.empty((_BLOCK, len(query)), dtype=np.float32)
        at = 0
        for block in self.blocks:
            for start in range(0, len(block), _BLOCK):
                part = block[start : start + _BLOCK]
                rows = space[: len(part)]
                np.copyto(rows, part)
                np.dot(rows, query, out=found[at : at + len(part)])
                at += len(part)
        return found * self.scales

    @staticmethod
    def of(rows: Sequence[tuple[int, float, bytes]]) -> "Matrix":
        """From stored rows: row, scale and data, in order."""
        import numpy as np  # noqa: PLC0415 - see above

        blocks: tuple[NDArray[np.int8], ...] = ()
        if rows:
            width = len(rows[0][2]) // 2
            data = np.frombuffer(b"".join(row[2][:width] for row in rows), dtype=np.int8)
            blocks = (data.reshape(len(rows), width),)
        return Matrix(
            rows=np.array([row[0] for row in rows], dtype=np.int64),
            scales=np.array([row[1] for row in rows], dtype=np.float32),
            blocks=blocks,
        )


def quantized(vectors: "NDArray[np.float32]") -> list[tuple[float, bytes]]:
    """Of each vector its scale and both planes."""
    import numpy as np  # noqa: PLC0415 - see above

    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
    steps = vectors / scales[:, None]
    coarse = np.rint(steps)
    fine = np.rint((steps - coarse) * _FINE)
    planes = np.concatenate([coarse, fine], axis=1).astype(np.int8)
    return [(float(scale), row.tobytes()) for scale, row in zip(scales, planes, strict=True)]


def restored(rows: Sequence[tuple[float, bytes]]) -> "NDArray[np.float32]":
    """The vectors of stored scales and data, shape (len(rows), dimension)."""
    import numpy as np  # noqa: PLC0415 - see above

    planes = np.frombuffer(b"".join(data for _, data in rows), dtype=np.int8)
    planes = planes.reshape(len(rows), 2, -1).astype(np.float32)
    scales = np.array([scale for scale, _ in rows], dtype=np.float32)
    vectors = (planes[:, 0] + planes[:, 1] / np.float32(_FINE)) * scales[:, None]
    return vectors.astype(np.float32, copy=False)
