"""A ZIP file from a stranger, looked at before anything in it is unpacked."""

import io
import zipfile
import zlib
from typing import Final

from fairlead.retrieval.loaders.loaded import Malformed

_ENTRIES: Final = 10_000
_UNPACKED: Final = 256 * 2**20
"""Bytes of everything together."""
_RATIO: Final = 200
"""Times its packed size up to which an entry may grow: XML seldom passes 30."""
_SMALL: Final = 2**20
"""Bytes up to which the ratio does not matter."""
_CHUNK: Final = 2**16


def check_archive(data: bytes) -> None:
    """Raises `Malformed` for what is no archive, is encrypted, or would unpack to too much.

    The sizes in the directory are what the archive says of itself. Each entry is also unpacked
    piece by piece and counted, keeping nothing, so a directory that lies is found out here.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_directory(entries, len(data))
            total = sum(_measured(archive, entry) for entry in entries)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise Malformed(f"is no archive that can be read: {error}") from None
    if total > _UNPACKED:
        raise Malformed(_too_large())


def _check_directory(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > _ENTRIES:
        raise Malformed(f"has {len(entries)} entries, more than {_ENTRIES}")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Malformed("is encrypted: save it without a password")
    if sum(entry.file_size for entry in entries) > _UNPACKED:
        raise Malformed(_too_large())
    if sum(entry.compress_size for entry in entries) > size:
        raise Malformed("is a bomb: its entries overlap")


def _measured(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Bytes that an entry really unpacks to, and no more than it says."""
    count = 0
    with archive.open(entry) as file:
        while chunk := file.read(_CHUNK):
            count += len(chunk)
            if count > max(_SMALL, entry.compress_size * _RATIO):
                raise Malformed(f"is a bomb: it unpacks to more than {_RATIO} times its size")
    return count


def _too_large() -> str:
    return f"unpacks to more than {_UNPACKED // 2**20} MB"
