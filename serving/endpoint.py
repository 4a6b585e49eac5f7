"""JSON over HTTP to a model server: kept connections, bounded time, retries, errors in our words.

What is posted leaves this process. It goes to the configured address and nowhere else: proxies
named in the environment are not used, and redirects are not followed.
"""

import http.client
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from fairlead.errors import SettingsError
from fairlead.serving.replies import (
    Passing,
    address,
    checked_key,
    not_json,
    refusal,
    untrusted_certificate,
)

_MOST: Final = 256 << 20
"""Bytes of an answer; a longer one is not read to its end."""
REST: Final = 15.0
"""Seconds in which a server that gave no answer is not asked, so that nobody waits for it twice."""
_KEPT: Final = 16
"""Idle connections."""
_GONE: Final = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)
"""How a kept connection shows that the server closed it meanwhile."""
_backoff = wait_random_exponential(multiplier=0.25, max=8.0)
_traceparent = TraceContextTextMapPropagator()


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an answer is worth waiting for."""

    tries: int
    seconds: float
    """Of one try."""
    pause: float
    """The longest one between two tries; a server that asks for more has failed."""


class _Silent(Passing):
    """No answer at all."""


class Endpoint:
    """One server. Threads may share it; each call holds a connection of its own.

    `url` is what the paths of calls are appended to; `api_key` is sent as a bearer token and never
    shown. Raises `SettingsError` for an address or a key that cannot be used.
    """

    def __init__(self, url: str, *, api_key: str = "") -> None:
        scheme, self._host, self._port, self._path = address(url)
        self.url = url.rstrip("/")
        self._key = checked_key(url, api_key)
        self._tls = ssl.create_default_context() if scheme == "https" else None
        self._rests_until = 0.0
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._closing = weakref.finalize(self, _close, self._idle)

    def close(self) -> None:
        """Closes the idle connections; also done when the object goes."""
        _close(self._idle)

    def headers(self) -> dict[str, str]:
        """For a call made on behalf of the current OpenTelemetry span; baggage stays here."""
        made = {"Content-Type": "application/json"}
        if self._key:
            made["Authorization"] = f"Bearer {self._key}"
        _traceparent.inject(made)
        return made

    def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str], patience: Patience
    ) -> Any:
        """The JSON that comes back. Blocks.

        Raises `Unavailable` once patience is at an end: no connection, no answer in time, 408, 425,
        429, 5xx; and at once for `REST` seconds after there was no answer. Raises `SettingsError`
        for what does not pass by itself: every other status, and an answer that is not JSON.
        """
        if (rest := self._rests_until - time.monotonic()) > 0:
            raise Passing(f"{self.url} gave no answer; it is asked again in {rest:.0f} s")
        try:
            found, data = self._answered(path, orjson.dumps(body), headers, patience)
        except _Silent:
            self._rests_until = time.monotonic() + REST
            raise
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise not_json(self.url + path, found.get("content-type", "")) from error

    def _answered(
        self, path: str, body: bytes, headers: Mapping[str, str], patience: Patience
    ) -> tuple[http.client.HTTPMessage, bytes]:
        for attempt in Retrying(
            retry=retry_if_exception(
                lambda e: isinstance(e, Passing) and e.after <= patience.pause
            ),
            stop=stop_after_attempt(patience.tries),
            wait=_pause,
            reraise=True,
        ):
            with attempt:
                status, found, data = self._asked(path, body, headers, patience.seconds)
                if status != 200:
                    after = found.get("retry-after", "")
                    raise refusal(self.url + path, status, data, after=after, key=self._key)
        return found, data

    def _asked(
        self, path: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        try:
            if kept := self._kept():
                try:
                    return self._exchange(kept, path, body, headers, seconds)
                except _GONE:
                    pass  # closed while idle: no fault, once more with a new one
            return self._exchange(self._new(), path, body, headers, seconds)
        except ssl.SSLCertVerificationError as error:
            raise untrusted_certificate(self.url, error.verify_message) from error
        except TimeoutError as error:
            raise _Silent(f"no answer from {self.url} within {seconds:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or type(error).__name__
            raise _Silent(f"no answer from {self.url}: {said}") from error

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request; the connection is kept if the server keeps it, else closed."""
        until = time.monotonic() + seconds
        try:
            connection.timeout = seconds
            if connection.sock:
                connection.sock.settimeout(seconds)
            connection.request("POST", self._path + path, body, dict(headers))
            wire = connection.sock
            _limit(wire, until)
            response = connection.getresponse()
            data = _read(response, wire, until)
        except BaseException:
            connection.close()
            raise
        if response.will_close or len(self._idle) >= _KEPT:
            connection.close()
        else:
            self._idle.append(connection)
        return response.status, response.headers, data

    def _kept(self) -> http.client.HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _new(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(self._host, self._port, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port)


def _read(response: http.client.HTTPResponse, wire: socket.socket, until: float) -> bytes:
    """The whole body, in the time that is left."""
    pieces, size = [], 0
    while piece := response.read1(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > _MOST:
            raise SettingsError(
                f"an answer of more than {_MOST} bytes was broken off",
                hint="Check the model's url, or make retrieval.embedding.batch smaller.",
            )
        _limit(wire, until)
    if response.length:  # of a body that was announced, what did not come
        raise http.client.IncompleteRead(b"", response.length)
    response.close()
    return b"".join(pieces)


def _limit(connection: socket.socket, until: float) -> None:
    """Lets the next read take only what time is left."""
    if connection.fileno() >= 0:
        connection.settimeout(max(0.001, until - time.monotonic()))


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, Passing) else 0.0
    return asked or _backoff(state)


def _close(idle: deque[http.client.HTTPConnection]) -> None:
    while idle:
        idle.pop().close()
