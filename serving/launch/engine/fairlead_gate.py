"""Lets only holders of the engine's key through, on every path. Runs inside vLLM's server.

vLLM's own key guards /v1, /v2 and /inference only; `/adapters`, which loads weights, and
`/invocations`, which answers, are open beside it. This module is named to vLLM by `--middleware`,
and the only one that the engine finds in its folder.
"""

import hmac
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

VARIABLE = "VLLM_API_KEY"


class Gate:
    """An ASGI application in front of another one."""

    def __init__(self, app: App) -> None:
        self._app = app
        key = os.environ.get(VARIABLE, "")
        if not key:
            raise ValueError(f"{VARIABLE} holds no key")
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._admits(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _admits(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)
