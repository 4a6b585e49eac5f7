"""A chat model behind an OpenAI-compatible server: tried again where that may help, never twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from fairlead.errors import BadReply, FairleadError
from fairlead.protocols import Completion, Delta, Request
from fairlead.serving.remote.answers import Stream, completion_of, hold
from fairlead.serving.remote.body import Body
from fairlead.serving.remote.endpoints import Endpoints
from fairlead.serving.remote.events import Events
from fairlead.serving.remote.messages import Said, messages_of
from fairlead.serving.remote.wire import Wire
from fairlead.serving.replies import Garbled, Passing
from fairlead.tracing import Tracing, names

PATH: Final = "/chat/completions"
_FAIR: Final = 1.0
"""Seconds; that no answer came in less is not held against a server."""
_backoff = wait_random_exponential(multiplier=0.25, max=8.0)
_traceparent = TraceContextTextMapPropagator()
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an answer is worth waiting for; times in seconds."""

    seconds: float = 120.0
    """Of a whole call with all its tries, where the request has no deadline of its own."""
    gap: float = 30.0
    """Between two pieces of a stream."""
    tries: int = 3
    pause: float = 8.0
    """The longest one between two tries; a server that asks for more has failed."""


class Resting(Passing):
    """Every server gave no answer lately and is left alone for a while."""


@dataclass(kw_only=True)
class _Call:
    """One logical call and its tries."""

    request: Request
    body: bytes
    warnings: tuple[str, ...]
    until: float
    """`loop.time()` at which the whole call is over."""
    tried: list[Wire] = field(default_factory=list)


class HttpModel:
    """`name` as served by one or several servers that are equal to each other.

    Tries again what may pass: no connection, no answer, 408, 425, 429, 5xx, malformed JSON; within
    the deadline, after a jittered pause or what `Retry-After` asks, on another server first where
    there is one. A stream is tried again only while nothing of it has been given out. Cancelling a
    call, or leaving a stream, closes its connection.

    Raises `Unavailable` once patience is at an end, `BadReply` for an answer that was cut off or
    has not the form asked for, `SettingsError` for what a server will not take, `InputError` for a
    request that cannot be written.
    """

    def __init__(
        self,
        name: str,
        endpoints: Endpoints,
        body: Body,
        *,
        patience: Patience,
        tracing: Tracing | None = None,
    ) -> None:
        self._name, self._endpoints, self._body = name, endpoints, body
        self._patience, self._tracing = patience, tracing

    @property
    def name(self) -> str:
        return self._name

    def named(self, served: str) -> "HttpModel":
        """Another model of the same servers, such as an adapter."""
        body = self._body.named(served)
        return HttpModel(
            served, self._endpoints, body, patience=self._patience, tracing=self._tracing
        )

    async def chat(self, messages: str | Iterable[Said], **options: Any) -> Completion:
        """`complete` in short: messages, and the other fields of a `Request` as options."""
        return await self.complete(Request(messages=messages_of(messages), **options))

    async def complete(self, request: Request) -> Completion:
        await self._body.ready()
        call = self._call(request, stream=False)

        async def asked(wire: Wire, headers: dict[str, str]) -> Completion:
            answer = await wire.post(PATH, call.body, headers, seconds=_left(call))
            return completion_of(answer, self._name)

        async def tried(number: int) -> Completion:
            with self._attempt(call, number) as (wire, headers):
                return await asked(wire, headers)

        completion = await self._until_it_works(call, tried)
        hold(completion, request)
        return _warned(completion, call.warnings)

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        await self._body.ready()
        call = self._call(request, stream=True)

        async def begun(number: int) -> tuple[AsyncIterator[Delta], Delta]:
            deltas = self._streamed(call, number)
            return deltas, await anext(deltas)

        deltas, first = await self._until_it_works(call, begun)
        async with aclosing(deltas):  # type: ignore[type-var]  # an async generator
            yield first
            async for delta in deltas:
                yield delta

    def _call(self, request: Request, *, stream: bool) -> _Call:
        body, warnings = self._body.of(request, stream=stream)
        seconds = self._patience.seconds if request.deadline is None else request.deadline
        until = asyncio.get_running_loop().time() + seconds
        return _Call(request=request, body=body, warnings=warnings, until=until)

    async def _streamed(self, call: _Call, number: int) -> AsyncIterator[Delta]:
        """One try. What fails before the first delta may pass; after it, it is a broken answer."""
        events, state, given = Events(), Stream(self._name), False
        with self._attempt(call, number) as (wire, headers):
            try:
                seconds, gap = _left(call), self._patience.gap
                pieces = wire.stream(PATH, call.body, headers, seconds=seconds, gap=gap)
                async with aclosing(pieces):  # type: ignore[type-var]  # an async generator
                    async for piece in pieces:
                        for data in events.feed(piece):
                            for delta in _deltas(state, data):
                                given = True
                                yield delta
                        if state.ended:
                            break
                completion = state.done()
            except Passing as error:
                if not given:
                    raise
                raise state.broken(f"was cut off ({error.message})") from error
            except BadReply as error:
                if given:
                    raise
                raise Garbled(error.message, hint=error.hint, arrived=error.arrived) from error
        hold(completion, call.request)
        yield Delta(completion=_warned(completion, call.warnings))

    async def _until_it_works(self, call: _Call, attempt: Callable[[int], Awaitable[_T]]) -> _T:
        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if len(call.tried) < len(self._endpoints.wires):
                return 0.0  # another server is asked
            return (error.after if isinstance(error, Passing) else 0.0) or _backoff(state)

        try:  # most calls end here, for a third of what they cost within tenacity
            return await attempt(1)
        except FairleadError as error:
            if not self._may_pass(error, call):
                raise
            first = error
        async for tried in AsyncRetrying(
            retry=retry_if_exception(lambda error: self._may_pass(error, call)),
            stop=stop_after_attempt(max(self._patience.tries, len(self._endpoints.wires)))
            | stop_before_delay(_left(call)),
            wait=pause,
            reraise=True,
        ):
            with tried:
                if tried.retry_state.attempt_number == 1:
                    raise first
                outcome = await attempt(tried.retry_state.attempt_number)
        return outcome

    def _may_pass(self, error: BaseException, call: _Call) -> bool:
        if isinstance(error, Garbled):
            return True
        if not isinstance(error, Passing) or isinstance(error, Resting):
            return False
        elsewhere = len(call.tried) < len(self._endpoints.wires)
        return elsewhere or error.after <= self._patience.pause

    @contextmanager
    def _attempt(self, call: _Call, number: int) -> Iterator[tuple[Wire, dict[str, str]]]:
        """A server and the headers for one try, whose outcome the server's breaker learns."""
        wire = self._admitted(call)
        call.tried.append(wire)
        wire.in_flight += 1
        began = asyncio.get_running_loop().time()
        span = None
        headers: dict[str, str] = {}
        if self._tracing is not None:
            name, attributes = names.attempt(number, host=wire.host, port=wire.port)
            span = self._tracing.start(name, attributes, kind=SpanKind.CLIENT)
            with self._tracing.attach(span):
                _traceparent.inject(headers)
            headers["X-Request-Id"] = f"{span.trace_id}-{span.span_id}"
        else:
            _traceparent.inject(headers)
            headers["X-Request-Id"] = uuid.uuid4().hex
        try:
            yield wire, headers
            wire.breaker.worked()
        except FairleadError as error:
            waited = asyncio.get_running_loop().time() - began
            silent = isinstance(error, Passing) and not error.busy
            if not silent:
                wire.breaker.worked()
            elif not (isinstance(error.__cause__, TimeoutError) and waited < _FAIR):
                wire.breaker.failed()
            if span is not None:
                span.fail(error.code, error.message)
            raise
        finally:
            wire.in_flight -= 1
            if span is not None:
                span.end()

    def _admitted(self, call: _Call) -> Wire:
        for wire in self._endpoints.order(call.request.thread, call.tried):
            if wire.breaker.admits():
                return wire
        where = ", ".join(wire.url for wire in self._endpoints.wires)
        raise Resting(f"{where} gave no answer several times and is left alone for some seconds")


def _left(call: _Call) -> float:
    return max(0.001, call.until - asyncio.get_running_loop().time())


def _deltas(state: Stream, data: bytes) -> Iterator[Delta]:
    new = state.take(data)
    if new is None:
        return
    text, reasoning, fragments = new
    if text or reasoning:
        yield Delta(text=text, reasoning=reasoning)
    for fragment in fragments:
        yield Delta(tool=fragment)


def _warned(completion: Completion, warnings: tuple[str, ...]) -> Completion:
    return replace(completion, warnings=warnings) if warnings else completion
