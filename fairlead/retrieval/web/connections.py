"""HTTP connections to an address that was judged before, within a deadline."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Final

from typing_extensions import Buffer

from fairlead.retrieval.web.addresses import Target

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

    def wait(self) -> float:
        """Seconds that the next read may take. Raises `Late` when none are left."""
        left = self.left()
        if left <= 0:
            raise Late("took too long")
        return min(left, self._each)


class PinnedConnection(http.client.HTTPConnection):
    """To one of the given addresses, whatever the host's name resolves to meanwhile.

    For https the certificate must be the host's. No proxy, cookie or credential of the environment
    is used.
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

    def connect(self) -> None:
        """Tries the addresses in order. Raises `OSError` when none answers."""
        for number, address in enumerate(self._addresses, start=1):
            try:
                plain = socket.create_connection((address, self.port), self._deadline.wait())
                break
            except Late:
                raise
            except OSError:
                if number == len(self._addresses):
                    raise
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            plain.settimeout(self._deadline.wait())
            plain = self._context.wrap_socket(plain, server_hostname=self.host)
        self.sock = _Timed(plain, self._deadline)


class _Timed:
    """What `http.client` needs of a socket, each read and write within the deadline."""

    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self._plain = plain
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(self._deadline.wait())
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._plain, self._deadline), _CHUNK)

    def close(self) -> None:
        self._plain.close()


class _Reader(io.RawIOBase):
    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self._plain = plain
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        self._plain.settimeout(self._deadline.wait())
        return self._plain.recv_into(buffer)
