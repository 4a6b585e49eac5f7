"""One request to the engine and its answer back, piece by piece as it comes."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
import orjson
from aiohttp import web

from fairlead.serving.launch.process import Target

_ASKED: Final = ("Accept", "Content-Type", "traceparent", "tracestate", "X-Request-Id")
"""Headers of a request that the engine gets; no others, and never the client's key."""
_ANSWERED: Final = ("Content-Type", "Cache-Control", "Retry-After", "X-Request-Id")
"""Headers of an answer that the client gets."""
_OWN: Final = {"Server": "fairlead"}
_CONNECTING_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 2.0
"""Shorter than vLLM keeps idle connections (5), so that none is used that is being closed."""


class Forwarder:
    """Connections to the engine. `open` is a cleanup context of an aiohttp application."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self, app: web.Application) -> AsyncIterator[None]:
        """Opened within the running application, closed with it."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            # How long an answer may take is for the client to say: going away ends it.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECTING_SECONDS),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
        )
        yield
        await self._session.close()

    async def forward(
        self, request: web.Request, target: Target, path: str, body: bytes | None
    ) -> web.StreamResponse:
        """What the engine answers. When the client goes away the handler is cancelled, and with it
        the engine's request is closed, whereupon vLLM aborts it."""
        assert self._session
        headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
        headers["Authorization"] = f"Bearer {target.key}"
        try:
            async with self._session.request(
                request.method,
                target.url + path,
                headers=headers,
                data=body,
                allow_redirects=False,
            ) as answer:
                if answer.status == 401:  # it is ours that the engine refused
                    return problem(503, "engine_unavailable", "the engine is changing; try again")
                return await _pass_on(request, answer)
        except (aiohttp.ClientError, OSError) as error:
            return problem(502, "engine_failed", f"the engine gave no answer: {_kind(error)}")


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers={**headers, **_OWN}
    )
    response.content_length = answer.content_length
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientError, OSError):
        # The engine broke off. The client must not take what it has for all: the connection is
        # closed with neither the last chunk nor all the bytes that were announced.
        if request.transport:
            request.transport.close()
        return response
    await response.write_eof()
    return response


def problem(status: int, code: str, message: str) -> web.Response:
    """An error as OpenAI's API writes it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error: Mapping[str, str | None] = {
        "message": message,
        "type": kind,
        "param": None,
        "code": code,
    }
    headers = {**_OWN, **({"WWW-Authenticate": "Bearer"} if status == 401 else {})}
    headers |= {"Retry-After": "5"} if status == 503 else {}
    return web.Response(
        status=status,
        body=orjson.dumps({"error": error}),
        content_type="application/json",
        headers=headers,
    )


def _kind(error: Exception) -> str:
    return type(error).__name__
