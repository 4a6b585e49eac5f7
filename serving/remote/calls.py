"""One logical call of a server and its tries: where, when, how often, and who is told."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

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

from fairlead.errors import FairleadError
from fairlead.serving.remote.endpoints import Endpoints
from fairlead.serving.remote.wire import Wire
from fairlead.serving.replies import Garbled, Passing
from fairlead.tracing import Tracing, names

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
class Call:
    """One logical call. `until` is the `loop.time()` at which it is over, with all its tries."""

    until: float
    thread: str = ""
    tried: list[Wire] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.001, self.until - asyncio.get_running_loop().time())


class Calls:
    """Tries calls on equal servers until one works or patience is at an end."""

    def __init__(
        self, endpoints: Endpoints, *, patience: Patience, tracing: Tracing | None = None
    ) -> None:
        self._endpoints, self._tracing = endpoints, tracing
        self.patience = patience

    async def close(self) -> None:
        """Closes every connection."""
        for wire in self._endpoints.wires:
            await wire.close()

    def begin(self, *, seconds: float | None = None, thread: str = "") -> Call:
        """A call that may take `seconds`, else what patience allows."""
        seconds = self.patience.seconds if seconds is None else seconds
        return Call(until=asyncio.get_running_loop().time() + seconds, thread=thread)

    async def until_it_works(self, call: Call, tried: Callable[[int], Awaitable[_T]]) -> _T:
        """The outcome of `tried(number)`, `number` counting from 1."""

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if len(call.tried) < len(self._endpoints.wires):
                return 0.0  # another server is asked
            return (error.after if isinstance(error, Passing) else 0.0) or _backoff(state)

        try:  # most calls end here, for a third of what they cost within tenacity
            return await tried(1)
        except FairleadError as error:
            if not self._may_pass(error, call):
                raise
            first = error
        async for again in AsyncRetrying(
            retry=retry_if_exception(lambda error: self._may_pass(error, call)),
            stop=stop_after_attempt(max(self.patience.tries, len(self._endpoints.wires)))
            | stop_before_delay(call.left),
            wait=pause,
            reraise=True,
        ):
            with again:
                if again.retry_state.attempt_number == 1:
                    raise first
                outcome = await tried(again.retry_state.attempt_number)
        return outcome

    def _may_pass(self, error: BaseException, call: Call) -> bool:
        if isinstance(error, Garbled):
            return True
        if not isinstance(error, Passing) or isinstance(error, Resting):
            return False
        elsewhere = len(call.tried) < len(self._endpoints.wires)
        return elsewhere or error.after <= self.patience.pause

    @contextmanager
    def attempt(self, call: Call, number: int) -> Iterator[tuple[Wire, dict[str, str]]]:
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
            _traceparent.inject(headers, span.context)
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

    def _admitted(self, call: Call) -> Wire:
        for wire in self._endpoints.order(call.thread, call.tried):
            if wire.breaker.admits():
                return wire
        where = ", ".join(wire.url for wire in self._endpoints.wires)
        raise Resting(f"{where} gave no answer several times and is left alone for some seconds")
