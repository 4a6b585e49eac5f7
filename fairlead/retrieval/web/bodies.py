"""The body of a response, unpacked within limits."""

import http.client
import zlib
from typing import Final

from fairlead.retrieval.loaders.loaded import Malformed

_CHUNK: Final = 2**16
_RATIO: Final = 200
"""Times its packed size that a body may grow to; pages seldom pass 20."""
_SMALL: Final = 2**20
"""Bytes up to which the ratio does not matter."""
_GZIP: Final = 16 + zlib.MAX_WBITS


def body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Everything, unpacked. Raises `Malformed` for more than `limit` bytes and for a bomb.

    Raises `ConnectionError` when the connection ends before the body does.
    """
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise Malformed(_too_long(limit))
    unpack = _unpacker(response)
    data = bytearray()
    packed = 0
    while chunk := response.read1(_CHUNK):
        packed += len(chunk)
        if unpack is None:
            data += chunk
        else:
            data += unpack.some(chunk, limit + 1 - len(data))
            if len(data) > max(_SMALL, packed * _RATIO):
                raise Malformed(f"is a bomb: it unpacks to more than {_RATIO} times its size")
        if len(data) > limit or packed > limit:
            raise Malformed(_too_long(limit))
    if response.length or (unpack is not None and not unpack.done):
        raise ConnectionResetError("the connection ended before the page did")
    return bytes(data)


def unzipped(data: bytes, limit: int) -> bytes:
    """What a gzip file holds. Raises `Malformed` as `body` does."""
    found = _Unpacker("gzip").some(data, limit + 1)
    if len(found) > limit:
        raise Malformed(_too_long(limit))
    if len(found) > max(_SMALL, len(data) * _RATIO):
        raise Malformed(f"is a bomb: it unpacks to more than {_RATIO} times its size")
    return found


def _unpacker(response: http.client.HTTPResponse) -> "_Unpacker | None":
    said = ",".join(response.headers.get_all("Content-Encoding") or ())
    names = [name for each in said.split(",") if (name := each.strip().lower()) != "identity"]
    names = [name.removeprefix("x-") for name in names if name]
    if not names:
        return None
    if len(names) > 1 or names[0] not in ("gzip", "deflate"):
        raise Malformed(f"is packed as {said!r}, which was not asked for")
    return _Unpacker(names[0])


class _Unpacker:
    """gzip, or deflate with or without its wrapper: servers send both under that name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream = zlib.decompressobj(_GZIP if name == "gzip" else zlib.MAX_WBITS)
        self._begun = False

    @property
    def done(self) -> bool:
        """Whether the stream came to its end; an empty body has none."""
        return self._stream.eof or not self._begun

    def some(self, chunk: bytes, room: int) -> bytes:
        """What a chunk unpacks to, at most `room` bytes of it. Raises `Malformed`."""
        try:
            return self._some(chunk, room)
        except zlib.error as error:
            if self._begun or self._name == "gzip":
                raise Malformed(f"is packed in a way that cannot be unpacked: {error}") from None
        self._stream, self._begun = zlib.decompressobj(-zlib.MAX_WBITS), True
        return self.some(chunk, room)

    def _some(self, chunk: bytes, room: int) -> bytes:
        found = self._stream.decompress(chunk, max(1, room))
        self._begun = True
        while self._stream.eof and self._stream.unused_data and len(found) < room:
            rest = self._stream.unused_data
            if self._name != "gzip" or not rest.startswith(b"\x1f\x8b"):
                break  # nothing of ours follows the stream
            self._stream = zlib.decompressobj(_GZIP)
            found += self._stream.decompress(rest, max(1, room - len(found)))
        return found


def _too_long(limit: int) -> str:
    return f"is longer than {limit // 2**20} MB"
