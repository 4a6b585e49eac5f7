"""Reads and writes safetensors files without torch, and stricter than a loader would.

The format: eight bytes of length (little endian), a JSON header of that length, then the tensors'
bytes without gaps (github.com/huggingface/safetensors). Whatever else a file may be ends in
`Unsound`, never in another exception.
"""

import json
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from fairlead.serving.adapters.refusals import Unsound

if TYPE_CHECKING:  # 60 ms to import, and only examining needs it
    from numpy import float32
    from numpy.typing import NDArray

HEADER_LIMIT: Final = 16 << 20
"""Bytes of an adapter's header; one of 100,000 tensors has about 12 million."""
SIZES: Final = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4,
    "I64": 8, "U64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
"""Bytes of one element."""
FLOATS: Final = frozenset({"F16", "BF16", "F32"})
"""What the weights of an adapter may be: what servers load as they are."""
_DIMENSIONS: Final = 8
_NAME_LIMIT: Final = 512
_METADATA: Final = "__metadata__"


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """Where one tensor lies; `start` and `end` count from the beginning of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class TensorFile:
    """An open safetensors file. Raises `Unsound` where its header does not hold.

    `tensors` are in the order of their names. Use as a context manager, or `close()`.
    """

    def __init__(self, path: Path, *, header_limit: int = HEADER_LIMIT) -> None:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 10:
                raise Unsound("header", f"{path.name!r} is too short to be a safetensors file")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self.tensors = _tensors(self._bytes, size, path.name, header_limit)
        except BaseException:
            self._bytes.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._bytes.close()

    def content(self, tensor: Tensor) -> bytes:
        """The bytes of a tensor as they are stored."""
        return self._bytes[tensor.start : tensor.end]

    def array(self, tensor: Tensor) -> "NDArray[float32]":
        """A tensor of one of `FLOATS` as float32, in its shape."""
        import numpy as np  # noqa: PLC0415 - 60 ms that only examining needs

        raw = self.content(tensor)
        if tensor.dtype == "BF16":  # the upper half of a float32; numpy has no such type
            wide = np.frombuffer(raw, dtype="<u2").astype(np.uint32) << np.uint32(16)
            return wide.view(np.float32).reshape(tensor.shape)
        kind = "<f2" if tensor.dtype == "F16" else "<f4"
        with np.errstate(invalid="ignore"):  # NaN is looked for by whoever asked
            return np.frombuffer(raw, dtype=kind).astype(np.float32).reshape(tensor.shape)


def canonical(file: TensorFile) -> Iterator[bytes]:
    """The one file that holds these tensors and nothing else, in pieces.

    Tensors in the order of their names, and always the same metadata (some loaders ask for the
    format): it depends on names, types, shapes and values alone. The header is padded to 8 bytes.
    """
    place, header = 0, dict[str, Any]({_METADATA: {"format": "pt"}})
    for tensor in file.tensors.values():
        length = tensor.end - tensor.start
        header[tensor.name] = {
            "data_offsets": [place, place + length],
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
        }
        place += length
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little")
    yield text
    for tensor in file.tensors.values():
        yield file.content(tensor)


def _tensors(data: mmap.mmap, size: int, name: str, limit: int) -> Mapping[str, Tensor]:
    length = int.from_bytes(data[:8], "little")
    if length > limit:
        raise Unsound("header", f"the header of {name!r} has {length} bytes, over {limit}")
    if 8 + length > size:
        raise Unsound("header", f"the header of {name!r} says {length} bytes, the file has {size}")
    entries = _parsed(data[8 : 8 + length], name)
    if not isinstance(entries, dict):
        raise Unsound("header", f"the header of {name!r} is no JSON object")
    metadata = entries.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise Unsound("header", f"the metadata of {name!r} is no table of strings")
    found = [_tensor(key, entry, 8 + length) for key, entry in entries.items()]
    _check_places(found, 8 + length, size, name)
    return {tensor.name: tensor for tensor in sorted(found, key=lambda each: each.name)}


def _parsed(header: bytes, name: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a name stands twice")
        return table

    try:
        return json.loads(header.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise Unsound("header", f"the header of {name!r} is not sound JSON: {error}") from error


def _tensor(name: str, entry: Any, data: int) -> Tensor:
    if not name.isprintable() or not name or len(name) > _NAME_LIMIT:
        raise Unsound("header", f"a tensor has no usable name: {name[:80]!a}")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise Unsound("header", f"tensor {name!r} is not described by dtype, shape, data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in SIZES:
        raise Unsound("dtype", f"tensor {name!r} has the unknown type {dtype!r:.40}")
    if not _naturals(shape) or len(shape) > _DIMENSIONS:
        raise Unsound("shape", f"tensor {name!r} has no sound shape")
    if not _naturals(offsets) or len(offsets) != 2:
        raise Unsound("offsets", f"tensor {name!r} has no sound offsets")
    if offsets[1] - offsets[0] != math.prod(shape) * SIZES[dtype]:
        raise Unsound("offsets", f"tensor {name!r} does not fill the bytes it is given")
    return Tensor(
        name=name,
        dtype=dtype,
        shape=tuple(shape),
        start=data + offsets[0],
        end=data + offsets[1],
    )


def _naturals(value: Any) -> bool:
    """Whether it is a list of whole numbers from 0 that a file could hold."""
    return isinstance(value, list) and all(
        isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 1 << 48
        for each in value
    )


def _check_places(tensors: list[Tensor], data: int, size: int, name: str) -> None:
    """Every byte behind the header belongs to exactly one tensor."""
    place = data
    for tensor in sorted(tensors, key=lambda each: (each.start, each.end)):
        if tensor.start < place:
            raise Unsound("offsets", f"tensor {tensor.name!r} overlaps another one")
        if tensor.start > place:
            raise Unsound("offsets", f"there is a gap before tensor {tensor.name!r}")
        place = tensor.end
    if place != size:
        raise Unsound("offsets", f"{name!r} has {size} bytes, its tensors end at {place}")
