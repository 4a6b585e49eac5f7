"""The tools of one assistant: registered once, called within limits, effects journaled."""

import asyncio
import difflib
import inspect
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from fairlead.errors import FairleadError, InputError, NotFound
from fairlead.guardrails import cut
from fairlead.schema import Principal, ToolCall, ToolOutput, ToolSpec
from fairlead.settings import Settings
from fairlead.tools.declaration import EFFECTFUL, Occasion, Started
from fairlead.tools.journal import Earlier, Journal, Key, key_of
from fairlead.tools.outputs import rendered
from fairlead.tools.sources import Source, opened

_UNKNOWN: Final = "unknown outcome"
_LINE: Final = 500
"""Characters of a foreign error message."""
_surrogate: Final = re.compile("[\ud800-\udfff]")
_log = logging.getLogger("fairlead.tools")


class _Outcome(NamedTuple):
    """What a call came to; `known` is False where it may or may not have taken effect."""

    output: ToolOutput
    known: bool = True


class Toolbox:
    """Tools from anywhere as one catalog.

    `tools`: decorated functions, LangChain tools, other catalogs, and plain functions, which count
    as `admin` unless `[tools.declare.NAME]` says otherwise. Raises `InputError` for what is no
    tool and for two of one name.
    """

    def __init__(
        self,
        tools: Iterable[object],
        settings: Settings | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._settings = (settings or Settings()).tools
        self._journal = journal
        self._tools: dict[str, Source] = {}
        for thing in tools:
            for tool in opened(thing, self._settings.declare):
                if tool.spec.name in self._tools:
                    raise InputError(
                        f"two tools are called {tool.spec.name!r} "
                        f"({self._tools[tool.spec.name].spec.source} and {tool.spec.source})",
                        hint="Rename one: @tool(name=...).",
                    )
                self._tools[tool.spec.name] = tool
        self._specs = tuple(tool.spec for tool in self._tools.values())

    def specs(self) -> tuple[ToolSpec, ...]:
        """What planner and policy may know of each tool, in the order of registration."""
        return self._specs

    def check(self, call: ToolCall, principal: Principal) -> None:
        """Raises `NotFound` for an unknown tool, `InputError` for arguments that do not fit.

        A catalog checks its own arguments, and only when it is called.
        """
        self._found(call.tool).start(call.arguments, principal)

    async def call(
        self,
        call: ToolCall,
        principal: Principal,
        *,
        seconds: float,
        run_id: str = "",
        hop: int = 0,
    ) -> ToolOutput:
        """Runs one call within the tool's time limit and `seconds`, whichever is shorter.

        What goes wrong is an output with `error`. A call with an effect is journaled under
        `run_id`, `hop` and its `call_id`: asked for again it is answered, not repeated. Without a
        `run_id` it is written down but never answered from the journal.
        """
        begun = time.perf_counter()
        try:
            tool = self._found(call.tool)
            limit = min(seconds, tool.seconds or self._settings.seconds)
            occasion = Occasion(seconds=limit, call_id=call.call_id, run_id=run_id, hop=hop)
            started = tool.start(call.arguments, principal, occasion)
        except InputError as error:
            return self._failed(call, begun, _said(error))
        if limit <= 0:
            return self._failed(call, begun, f"{call.tool!r} was not called: no time is left")
        run = partial(self._run, call, tool.spec, started, limit, begun)
        if self._journal is None or tool.spec.effect not in EFFECTFUL:
            return (await run()).output
        run_id = run_id or f"once-{secrets.token_hex(8)}"
        key = key_of(call, tenant=principal.tenant, run=run_id, hop=hop)
        return await self._journaled(self._journal, key, call, begun, run)

    async def _journaled(
        self,
        journal: Journal,
        key: Key,
        call: ToolCall,
        begun: float,
        run: Callable[[], Awaitable[_Outcome]],
    ) -> ToolOutput:
        try:
            earlier = await journal.begin(key, call)
        except FairleadError as error:
            return self._failed(call, begun, f"not called, for lack of a journal: {_said(error)}")
        if earlier is not None:
            return self._replayed(earlier, call, begun)
        outcome = await run()
        if outcome.known:
            try:
                await journal.finish(key, outcome.output)
            except FairleadError as error:
                _log.warning("outcome of %r was not journaled: %s", call.tool, error.message)
        return outcome.output

    async def _run(
        self, call: ToolCall, spec: ToolSpec, started: Started, seconds: float, begun: float
    ) -> _Outcome:
        """A tool's failure never ends the run; cancelling the run does."""
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                value = await started()
                if inspect.isawaitable(value):  # from a plain function that made a coroutine
                    value = await value
            return _Outcome(self._finished(call, spec, value, begun))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            failure: BaseException = error  # the tool gave itself up; nobody stopped the run
        except (Exception, SystemExit) as error:
            if isinstance(error, TimeoutError) and clock.expired():
                return _Outcome(self._failed(call, begun, _late(spec, seconds)), known=False)
            failure = error
        return _Outcome(self._failed(call, begun, _said(failure)))

    def _finished(self, call: ToolCall, spec: ToolSpec, value: object, begun: float) -> ToolOutput:
        error = ""
        if isinstance(value, ToolOutput):  # a catalog's
            text, data, error = value.text, value.data, value.error
        else:
            text, data = rendered(value)
        limit = self._settings.output_chars
        if len(text) > limit:
            text = cut(text, limit)
            data = text if isinstance(data, str) else None
        return ToolOutput(
            call_id=call.call_id,
            tool=call.tool,
            arguments=call.arguments,
            text=text,
            data=data,
            error=error,
            ms=_ms(begun),
            returns=spec.returns,
        )

    def _failed(self, call: ToolCall, begun: float, error: str) -> ToolOutput:
        return ToolOutput(
            call_id=call.call_id,
            tool=call.tool,
            arguments=call.arguments,
            text="",
            error=error,
            ms=_ms(begun),
        )

    def _replayed(self, earlier: Earlier, call: ToolCall, begun: float) -> ToolOutput:
        if earlier.output is not None:
            return replace(earlier.output, replayed=True, ms=_ms(begun))
        return self._failed(
            call,
            begun,
            f"{_UNKNOWN} of {call.tool!r}: it was begun before an interruption and "
            "nothing says whether it took effect, so it was not repeated; look before asking again",
        )

    def _found(self, name: str) -> Source:
        if name in self._tools:
            return self._tools[name]
        near = difflib.get_close_matches(name, self._tools, n=1)
        raise NotFound(
            f"no tool {name!r}",
            hint=f"Did you mean {near[0]!r}?" if near else "See `fairlead tools ls`.",
        )


def _said(error: BaseException) -> str:
    """One line on what went wrong; ours speak for themselves, others name their type."""
    if isinstance(error, FairleadError):
        said = f"{error.message}. {error.hint}" if error.hint else error.message
    else:
        line = next(iter(str(error).strip().splitlines()), "")[:_LINE]
        said = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return _surrogate.sub("\ufffd", said)


def _late(spec: ToolSpec, seconds: float) -> str:
    if spec.effect in EFFECTFUL:
        return f"{_UNKNOWN} of {spec.name!r}: no reply within {seconds:g} s"
    return f"{spec.name!r} gave no reply within {seconds:g} s"


def _ms(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000
