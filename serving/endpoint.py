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
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from fairlead.errors import SettingsError, Unavailable

_MOST: Final = 256 << 20
"""Bytes of an answer; a longer one is not read to its end."""
REST: Final = 15.0
"""Seconds in which a server that gave no answer is not asked, so that nobody waits for it twice."""
_KEPT: Final = 16
"""Idle connections."""
_BUSY: Final = frozenset({408, 425, 429})
_GONE: Final = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)
"""How a kept connection shows that the server closed it meanwhile."""
_LATER: Final = "Try again later, or look at the server."
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


class _Failed(Unavailable):
    """May pass. `after`: seconds that the server asks to wait."""

    def __init__(self, message: str, *, after: float = 0.0) -> None:
        super().__init__(message, hint=_LATER)
        self.after = after


class _Silent(_Failed):
    """No answer at all."""


class Endpoint:
    """One server. Threads may share it; each call holds a connection of its own.

    `url` is what the paths of calls are appended to; `api_key` is sent as a bearer token and never
    shown. Raises `SettingsError` for an address or a key that cannot be used.
    """

    def __init__(self, url: str, *, api_key: str = "") -> None:
        scheme, self._host, self._port, self._path = _address(url)
        api_key = api_key.strip()
        if not (api_key.isascii() and api_key.isprintable()):
            raise SettingsError(
                f"the key for {url!r} holds characters that no key has",
                hint="Look for a line break or a quotation mark in its variable.",
            )
        self.url = url.rstrip("/")
        self._key = api_key
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
            raise _Failed(f"{self.url} gave no answer; it is asked again in {rest:.0f} s")
        try:
            found, data = self._answered(path, orjson.dumps(body), headers, patience)
        except _Silent:
            self._rests_until = time.monotonic() + REST
            raise
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            kind = found.get("content-type", "no type")
            raise SettingsError(
                f"{self.url}{path} did not answer with JSON but with {kind!r}",
                hint="Set the url to the address of the API, which mostly ends with /v1.",
            ) from error

    def _answered(
        self, path: str, body: bytes, headers: Mapping[str, str], patience: Patience
    ) -> tuple[http.client.HTTPMessage, bytes]:
        for attempt in Retrying(
            retry=retry_if_exception(
                lambda e: isinstance(e, _Failed) and e.after <= patience.pause
            ),
            stop=stop_after_attempt(patience.tries),
            wait=_pause,
            reraise=True,
        ):
            with attempt:
                status, found, data = self._asked(path, body, headers, patience.seconds)
                if status != 200:
                    raise self._refusal(path, status, found, data)
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
            raise SettingsError(
                f"{self.url} has no certificate that is trusted here: {error.verify_message}",
                hint="Add its authority to the system's, or name it in SSL_CERT_FILE.",
            ) from error
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

    def _refusal(
        self, path: str, status: int, headers: http.client.HTTPMessage, data: bytes
    ) -> Exception:
        where = f"{self.url}{path}"
        if status in (401, 403):
            return SettingsError(
                f"{where} refused the key ({status})" if self._key else f"{where} wants a key",
                hint="Set api_key = { env = … } of the model to the variable that holds its key.",
            )
        reason = _reason(data)
        if self._key:  # a server may repeat what it was sent
            reason = reason.replace(self._key, "(hidden)")
        message = f"{where} answered {status}{f': {reason[:200]}' if reason else ''}"
        if status in _BUSY or status >= 500:
            return _Failed(message, after=_asked_for(headers))
        return SettingsError(
            message, hint="Check the model's url, which mostly ends with /v1, and its name."
        )


def _address(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.username is not None:
        raise SettingsError(
            f"the address of {host!r} holds a user name",
            hint="Give a key by reference: api_key = { env = … }.",
        )
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise SettingsError(
            f"{url!r} is not the address of a server", hint="Write it as http://host:port/v1."
        )
    return parts.scheme, host, port, parts.path.rstrip("/")


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
    asked = error.after if isinstance(error, _Failed) else 0.0
    return asked or _backoff(state)


def _asked_for(headers: http.client.HTTPMessage) -> float:
    """Seconds of a Retry-After, which is a number or a date; 0 without one that can be read."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return 0.0


def _reason(data: bytes) -> str:
    """The first line of what an error's JSON says, where there is one."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found.partition("\n")[0] if isinstance(found, str) else ""


def _close(idle: deque[http.client.HTTPConnection]) -> None:
    while idle:
        idle.pop().close()
