"""A chat model behind an OpenAI-compatible server: tried again where that may help, never twice."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from fairlead.errors import BadReply, SettingsError
from fairlead.protocols import Completion, Delta, Request
from fairlead.serving.remote import decisions
from fairlead.serving.remote.answers import Stream, completion_of, hold
from fairlead.serving.remote.body import Body
from fairlead.serving.remote.calls import Call, Calls
from fairlead.serving.remote.events import Events
from fairlead.serving.remote.messages import Said, messages_of
from fairlead.serving.remote.wire import Wire
from fairlead.serving.replies import Absent, Garbled, Passing

PATH: Final = "/chat/completions"
_KEPT: Final = 64
"""Adapters whose request bodies' parts are kept."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a call sends."""

    request: Request
    body: bytes
    warnings: tuple[str, ...]
    decision: bytes | None = None
    """The same for /v1/decisions, where it is one for that."""


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

    def __init__(self, name: str, calls: Calls, body: Body) -> None:
        self._name, self._calls, self._body = name, calls, body
        self._others: dict[str, HttpModel] = {}

    @property
    def name(self) -> str:
        return self._name

    def named(self, served: str) -> "HttpModel":
        """Another model of the same servers, such as an adapter; the same each time."""
        found = self._others.get(served)
        if found is None:
            if len(self._others) >= _KEPT:
                del self._others[next(iter(self._others))]
            found = HttpModel(served, self._calls, self._body.named(served))
            self._others[served] = found
        return found

    async def chat(self, messages: str | Iterable[Said], **options: Any) -> Completion:
        """`complete` in short: messages, and the other fields of a `Request` as options."""
        return await self.complete(Request(messages=messages_of(messages), **options))

    async def complete(self, request: Request) -> Completion:
        call = self._calls.begin(seconds=request.deadline, thread=request.thread)
        asked = await self._asked(request, call)

        async def tried(number: int) -> Completion:
            with self._calls.attempt(call, number) as (wire, headers):
                if asked.decision is not None and decisions.PATH not in wire.lacking:
                    return await self._decided(asked, call, wire, headers)
                return await self._answered(asked, call, wire, headers)

        completion = await self._calls.until_it_works(call, tried)
        hold(completion, request)
        return completion

    async def _answered(
        self, asked: _Asked, call: Call, wire: Wire, headers: Mapping[str, str]
    ) -> Completion:
        answer = await wire.post(PATH, asked.body, headers, seconds=call.left)
        return _warned(completion_of(answer, self._name), asked.warnings)

    async def _decided(
        self, asked: _Asked, call: Call, wire: Wire, headers: Mapping[str, str]
    ) -> Completion:
        """By /v1/decisions; by log probabilities, with a warning, where the server refuses.

        One that answers but has no such path is not asked for it again. Unknown models are no such
        case: the server has neither path for them.
        """
        assert asked.decision is not None
        try:
            answer = await wire.post(decisions.PATH, asked.decision, headers, seconds=call.left)
        except SettingsError as error:
            completion = await self._answered(asked, call, wire, headers)
            if isinstance(error, Absent):
                if decisions.PATH in wire.lacking:  # another call was told meanwhile
                    return completion
                wire.lacking.add(decisions.PATH)
            said = f"{error.message}; log probabilities were asked for instead"
            return _warned(completion, (*completion.warnings, said))
        return decisions.weighed(answer, asked.request, self._name)

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        call = self._calls.begin(seconds=request.deadline, thread=request.thread)
        asked = await self._asked(request, call, stream=True)

        async def begun(number: int) -> tuple[AsyncIterator[Delta], Delta]:
            deltas = self._streamed(asked, call, number)
            return deltas, await anext(deltas)

        deltas, first = await self._calls.until_it_works(call, begun)
        async with aclosing(deltas):  # type: ignore[type-var]  # an async generator
            yield first
            async for delta in deltas:
                yield delta

    async def _asked(self, request: Request, call: Call, *, stream: bool = False) -> _Asked:
        await self._body.ready(call.left / 2)
        body, warnings = self._body.of(request, stream=stream)
        decision = None if stream else self._body.decision(request)
        return _Asked(request=request, body=body, warnings=warnings, decision=decision)

    async def _streamed(self, asked: _Asked, call: Call, number: int) -> AsyncIterator[Delta]:
        """One try. What fails before the first delta may pass; after it, it is a broken answer."""
        events, state, given = Events(), Stream(self._name), False
        with self._calls.attempt(call, number) as (wire, headers):
            try:
                seconds, gap = call.left, self._calls.patience.gap
                pieces = wire.stream(PATH, asked.body, headers, seconds=seconds, gap=gap)
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
        hold(completion, asked.request)
        yield Delta(completion=_warned(completion, asked.warnings))


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
