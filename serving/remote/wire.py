"""One model server over kept connections: bytes out, bytes in, in bounded time.

What is sent goes to the configured address and nowhere else: proxies named in the environment are
not used, redirects are not followed, cookies are not kept. Leaving a call early closes its
connection, which tells the server to stop working on it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from fairlead.breaker import Breaker
from fairlead.errors import BadReply, SettingsError
from fairlead.serving.replies import (
    Garbled,
    Passing,
    address,
    checked_key,
    not_json,
    refusal,
    untrusted_certificate,
)

MOST: Final = 32 << 20
"""Bytes of one answer, streamed or not; a longer one is broken off."""
KEPT_SECONDS: Final = 15.0
"""How long an idle connection is kept; shorter than the usual server's own limit."""


class Wire:
    """One server. To be used in one event loop; `close` it, or use it as a context manager.

    `url` is what the paths of calls are appended to, mostly up to and with /v1; `connect` is in
    seconds. Raises `SettingsError` for an address or a key that cannot be used.
    """

    def __init__(self, url: str, *, api_key: str = "", connect: float = 5.0) -> None:
        scheme, host, port, _ = address(url)
        self.url = url.rstrip("/")
        self.host, self.port = host, port or (443 if scheme == "https" else 80)
        self.breaker = Breaker(limit=5, seconds=5.0)
        self.in_flight = 0
        self.lacking: set[str] = set()
        """Paths that the server turned out not to have."""
        self._key = checked_key(url, api_key)
        self._connect = connect
        self._urls: dict[tuple[str, bool], URL] = {}
        self._session: aiohttp.ClientSession | None = None
        self._fixed = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        if self._key:
            self._fixed["Authorization"] = f"Bearer {self._key}"

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes every connection; a call after it opens new ones."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str], *, seconds: float
    ) -> Any:
        """The JSON that comes back within `seconds`.

        Raises `Passing` for no connection, no answer in time, 408, 425, 429 and 5xx; `BadReply` for
        malformed JSON; `SettingsError` for every other status and for what is not JSON at all.
        """
        with self._plainly(seconds):
            async with asyncio.timeout(seconds):
                async with self._posted(path, body, headers) as response:
                    data = await self._whole(path, response)
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            if "json" not in response.content_type:
                raise not_json(self.url + path, response.content_type) from error
            raise Garbled(
                f"{self.url}{path} answered with malformed JSON: {error}",
                hint="Look at the server, or at what stands between.",
                arrived=data[:2000].decode("utf-8", "replace"),
            ) from error

    async def stream(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        seconds: float,
        gap: float,
    ) -> AsyncIterator[bytes]:
        """The pieces of a stream of server-sent events, as they come, all within `seconds`.

        Two pieces are at most `gap` seconds apart. Raises as `post` does; also for an answer that
        is no event stream.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with self._plainly(seconds):
            async with asyncio.timeout_at(until):
                response = await self._posted(path, body, headers)
        try:
            with self._plainly(seconds):
                async with asyncio.timeout_at(until):
                    if response.status != 200 or response.content_type != "text/event-stream":
                        data = await self._whole(path, response)
                        raise _no_stream(self.url + path, response, data)
            size = 0
            while True:
                limit = min(gap, until - loop.time())
                with self._plainly(limit if limit < gap else gap, pause=limit == gap):
                    async with asyncio.timeout(limit):
                        piece = await response.content.readany()
                if not piece:
                    return
                size += len(piece)
                if size > MOST:
                    raise _too_much(self.url + path)
                yield piece
        finally:
            response.close()

    async def get(self, path: str, *, seconds: float, root: bool = False) -> tuple[int, bytes]:
        """Status and body. `root`: the path is the server's, not below a /v1 of the address."""
        return await self.ask("GET", path, None, seconds=seconds, root=root)

    async def ask(
        self, method: str, path: str, body: bytes | None, *, seconds: float, root: bool = False
    ) -> tuple[int, bytes]:
        """Status and body, whatever they are. Raises `Passing` where nobody answers in time."""
        with self._plainly(seconds):
            async with asyncio.timeout(seconds):
                async with self._open().request(
                    method,
                    self._at(path, root),
                    data=body,
                    headers=self._fixed,
                    allow_redirects=False,
                ) as response:
                    return response.status, await self._bytes(path, response)

    def _posted(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> "aiohttp.client._RequestContextManager":
        return self._open().post(
            self._at(path), data=body, headers={**self._fixed, **headers}, allow_redirects=False
        )

    def _at(self, path: str, root: bool = False) -> URL:
        found = self._urls.get((path, root))
        if found is None:
            base = self.url.removesuffix("/v1") if root else self.url
            found = self._urls[path, root] = URL(base + path)
        return found

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        return self._session

    async def _whole(self, path: str, response: aiohttp.ClientResponse) -> bytes:
        """The body of an answer with status 200; any other raises what it means."""
        data = await self._bytes(path, response)
        if response.status != 200:
            after = response.headers.get("Retry-After", "")
            raise refusal(self.url + path, response.status, data, after=after, key=self._key)
        return data

    async def _bytes(self, path: str, response: aiohttp.ClientResponse) -> bytes:
        data = await response.content.readany()
        if response.content.at_eof():  # one piece, as nearly always
            return data
        pieces, size = [data], len(data)
        while piece := await response.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > MOST:
                response.close()
                raise _too_much(self.url + path)
        return b"".join(pieces)

    @contextmanager
    def _plainly(self, seconds: float, *, pause: bool = False) -> Iterator[None]:
        """The client's trouble in our words."""
        try:
            yield
        except aiohttp.ClientConnectorCertificateError as error:
            said = getattr(error.certificate_error, "verify_message", str(error.certificate_error))
            raise untrusted_certificate(self.url, said) from error
        except TimeoutError as error:
            what = "nothing more came" if pause else "no answer came"
            raise Passing(f"{what} from {self.url} within {seconds:.3g} s") from error
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise Passing(f"no answer from {self.url}: {reason}") from error


def _no_stream(
    where: str, response: aiohttp.ClientResponse, data: bytes
) -> SettingsError | BadReply:
    """Status 200 and no event stream: an error in JSON, or something else altogether."""
    if "json" not in response.content_type:
        return not_json(where, response.content_type)
    return BadReply(
        f"{where} answered a streaming request without a stream",
        hint="Set the url to a server that streams, or look at what stands between.",
        arrived=data[:2000].decode("utf-8", "replace"),
    )


def _too_much(where: str) -> BadReply:
    return BadReply(
        f"an answer of more than {MOST} bytes from {where} was broken off",
        hint="Set max_tokens, or look at the server.",
    )
