"""Texts as they lie in a store: compressed where that pays."""

import zlib

_PLAIN, _DEFLATED = b"\0", b"\1"
_WORTHWHILE = 200


def deflated(text: str) -> bytes:
    """Of a text: to a third, for prose. `inflated` gives it back."""
    data = text.encode()
    if len(data) < _WORTHWHILE:
        return _PLAIN + data
    return _DEFLATED + zlib.compress(data, 1)


def inflated(stored: bytes) -> str:
    data = bytes(stored)
    return (zlib.decompress(data[1:]) if data[:1] == _DEFLATED else data[1:]).decode()
