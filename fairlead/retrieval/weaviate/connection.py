"""The way to the server: clients, nodes that take over, time-outs, and errors in our own words.

Queries go over gRPC with the asynchronous client, writes with the synchronous one. Whatever is sent
is an object with an id of its own, so sending it again, to another node too, changes nothing.
"""

import asyncio
import os
import threading
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fairlead.breaker import Breaker
from fairlead.errors import FairleadError, SettingsError, Unavailable
from fairlead.sections import Weaviate as Section
from fairlead.sections import WeaviateNode

if TYPE_CHECKING:  # an extra
    from weaviate import WeaviateAsyncClient, WeaviateClient

_Found = TypeVar("_Found")
_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
_ABSENT = ("could not find class", "tenant not found", "non-existing index")
"""What the server says of what was never made, or is being made just now."""
_LEFT_OPEN = 8
"""Clients of nodes that died that stay open: what others still wait for there fails by itself,
and closing would cancel it."""
_traceparent = TraceContextTextMapPropagator()


class Away(Exception):
    """A node does not answer."""


class Absent(Exception):
    """The class or tenant does not exist: nothing was ever written."""


class Connection:
    """One cluster, usually of one node; shared by all threads. Connects at the first use."""

    def __init__(self, section: Section) -> None:
        first = WeaviateNode(
            url=section.url, grpc_port=section.grpc_port, grpc_host=section.grpc_host
        )
        self._section = section
        self._nodes = (first, *section.nodes)
        for node in self._nodes:
            _checked(node.url)
        self._at = 0
        self._breaker = Breaker()
        self._lock = threading.Lock()
        self._client: WeaviateClient | None = None
        self._asynchronous: dict[asyncio.AbstractEventLoop, WeaviateAsyncClient] = {}
        self._left: list[tuple[asyncio.AbstractEventLoop, WeaviateAsyncClient]] = []

    @property
    def url(self) -> str:
        """Of the node that is asked now."""
        return self._nodes[self._at].url

    def call(self, work: Callable[["WeaviateClient"], _Found]) -> _Found:
        """What `work` makes of the synchronous client, on the first node that answers.

        Raises `Absent`, `Unavailable`, `SettingsError`. Blocks.
        """
        last = ""
        for _ in self._attempts():
            at = self._at
            try:
                found = work(self._connected())
            except Exception as error:
                last = self._stumbled(error, at)
            else:
                self._breaker.worked()
                return found
        raise self._away(last)

    async def acall(self, work: Callable[["WeaviateAsyncClient"], Awaitable[_Found]]) -> _Found:
        """As `call`, with the asynchronous client of the running loop."""
        last = ""
        for _ in self._attempts():
            at = self._at
            try:
                found = await work(await self._aconnected())
            except Exception as error:
                last = self._stumbled(error, at)
            else:
                self._breaker.worked()
                return found
        raise self._away(last)

    def _attempts(self) -> Sequence[int]:
        if not self._breaker.admits():
            raise self._away()
        return range(len(self._nodes) + 1 if len(self._nodes) > 1 else 1)

    def _stumbled(self, error: Exception, at: int) -> str:
        """Goes on to the next node where this one is away; raises everything else."""
        if not is_away(error):
            raise_plainly(error)
        said = _first_line(str(error) or type(error).__name__)
        with self._lock:
            if at != self._at:
                return said  # another thread has gone on already
            self._at = (at + 1) % len(self._nodes)
            if self._at == 0:
                self._breaker.failed()
            if len(self._nodes) == 1:
                return said
            client, self._client = self._client, None
            self._left += self._asynchronous.items()
            self._asynchronous = {}
            over, self._left = self._left[:-_LEFT_OPEN], self._left[-_LEFT_OPEN:]
        for loop, other in over:
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(other.close(), loop)
        if client is not None:
            client.close()
        return said

    def _away(self, said: str = "") -> Unavailable:
        urls = ", ".join(repr(node.url) for node in self._nodes)
        why = f": {said}" if said else ""
        return Unavailable(
            f"the Weaviate server at {urls} does not answer{why}",
            hint="Start it, or set weaviate.url and weaviate.grpc_port to where it listens.",
        )

    # --- clients ---------------------------------------------------------------------------------

    def _connected(self) -> "WeaviateClient":
        with self._lock:
            if self._client is None:
                client = library().WeaviateClient(**self._options())
                try:
                    client.connect()
                except BaseException:
                    client.close()
                    raise
                _instrument(client._connection, asynchronous=False)
                self._client = client
            return self._client

    async def _aconnected(self) -> "WeaviateAsyncClient":
        loop = asyncio.get_running_loop()
        client = self._asynchronous.get(loop)
        if client is None:
            client = library().WeaviateAsyncClient(**self._options())
            try:
                await client.connect()
            except BaseException:
                await client.close()
                raise
            _instrument(client._connection, asynchronous=True)
            held = self._asynchronous.setdefault(loop, client)
            if held is not client:  # another task was quicker
                await client.close()
                client = held
            for other in [each for each in self._asynchronous if each.is_closed()]:
                _forsaken(self._asynchronous.pop(other))
        return client

    def _options(self) -> dict[str, Any]:
        from weaviate.classes.init import (  # noqa: PLC0415 - an extra
            AdditionalConfig,
            Auth,
            Timeout,
        )
        from weaviate.connect import ConnectionParams, ProtocolParams  # noqa: PLC0415 - an extra

        node, section = self._nodes[self._at], self._section
        place = urlsplit(node.url)
        secure = place.scheme == "https"
        host = place.hostname or ""
        key = _key(section)
        return {
            "connection_params": ConnectionParams(
                http=ProtocolParams(
                    host=host, port=place.port or (443 if secure else 80), secure=secure
                ),
                grpc=ProtocolParams(
                    host=node.grpc_host or host, port=node.grpc_port, secure=secure
                ),
            ),
            "auth_client_secret": Auth.api_key(key) if key else None,
            "additional_config": AdditionalConfig(
                timeout=Timeout(
                    init=section.connect_seconds,
                    query=section.query_seconds,
                    insert=section.insert_seconds,
                )
            ),
        }

    async def close(self) -> None:
        """Closes every client. The connection can be used again afterwards."""
        with self._lock:
            client, self._client = self._client, None
            held = [*self._left, *self._asynchronous.items()]
            self._left, self._asynchronous = [], {}
        if client is not None:
            await asyncio.to_thread(client.close)
        running = asyncio.get_running_loop()
        for loop, other in held:
            if loop is running:
                await other.close()
            else:
                _forsaken(other)


def library() -> Any:
    """The client library. Raises `SettingsError` where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            import weaviate  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            "retrieval.store is 'weaviate', and its client is not installed",
            hint="Run `pip install 'fairlead[weaviate]'`.",
        ) from error
    return weaviate


def is_away(error: Exception) -> bool:
    """Whether it means that a node does not answer now, so that another one may."""
    from httpx import TransportError  # noqa: PLC0415 - comes with the client
    from weaviate import exceptions  # noqa: PLC0415 - an extra

    if isinstance(error, exceptions.UnexpectedStatusCodeError):
        return error.status_code >= 500
    return isinstance(
        error,
        (
            Away,
            TransportError,
            exceptions.WeaviateConnectionError,
            exceptions.WeaviateTimeoutError,
            exceptions.WeaviateGRPCUnavailableError,
            exceptions.WeaviateStartUpError,
            exceptions.WeaviateClosedClientError,
            exceptions.WeaviateRetryError,
        ),
    )


def raise_plainly(error: Exception) -> NoReturn:
    """Raises what the client library raised in our own words; others as they are."""
    from weaviate import exceptions  # noqa: PLC0415 - an extra

    if not isinstance(error, exceptions.WeaviateBaseError):
        raise error
    said = error.message if isinstance(error.message, str) else str(error)
    if any(each in said for each in _ABSENT):
        raise Absent(said) from None
    status = getattr(error, "status_code", 0)
    denied = (exceptions.AuthenticationFailedError, exceptions.InsufficientPermissionsError)
    if isinstance(error, denied) or status in (401, 403):
        raise SettingsError(
            f"the Weaviate server refuses: {_first_line(said)}",
            hint="Set weaviate.api_key to a key that may read and write these classes.",
        ) from None
    if "read-only" in said or "READONLY" in said:
        raise Unavailable(
            "the Weaviate server takes no writes: its disk is nearly full",
            hint="Give it more disk, then set its shards to READY.",
        ) from None
    raise FairleadError(f"the Weaviate server refused a request: {_first_line(said)}") from error


def _first_line(said: str) -> str:
    return said.strip().split("\n")[0][:300]


def _key(section: Section) -> str:
    if section.api_key is None:
        return ""
    found = os.environ.get(section.api_key.env, "").strip()
    if not found:
        raise SettingsError(
            f"weaviate.api_key names the variable {section.api_key.env!r}, which is not set",
            hint="Set the variable, or take the setting out where the server wants no key.",
        )
    return found


def _checked(url: str) -> None:
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise SettingsError(f"{url!r} is no address of a server", hint="Write http://HOST:PORT.")


# --- on the wire ---------------------------------------------------------------------------------


def _instrument(connection: Any, *, asynchronous: bool) -> None:
    """Sends the current span with every request, and lets a dead node be dead at once.

    The client itself would try a dead node again for a minute, while others could answer.
    """
    wrapped = _AsynchronousStub if asynchronous else _Stub
    connection._grpc_stub = wrapped(connection._grpc_stub)
    hooks = connection._client.event_hooks
    hooks["request"].append(_traced_later if asynchronous else _traced)
    connection._client.event_hooks = hooks


def _trace() -> tuple[tuple[str, str], ...]:
    made: dict[str, str] = {}
    _traceparent.inject(made)
    return tuple(made.items())


def _traced(request: Any) -> None:
    request.headers.update(dict(_trace()))


async def _traced_later(request: Any) -> None:
    _traced(request)


class _Stub:
    """The calls of the server's gRPC interface."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Any:
        from grpc import RpcError  # noqa: PLC0415 - comes with the client

        method = getattr(self._stub, name)

        def called(request: Any, *, metadata: Any = None, **options: Any) -> Any:
            try:
                return method(request, metadata=(*(metadata or ()), *_trace()), **options)
            except RpcError as error:
                raise _told(error) from None

        return called


class _AsynchronousStub:
    """The same for an event loop."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Any:
        from grpc import RpcError  # noqa: PLC0415 - comes with the client

        method = getattr(self._stub, name)

        async def called(request: Any, *, metadata: Any = None, **options: Any) -> Any:
            try:
                return await method(request, metadata=(*(metadata or ()), *_trace()), **options)
            except RpcError as error:
                raise _told(error) from None

        return called


def _told(error: Any) -> Exception:
    if error.code().name in _AWAY:
        return Away(str(error.details()))
    found: Exception = error
    return found


def _forsaken(client: Any) -> None:
    """Drops a client whose loop is not ours to wait in; its sockets go with the loop."""
    client._connection._client = None
    client._connection._grpc_channel = None
