"""A large frame kept in a file beside the database, so that the next process need not make it.

Only a cache: it holds no text, is mapped, and one that is missing, older than the last erasure, cut
off, damaged, of another kind or of another database is left aside. An erasure deletes it.
"""

import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fairlead.retrieval.embedded.frame import Documents, Frame, Head
from fairlead.retrieval.embedded.matrix import Matrix
from fairlead.retrieval.embedded.postings import Postings

if TYPE_CHECKING:  # 60 ms to import
    from numpy.typing import NDArray

WORTHWHILE = 20_000
"""Chunks from which a sidecar is written; fewer are loaded in a tenth of a second."""
_MAGIC = b"fairlead-frame-3\n"
_ALIGNED = 64
_CHECK = 4
"""Bytes of the CRC-32 of all that follows it, which takes 0.03 s for 100 MB."""


def sidecar_path(database: Path) -> Path:
    return database.with_suffix(".frame")


def save(frame: Frame, path: Path, mark: str) -> None:
    """Writes the frame whole or not at all. `mark` is what the database knows it by."""
    arrays = dict(_arrays(frame))
    places: dict[str, tuple[str, list[int], int]] = {}
    at = 0
    for name, array in arrays.items():
        at += -at % _ALIGNED
        places[name] = (str(array.dtype), list(array.shape), at)
        at += array.nbytes
    header = json.dumps(
        {
            "mark": mark,
            "key": frame.key,
            "generation": frame.generation,
            "acls": [sorted(acl) for acl in frame.documents.acls],
            "segments": len(frame.segments),
            "blocks": len(frame.matrix.blocks),
            "arrays": places,
            "bytes": at,
        }
    ).encode()
    head = len(header).to_bytes(8) + header
    head += b"\0" * (-(len(_MAGIC) + _CHECK + len(head)) % _ALIGNED)
    start = len(_MAGIC) + _CHECK + len(head)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + bytes(_CHECK))
            check = _written(file, head)
            for name_, array in arrays.items():
                gap = start + places[name_][2] - file.tell()
                check = _written(file, b"\0" * gap, check)
                check = _written(file, array.tobytes(), check)
            file.seek(len(_MAGIC))
            file.write(check.to_bytes(_CHECK))
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def opened(path: Path, head: Head) -> Frame | None:
    """The frame in the file; None where there is none that `head` can be brought from."""
    import numpy as np  # noqa: PLC0415 - see above

    try:
        check, said, start = _begun(path)
        if said["mark"] != head.kept or tuple(said["key"]) != head.key:
            return None
        if said["generation"] > head.generation:
            return None
        if path.stat().st_size != start + said["bytes"]:
            return None
        whole = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if zlib.crc32(whole[len(_MAGIC) + _CHECK :].data) != check:
        return None

    def array(name: str) -> "NDArray[Any]":
        kind, shape, at = said["arrays"][name]
        count = int(np.prod(shape, dtype=np.int64))
        place = slice(start + at, start + at + count * np.dtype(kind).itemsize)
        found: NDArray[Any] = np.asarray(whole[place]).view(kind).reshape(shape)
        return found

    return _frame(said, array)


def _begun(path: Path) -> tuple[int, Any, int]:
    """Check sum, header, and where the arrays begin. Raises `ValueError` for another file."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("of another kind")
        check = int.from_bytes(file.read(_CHECK))
        size = int.from_bytes(file.read(8))
        if size > path.stat().st_size:
            raise ValueError("damaged")
        said = json.loads(file.read(size))
        start = file.tell()
    return check, said, start + -start % _ALIGNED


def _written(file: BinaryIO, data: bytes, check: int = 0) -> int:
    """Writes, and the CRC-32 so far."""
    file.write(data)
    return zlib.crc32(data, check)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _arrays(frame: Frame) -> "Iterator[tuple[str, NDArray[Any]]]":
    for name in ("rows", "removed", "expires", "seen", "readers"):
        yield f"documents.{name}", getattr(frame.documents, name)
    for name in ("chunks", "document", "lengths", "slots"):
        yield name, getattr(frame, name)
    for at, segment in enumerate(frame.segments):
        for field in fields(Postings):
            yield f"segment{at}.{field.name}", getattr(segment, field.name)
    yield "matrix.rows", frame.matrix.rows
    yield "matrix.scales", frame.matrix.scales
    for at, block in enumerate(frame.matrix.blocks):
        yield f"block{at}", block


def _frame(said: Any, array: Any) -> Frame:
    names = [field.name for field in fields(Postings)]
    return Frame(
        key=tuple(said["key"]),
        generation=said["generation"],
        documents=Documents(
            **{
                n: array(f"documents.{n}")
                for n in ("rows", "removed", "expires", "seen", "readers")
            },
            acls=tuple(frozenset(acl) for acl in said["acls"]),
        ),
        **{name: array(name) for name in ("chunks", "document", "lengths", "slots")},
        segments=tuple(
            Postings(**{name: array(f"segment{at}.{name}") for name in names})
            for at in range(said["segments"])
        ),
        matrix=Matrix(
            rows=array("matrix.rows"),
            scales=array("matrix.scales"),
            blocks=tuple(array(f"block{at}") for at in range(said["blocks"])),
        ),
    )


def due(path: Path, frame: Frame, mark: str) -> bool:
    """Whether writing the sidecar anew pays: it is large, and a tenth of it changed since."""
    if len(frame.chunks) < WORTHWHILE:
        return False
    try:
        _, said, _ = _begun(path)
        fits = said["mark"] == mark and tuple(said["key"]) == frame.key
        held = said["arrays"]["chunks"][1][0] if fits else 0
        vectors = said["arrays"]["matrix.rows"][1][0]
    except (OSError, ValueError, KeyError, TypeError):
        return True
    fresh = abs(len(frame.chunks) - held) + abs(len(frame.matrix) - vectors)
    return bool(fresh * 10 > len(frame.chunks))
