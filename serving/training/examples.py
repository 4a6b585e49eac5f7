"""Reads training data, a line at a time: what is held in memory does not grow with the file."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from fairlead.errors import InputError
from fairlead.serving.training.forms import Example, Malformed, example_of, strict_json

LINE_LIMIT: Final = 4 << 20
"""Bytes of a line: about a million tokens, more than any base takes."""
FILE_LIMIT: Final = 2 << 30
"""Bytes of a file."""
BAD_LIMIT: Final = 1000
"""Bad lines after which reading ends: the file is something else."""
_BOM: Final = b"\xef\xbb\xbf"

Bad = Callable[[int, str, str], None]
"""Called with the number of a bad line, a code and the reason."""


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file of examples. Raises `InputError` where it cannot be read."""

    path: Path

    def examples(self, bad: Bad | None = None) -> Iterator[Example]:
        """Every example in order; a bad line is told to `bad`, or else raises `InputError`."""
        count = 0
        for number, place, line in self.lines():
            try:
                yield example_of(parsed(line, first=not place), line=number, place=place)
            except Malformed as error:
                if bad is None:
                    raise self.refused(number, error.reason) from None
                bad(number, error.code, error.reason)
                count += 1
                if count == BAD_LIMIT:
                    return

    def at(self, place: int, line: int) -> Example:
        """The example whose line begins there, read again."""
        with self._opened() as file:
            file.seek(place)
            raw = file.readline(LINE_LIMIT + 1)
        try:
            return example_of(parsed(raw, first=not place), line=line, place=place)
        except Malformed as error:
            raise self.refused(line, error.reason) from None

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Number, place and bytes of every line that is not blank; of an over-long one a part."""
        place, number = 0, 0
        with self._opened() as file:
            while line := file.readline(LINE_LIMIT + 1):
                number, begin = number + 1, place
                place += len(line)
                rest = line
                while len(rest) > LINE_LIMIT and not rest.endswith(b"\n"):
                    rest = file.readline(LINE_LIMIT + 1)
                    place += len(rest)
                if line.strip():
                    yield number, begin, line

    def stamp(self) -> tuple[int, int, int]:
        """Another one after every change of the file."""
        with self._opened() as file:
            found = os.fstat(file.fileno())
        return found.st_ino, found.st_size, found.st_mtime_ns

    def refused(self, number: int, reason: str) -> InputError:
        """The error for a bad line."""
        return InputError(
            f"line {number} of {str(self.path)!r}: {reason}", hint="Mend it; nothing was changed."
        )

    def _opened(self) -> BinaryIO:
        try:
            file = self.path.open("rb")
            size = self.path.stat().st_size
        except OSError as error:
            raise InputError(
                f"cannot read {str(self.path)!r}: {error.strerror}",
                hint="Give a file of JSON lines, one example each.",
            ) from error
        if size > FILE_LIMIT:
            file.close()
            raise InputError(
                f"{str(self.path)!r} has {size:,} bytes, over {FILE_LIMIT:,}",
                hint="Train on a part of it: an adapter learns little from more.",
            )
        return file


class ContentDigest:
    """SHA-256 of examples in their order, as they are trained.

    White space, the order of names, blank lines and line ends do not matter. The order of the
    examples does: another order trains another adapter.
    """

    def __init__(self) -> None:
        self._whole = hashlib.sha256(b"fairlead-data/1\n")

    def add(self, content: bytes) -> None:
        """Takes the `content()` of the next example."""
        self._whole.update(content + b"\n")

    def hex(self) -> str:
        return self._whole.hexdigest()


def parsed(raw: bytes, *, first: bool) -> object:
    """The JSON value of a line; `first` says that a byte order mark may stand before it.

    Raises `Malformed`.
    """
    if len(raw) > LINE_LIMIT:
        raise Malformed("line_length", f"over {LINE_LIMIT:,} bytes")
    try:
        text = raw.removeprefix(_BOM if first else b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("json", f"byte {error.start + 1} is no UTF-8") from error
    try:
        value: object = strict_json(text)
    except ValueError as error:
        raise Malformed("json", f"{error}"[:200]) from error
    return value
