"""The only way to the engine: so many paths, each for the holders of one key, nothing else.

vLLM's own server has dozens of paths, some of which load files, change weights or stop it, and its
key guards only part of them. What is not listed here does not exist for a client.
"""

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION, CONTENT_ENCODING, HOST, ORIGIN

from fairlead.errors import SettingsError
from fairlead.serving.launch.forwarding import Forwarder, problem
from fairlead.serving.launch.process import Target

MEGABYTE: Final = 1 << 20
_FOREIGN: Final = "without a key only programs on this machine may ask, by a loopback address"
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Access(Enum):
    """Who may use a path."""

    DATA = auto()
    PROBE = auto()
    """As data, or everybody where that was asked for."""
    CONTROL = auto()


PATHS: Final[Mapping[tuple[str, str], _Access]] = {
    ("POST", "/v1/chat/completions"): _Access.DATA,
    ("POST", "/v1/embeddings"): _Access.DATA,
    ("POST", "/v1/rerank"): _Access.DATA,
    ("POST", "/v1/score"): _Access.DATA,
    ("POST", "/v1/decisions"): _Access.DATA,
    ("POST", "/rerank"): _Access.DATA,
    ("POST", "/score"): _Access.DATA,
    ("POST", "/tokenize"): _Access.DATA,
    ("POST", "/detokenize"): _Access.DATA,
    ("GET", "/v1/models"): _Access.DATA,
    ("GET", "/version"): _Access.DATA,
    ("GET", "/tokenizer_info"): _Access.DATA,
    ("GET", "/health"): _Access.PROBE,
    ("GET", "/metrics"): _Access.PROBE,
    ("POST", "/v1/load_lora_adapter"): _Access.CONTROL,
    ("POST", "/v1/unload_lora_adapter"): _Access.CONTROL,
}


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Which keys open what. Raises `SettingsError` for keys that would guard nothing."""

    key: str = field(default="", repr=False)
    """For all paths but those of control; without, they are open to this machine."""
    control_key: str = field(default="", repr=False)
    """For loading and unloading adapters; without, nobody can."""
    open_probes: bool = False
    """/health and /metrics want no key."""

    def __post_init__(self) -> None:
        for name, key in (("key", self.key), ("control key", self.control_key)):
            if key and not (key.isascii() and key.isprintable() and key == key.strip()):
                raise SettingsError(
                    f"the {name} holds characters that no key has",
                    hint="Look for a line break, a blank or a quotation mark in its variable.",
                )
        if self.key and self.key == self.control_key:
            raise SettingsError(
                "the key and the control key are the same",
                hint="Make another one: whoever may ask must not thereby load adapters.",
            )

    def check_address(self, host: str) -> None:
        """Raises `SettingsError` where other machines could ask without a key."""
        if not self.key and not is_loopback(host):
            raise SettingsError(
                f"{host!r} can be reached from other machines, and no key is set",
                hint="Put a key into the variable that --key-env names, or serve on 127.0.0.1.",
            )


class Front:
    """An aiohttp application; `target` says which engine answers now, if any."""

    def __init__(
        self,
        target: Callable[[], Target | None],
        doors: Doors,
        *,
        max_body: int = 16 * MEGABYTE,
    ) -> None:
        self._target = target
        self._doors = doors
        self._forwarder = Forwarder()
        self.app = web.Application(middlewares=[self._answer], client_max_size=max_body)
        self.app.cleanup_ctx.append(self._forwarder.open)

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every request: there are no other routes, so that no router's view of a path counts."""
        path = request.raw_path.partition("?")[0]
        access = PATHS.get((request.method, path))
        if access is None or (access is _Access.CONTROL and not self._doors.control_key):
            return problem(404, "not_found", f"there is no {request.method} {path[:200]!a}")
        if refused := self._refusal(request, access):
            return refused
        if request.headers.get(CONTENT_ENCODING, "identity").lower() != "identity":
            return problem(415, "unsupported_encoding", "send the body as it is, not compressed")
        try:
            body = await request.read() if request.method == "POST" else None
        except web.HTTPRequestEntityTooLarge:
            limit = f"{request.client_max_size / MEGABYTE:g} MiB"
            return problem(413, "request_too_large", f"a body may have {limit}")
        if (target := self._target()) is None:
            return problem(503, "engine_unavailable", "the engine does not run now; try again")
        return await self._forwarder.forward(request, target, path, body)

    def _refusal(self, request: web.Request, access: _Access) -> web.Response | None:
        """What is wrong with who asks."""
        given, doors = _bearer(request), self._doors
        is_control = bool(doors.control_key) and _same(given, doors.control_key)
        if access is _Access.CONTROL:
            return None if is_control else _unauthorised()
        if is_control:  # also where the others need no key: it is for two paths alone
            return _unauthorised()
        if access is _Access.PROBE and doors.open_probes:
            return None
        if doors.key:
            return None if _same(given, doors.key) else _unauthorised()
        return None if _is_local(request) else problem(403, "forbidden", _FOREIGN)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(request: web.Request) -> bool:
    """Whether it may come without a key: not by a web page, also not one whose name was made to
    lead here. A browser sends either another site's Origin or that site's Host."""
    named = re.fullmatch(r"(?:\[([\da-fA-F:]+)\]|([^:]+))(?::\d+)?", request.headers.get(HOST, ""))
    if named is None or ORIGIN in request.headers:
        return False
    return is_loopback(named[1] or named[2])


def _bearer(request: web.Request) -> str:
    """The one key that a request brings; none where it brings several."""
    given = request.headers.getall(AUTHORIZATION, [])
    scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return key.strip() if scheme.lower() == "bearer" else ""


def _same(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), key.encode())


def _unauthorised() -> web.Response:
    return problem(
        401, "invalid_api_key", "this path wants another key, as `Authorization: Bearer`"
    )
