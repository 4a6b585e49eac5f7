"""The embedding API: open an assistant, ask it, stream it, resume it, feed it, search it.

LangGraph takes over a second to import and the embedder half a second to load, so both happen in
`open`, side by side.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.trace import SpanKind

from fairlead.errors import InputError, NotFound, Refused, ThreadBusy
from fairlead.guardrails import admit_hit, admit_question
from fairlead.protocols import Model, Planner
from fairlead.reports import IngestReport, SearchResult
from fairlead.retrieval import Library
from fairlead.schema import (
    Answer,
    ApprovalDecision,
    Document,
    Event,
    Json,
    Passage,
    Principal,
    SearchMode,
)
from fairlead.settings import Settings, load
from fairlead.storage import Leases
from fairlead.tools import Toolbox
from fairlead.tracing import names

if TYPE_CHECKING:  # heavy, or only needed for annotations
    from langchain_core.language_models import BaseChatModel
    from opentelemetry.trace import TracerProvider

    from fairlead.graphs import Parts
    from fairlead.graphs.machine import Machine
    from fairlead.serving.adapters import Control

THREAD_LIMIT = 128
"""Characters of a thread's name."""
DEFAULT_TENANT = "default"


class Assistant:
    """Answers questions from documents and tools, one guarded, traced hop at a time.

    Made by `Assistant.open(...)`. Safe to share between tasks of one event loop.
    """

    def __init__(
        self,
        *,
        parts: "Parts",
        machine: "Machine",
        library: Library,
        toolbox: Toolbox,
        leases: Leases,
        control: "Control | None" = None,
    ) -> None:
        self.parts = parts
        """What the machine is made of, for a machine of your own from `fairlead.graphs`."""
        self._machine = machine
        self._leases = leases
        self._control = control
        self.library = library
        self.toolbox = toolbox

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings | Mapping[str, Any] | str | Path | None = None,
        *,
        tools: Iterable[object] = (),
        model: "Model | BaseChatModel | None" = None,
        planner: Planner | None = None,
        principal: Principal | None = None,
        tracer_provider: "TracerProvider | None" = None,
    ) -> AsyncIterator[Self]:
        """An assistant, closed when the block ends.

        `settings`: a file, ready `Settings`, a mapping (no file is read then; the environment
        still is), or None (search for `fairlead.toml` upwards, else defaults). `tools`: decorated
        functions, LangChain tools or catalogs. `model`, `planner`: replace the configured ones.
        `principal`: for uses of `graph` whose config names none. `tracer_provider`: where spans
        also go; without it the host's global provider is used if it set one.
        Raises `SettingsError`, or `InputError` for tools that cannot be registered.
        """
        from fairlead.assembly import assembled  # noqa: PLC0415 - see the module's docstring

        loaded = load(settings)
        async with assembled(
            loaded.settings,
            tools=tools,
            model=model,
            planner=planner,
            principal=principal,
            tracer_provider=tracer_provider,
        ) as made:
            yield cls(**made)

    @property
    def graph(self) -> "Machine":
        """The compiled LangGraph: input `{"question": str}`, output key `answer`.

        Usable as a sub-graph and with LangGraph's own `astream`. The thread is
        `configurable.thread_id`; the principal `configurable.fairlead_principal`, else the one
        given to `open`, else the run is refused.
        """
        return self._machine

    # --- asking ----------------------------------------------------------------------------------

    async def ask(
        self,
        question: str,
        *,
        tenant: str | None = None,
        principal: Principal | None = None,
        thread: str | None = None,
        deadline: float | timedelta | None = None,
        filters: Mapping[str, Json] | None = None,
    ) -> Answer:
        """One turn. `deadline` is seconds or a `timedelta`; `filters` hold for every search.

        Without `thread` the turn gets a thread of its own. The same question on a thread whose run
        was cut off finishes that run; another question abandons it, with a warning.
        Raises `InputError` for a question that is empty or too long, `ThreadBusy` while the thread
        has a run in progress, `Refused`, `Unavailable`.
        """
        question = admit_question(question)
        config = self._config(tenant, principal, thread, deadline, filters)
        with self._held(config):
            return await self._turn(question, config)

    async def stream(
        self,
        question: str,
        *,
        tenant: str | None = None,
        principal: Principal | None = None,
        thread: str | None = None,
        deadline: float | timedelta | None = None,
        filters: Mapping[str, Json] | None = None,
    ) -> AsyncIterator[Event]:
        """The same turn, live; the last event, `done`, carries the `Answer`.

        Tokens come once the answer is verified: nothing that was said is ever taken back.
        Leaving the loop early cancels the run.
        """
        question = admit_question(question)
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        config = self._config(tenant, principal, thread, deadline, filters)
        config["configurable"]["fairlead_listener"] = events.put_nowait

        async def turn() -> None:
            try:
                with self._held(config):
                    await self._turn(question, config)
            finally:
                events.put_nowait(None)

        task = asyncio.create_task(turn())
        last: Event | None = None
        try:
            while (event := await events.get()) is not None:
                if event.kind == "done":
                    last = event  # said once the answer is durable
                else:
                    yield event
            await task
            if last is not None:
                yield last
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def resume(
        self,
        thread: str,
        decisions: Mapping[str, ApprovalDecision] | None = None,
        *,
        tenant: str | None = None,
        principal: Principal | None = None,
    ) -> Answer:
        """Goes on with a run that was cut off; a finished one gives its answer again.

        Raises `NotFound` for a thread without any run, `InputError` for decisions on approvals
        that are not open.
        """
        config = self._config(tenant, principal, thread, None, None)
        if decisions:
            raise InputError(
                f"no approval {next(iter(decisions))!r} is open on thread {thread!r}",
                hint="Resume without decisions.",
            )
        with self._held(config):
            state = await self._machine.aget_state(config)
            if state.next:
                self._leave(config)
                return await self._run(None, config)
            answer: Answer | None = state.values.get("answer")
            if answer is None:
                raise NotFound(f"no run on thread {thread!r}", hint="Ask something on it first.")
            return answer

    def feedback(self, run_id: str, *, good: bool, tenant: str = DEFAULT_TENANT) -> None:
        """What somebody thinks of an answer, by its `run_id`; the last word holds.

        It counts for the version of the adapter that wrote it, as a guard of its canary. Of answers
        that no adapter wrote nothing is kept. Never blocks.
        """
        if self._control is not None:
            self._control.outcomes.feedback(
                run_id, tenant=tenant_principal(tenant).tenant, down=not good
            )

    async def _turn(self, question: str, config: Any) -> Answer:
        if config["configurable"].get("__fairlead_new"):
            return await self._run({"question": question}, config)
        state = await self._machine.aget_state(config)
        if state.next:
            self._leave(config)
            if state.values.get("question") == question:
                return await self._run(None, config)
            said = f"the unfinished run on {state.values.get('question')!r} was abandoned"
            config["configurable"]["fairlead_warnings"] = (said,)
        return await self._run({"question": question}, config)

    async def _run(self, given: Any, config: Any) -> Answer:
        steps = self._machine.astream(
            given, config, stream_mode="values", output_keys="answer", durability="sync"
        )
        try:
            said: list[Any] = [value async for value in steps]
        except BaseException:
            self._leave(config)
            raise
        finally:
            self.parts.tracing.flush(ended=True)
        answer: Answer = said[-1]
        return answer

    def _leave(self, config: Any) -> None:
        """Ends what an earlier go at the thread's run left open: its spans, clock and listener."""
        place = config["configurable"]
        self.parts.journeys.leave(place["fairlead_principal"].tenant, place["thread_id"])

    def _config(
        self,
        tenant: str | None,
        principal: Principal | None,
        thread: str | None,
        deadline: float | timedelta | None,
        filters: Mapping[str, Json] | None,
    ) -> Any:
        if thread is not None and (
            not thread or len(thread) > THREAD_LIMIT or not thread.isprintable()
        ):
            raise InputError(
                f"thread {thread[:40]!r} is not usable",
                hint=f"Use 1 to {THREAD_LIMIT} printable characters.",
            )
        seconds = deadline.total_seconds() if isinstance(deadline, timedelta) else deadline
        if seconds is not None and not seconds > 0:
            raise InputError(f"deadline {seconds!r} has passed", hint="Give seconds above 0.")
        place: dict[str, Any] = {
            "thread_id": thread or uuid.uuid4().hex,
            "fairlead_principal": self._principal(tenant, principal),
        }
        if thread is None:  # with underscores LangGraph copies it into no metadata
            place["__fairlead_new"] = True
        if seconds is not None:
            place["fairlead_deadline"] = seconds
        if filters:
            place["fairlead_filters"] = dict(filters)
        return {"configurable": place}

    def _principal(self, tenant: str | None, principal: Principal | None) -> Principal:
        if principal is not None:
            if tenant is not None and tenant != principal.tenant:
                raise Refused(
                    f"tenant {tenant!r} is not the principal's tenant {principal.tenant!r}",
                    hint="Pass one of the two.",
                )
            return principal
        if tenant is None and self.parts.principal is not None:
            return self.parts.principal
        return tenant_principal(tenant)

    def _held(self, config: Any) -> "_Held":
        place = config["configurable"]
        return _Held(self._leases, place["fairlead_principal"].tenant, place["thread_id"])

    # --- knowledge -------------------------------------------------------------------------------

    async def ingest(
        self, sources: Sequence[str | Path | Document], *, tenant: str, **options: Any
    ) -> IngestReport:
        """Reads documents into the tenant's collection; the options are those of `Library.ingest`.

        Raises `InputError` when no source was any good; nothing is changed then.
        """
        principal = tenant_principal(tenant)
        return await self.library.ingest(sources, tenant=principal.tenant, **options)

    async def search(
        self,
        query: str,
        *,
        tenant: str,
        collection: str = "default",
        k: int = 8,
        mode: SearchMode = "hybrid",
        filters: Mapping[str, Json] | None = None,
        as_of: datetime | str | None = None,
    ) -> list[Passage]:
        """The `k` best passages, best first, guarded."""
        passages, _ = await self.search_detailed(
            query,
            principal=tenant_principal(tenant),
            collection=collection,
            k=k,
            mode=mode,
            filters=filters,
            as_of=as_of,
        )
        return passages

    async def search_detailed(
        self, query: str, *, principal: Principal, **options: Any
    ) -> tuple[list[Passage], SearchResult]:
        """The passages together with confidence, timings and warnings."""
        asked = admit_question(query)
        name, attributes = names.retrieval(
            options.get("collection", "default"), top_k=options.get("k", 8)
        )
        with self.parts.tracing.span(name, attributes, kind=SpanKind.CLIENT):
            result = await self.library.search(asked, principal=principal, **options)
        return [admit_hit(hit) for hit in result.hits], result


class _Held:
    """A thread's lease for the length of one turn."""

    def __init__(self, leases: Leases, tenant: str, thread: str) -> None:
        self._leases, self._name, self._thread = leases, f"{tenant}/{thread}", thread

    def __enter__(self) -> None:
        if not self._leases.take(self._name):
            raise ThreadBusy(
                f"thread {self._thread!r} already has a run in progress",
                hint="Wait for its answer, or use another thread.",
            )

    def __exit__(self, *_: object) -> None:
        self._leases.give(self._name)


def tenant_principal(tenant: str | None) -> Principal:
    """The local principal of a tenant. Raises `InputError` for a name that is none."""
    try:
        return Principal(tenant=DEFAULT_TENANT if tenant is None else tenant)
    except ValueError as error:
        raise InputError(
            f"tenant {tenant!r} is not a valid name",
            hint="Use 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit.",
        ) from error
