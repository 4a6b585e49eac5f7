"""Server-sent events, read piece by piece (the `data` of https://html.spec.whatwg.org/#event-stream).

Lines end with a line feed, with or without a carriage return before it, as every model server
writes them. Names, ids and retry times of events mean nothing to us and are passed over.
"""

from typing import Final

from fairlead.errors import BadReply

LONGEST: Final = 4 << 20
"""Bytes of one event."""


class Events:
    """Takes pieces of a stream; gives the data of the events that are complete."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._rest or self._data)

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of each event that ended in this piece. Raises `BadReply` for one too long."""
        self._size += len(piece)
        if self._size > LONGEST:
            raise BadReply("one event of the stream never ends", hint="Look at the server.")
        if b"\n" not in piece:
            self._rest.append(piece)
            return []
        lines = b"".join([*self._rest, piece]).split(b"\n")
        self._rest = [lines[-1]] if lines[-1] else []
        del lines[-1]
        done: list[bytes] = []
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                done.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
        self._size = sum(map(len, self._rest)) + sum(map(len, self._data))
        return done
