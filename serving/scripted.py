"""A model that says what it was told to say: for tests, demonstrations and benchmarks."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from fairlead.errors import InputError
from fairlead.protocols import Completion, Delta, Request

Said: TypeAlias = Completion | str
Script: TypeAlias = Iterable[Said] | Callable[[Request], Said | Awaitable[Said]]


class ScriptedModel:
    """Answers from a list of completions (or plain texts), or from a function of the request.

    `requests` keeps every request it got. A list that has run out raises `InputError`.
    """

    def __init__(self, script: Script, *, name: str = "scripted") -> None:
        self._function = script if callable(script) else None
        self._lines = iter(()) if callable(script) else iter(script)
        self._name = name
        self.requests: list[Request] = []

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        said = await self._next(request)
        if isinstance(said, str):
            said = Completion(text=said)
        return said if said.model else replace(said, model=self._name)

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        completion = await self.complete(request)
        *words, last = completion.text.split(" ")
        for word in (*(f"{word} " for word in words), last):
            yield Delta(text=word)
        yield Delta(completion=completion)

    async def _next(self, request: Request) -> Said:
        if self._function is not None:
            said = self._function(request)
            return await said if inspect.isawaitable(said) else said
        try:
            return next(self._lines)
        except StopIteration:
            raise InputError(
                f"the script of model {self._name!r} has run out after {len(self.requests) - 1}",
                hint="Give it one completion per call, or a function of the request.",
            ) from None
