"""HTTP connections to an address that was judged before, within a deadline."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from typing_extensions import Buffer

from fairlead.retrieval.web.addresses import Target

_Done = TypeVar("_Done")

_CHUNK: Final = 2**16


class Late(OSError):
    """The time for the whole fetch is over."""


class Deadline:
    """When a fetch has to be done; each wait for the other side is shorter still."""

    def __init__(self, seconds: float, each: float) -> None:
        self._end = time.monotonic() + seconds
        self._each = each

    def extend(self, seconds: float) -> None:
        """Time that does not count, such as a wait that robots.txt asks for."""
        self._end += seconds

    def left(self) -> float:
        """Seconds until the end, at most; may be negative."""
        return self._end - time.monotonic()

    def within(self, work: Callable[[float], _Done]) -> _Done:
        """What `work` does in the seconds it is given.

        Raises `Late` when the time for all is over, `TimeoutError` when only its own is.
        """
        left = self.left()
        if left > 0:
            try:
                return work(min(left, self._each))
            except TimeoutError:
                if self.left() > 0:
                    raise
        raise Late("took too long")


class PinnedConnection(http.client.HTTPConnection):
    """To one of the given addresses, whatever the host's name resolves to meanwhile.

    For https the certificate must be the host's. No proxy, cookie or credential of the environment
    is used. `release` ends it; `close` leaves what was not read yet.
    """

    def __init__(
        self,
        wanted: Target,
        addresses: Sequence[str],
        deadline: Deadline,
        context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(wanted.host, wanted.port)
        self._addresses = addresses
        self._deadline = deadline
        self._context = context if wanted.scheme == "https" else None
        self._plain: socket.socket | None = None

    def connect(self) -> None:
        """Tries the addresses in order. Raises `OSError` when none answers."""
        for number, at in enumerate(self._addresses, start=1):
            try:
                self._plain = self._deadline.within(partial(self._opened, at))
                break
            except Late:
                raise
            except OSError:
                if number == len(self._addresses):
                    raise
        plain = self._plain
        assert plain, "an address at least was tried"
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            self._plain = plain = self._deadline.within(self._secured)
        self.sock = _Timed(plain, self._deadline)

    def release(self) -> None:
        """Closes the connection for good."""
        self.close()
        if self._plain is not None:
            self._plain.close()

    def _opened(self, address: str, seconds: float) -> socket.socket:
        return socket.create_connection((address, self.port), seconds)

    def _secured(self, seconds: float) -> socket.socket:
        assert self._plain and self._context, "connected, and https"
        self._plain.settimeout(seconds)
        return self._context.wrap_socket(self._plain, server_hostname=self.host)


class _Timed:
    """What `http.client` needs of a socket, each read and write within the deadline."""

    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self._plain = plain
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        def send(seconds: float) -> None:
            self._plain.settimeout(seconds)
            self._plain.sendall(data)

        self._deadline.within(send)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._plain, self._deadline), _CHUNK)

    def close(self) -> None:
        """Nothing yet: `http.client` closes before the body was read."""


class _Reader(io.RawIOBase):
    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self._plain = plain
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        def receive(seconds: float) -> int:
            self._plain.settimeout(seconds)
            return self._plain.recv_into(buffer)

        return self._deadline.within(receive)
