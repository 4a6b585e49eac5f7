"""The machine's nodes, each made by a factory from its `Parts`.

A node takes the state and returns what changes; `plan` and `verify` also say where to go next, as a
LangGraph `Command`. A host that composes its own machine uses the same factories under the same
node names, so that guard, budgets and trace come with them.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from typing import Any, Protocol, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from fairlead.decisions import AnswerNow, AnyDecision, Budget, Call, Decision, Delegate, View
from fairlead.errors import FairleadError, InputError, Refused, Unavailable
from fairlead.graphs.journey import Journey, Listener, begin_journey
from fairlead.graphs.parts import Parts
from fairlead.graphs.principal import principal_of
from fairlead.graphs.state import Known, Progress, Run, State
from fairlead.guardrails import admit_question
from fairlead.protocols import Listing, Searcher
from fairlead.schema import Principal
from fairlead.tracing import SpanLink, names
from fairlead.tracing.names import AttributeValue

Outcome: TypeAlias = State | Command[str]
Step: TypeAlias = Callable[[State, Journey, Principal], Awaitable[Outcome]]


class Node(Protocol):
    """A LangGraph node that takes the run's config."""

    def __call__(self, state: State, config: RunnableConfig) -> Awaitable[Outcome]: ...


PLACES = {"retrieve": "retrieve", "call": "call"}
"""The node a decision leads to, by kind; every other kind ends the turn in `answer`."""


def hop_node(parts: Parts, name: str, step: Step) -> Node:
    """A node around `step`: finds the run's journey, checks whose it is, ends failed spans."""

    async def node(state: State, config: RunnableConfig) -> Outcome:
        run = state["run"]
        principal = principal_of(config, parts.principal)
        if principal.tenant != run.tenant:
            raise Refused("this run belongs to another tenant", hint="Use that tenant's principal.")
        journey = parts.journeys.find(run.run_id)
        if journey is None:  # another process began it
            link = SpanLink(run.trace_id, run.span_id)
            listener = _listener(config)
            journey = begin_journey(run, parts.tracing, parts.agent, listener, link)
            parts.journeys.begin(journey)
        journey.begin_hop(len(state["progress"].hops) + 1)
        try:
            return await step(state, journey, principal)
        except GraphBubbleUp:
            raise
        except asyncio.CancelledError:
            parts.journeys.cancel(run.run_id)
            raise
        except Exception as error:
            if isinstance(error, FairleadError) and not error.trace_id:
                error.trace_id = journey.root.trace_id
            parts.journeys.close(run.run_id, error=type(error).__name__, message=str(error))
            raise

    node.__name__ = name
    return node


def fuse(*nodes: Node) -> Node:
    """One node that runs several in order, as one superstep with one checkpoint.

    Only the last may say where to go.
    """

    async def fused(state: State, config: RunnableConfig) -> Outcome:
        update: State = {}
        for node in nodes:
            made = await node({**state, **update}, config)
            if isinstance(made, Command):
                return Command(update={**update, **(made.update or {})}, goto=made.goto)
            update.update(made)
        return update

    return fused


def admit_node(parts: Parts) -> Node:
    """Checks who asks and what; resets what belongs to a turn; opens the trace."""

    async def admit(state: State, config: RunnableConfig) -> State:
        principal = principal_of(config, parts.principal)
        question = admit_question(state["question"])
        place = config.get("configurable", {})
        seconds = place.get("fairlead_deadline") or parts.settings.budgets.seconds
        run = Run(
            run_id=uuid.uuid4().hex,
            tenant=principal.tenant,
            subject=principal.subject,
            thread_id=str(place.get("thread_id", "")),
            named=not place.get("__fairlead_new", False),
            seconds=min(seconds, parts.settings.budgets.seconds),
            filters=place.get("fairlead_filters"),
        )
        listener = _listener(config)
        journey = parts.journeys.begin(
            begin_journey(run, parts.tracing, parts.agent, listener, None)
        )
        journey.root.set({names.QUESTION: question})
        return {
            "question": question,
            "run": journey.run,
            "known": Known(),
            "progress": Progress(warnings=tuple(place.get("fairlead_warnings", ()))),
            **_leftovers(state),
        }

    return admit


def _leftovers(state: State) -> State:
    """Resets for what an earlier turn, finished or abandoned, left behind."""
    reset: State = {}
    if state.get("found") is not None:
        reset["found"] = None
    if state.get("draft") is not None:
        reset["draft"] = None
    if state.get("answer") is not None:
        reset["answer"] = None
    return reset


def plan_node(parts: Parts) -> Node:
    """Asks the planner for the next hop, unless a budget has run out."""

    async def plan(state: State, journey: Journey, principal: Principal) -> Outcome:
        progress = state["progress"]
        index = journey.hop_index
        limit = progress.limit or _spent(parts, progress, journey)
        decision: AnyDecision | None = None
        if not limit:
            name, attributes = names.plan(parts.agent)
            with parts.tracing.span(name, attributes, parent=journey.hop) as span:
                try:
                    async with asyncio.timeout(journey.seconds_left):
                        view = await view_of(parts, state, journey, principal)
                        decision = Decision.parse(await parts.planner.plan(view))
                    span.set(_planned(decision))
                except TimeoutError:
                    limit = f"{journey.run.seconds:g} seconds"
        if decision is not None:
            if took := decision.planning:
                progress = progress.counted(
                    "planner", usage=took.usage, warnings=took.warnings, prompt=took.prompt
                )
            decision, limit = _within(parts, decision, index, progress)
        if decision is None:
            decision = AnswerNow(reason=f"the budget of {limit} is used up")
        decision = _identified(decision, journey.run.run_id, index)
        journey.announce(decision)
        update: State = {"decision": decision}
        if limit != progress.limit:
            progress = replace(progress, limit=limit)
        if progress is not state["progress"]:
            update["progress"] = progress
        return Command(update=update, goto=PLACES.get(decision.kind, "answer"))

    return hop_node(parts, "plan", plan)


async def view_of(parts: Parts, state: State, journey: Journey, principal: Principal) -> View:
    """What a planner or an answerer may see."""
    known, progress = state["known"], state["progress"]
    budgets = parts.settings.budgets
    if journey.collections is None:
        try:
            journey.collections = await _collections(parts.searcher, principal.tenant)
        except Unavailable:  # what was kept of it may still answer
            journey.collections = ("default",)
    used = progress.usage
    return View(
        question=state["question"],
        history=state.get("history", ()),
        passages=known.passages,
        tool_results=known.tool_results,
        hops=progress.hops,
        steps=progress.steps,
        tools=tuple(parts.tools.specs()),
        collections=journey.collections,
        budget=Budget(
            hops=budgets.hops - len(progress.hops),
            tool_calls=budgets.tool_calls - used.tool_calls,
            tokens=budgets.tokens - used.input_tokens - used.output_tokens,
            seconds=journey.seconds_left,
        ),
        confidence=known.confidence,
        tenant=principal.tenant,
        thread=state["run"].thread_id,
        subject=principal.subject,
        run_id=state["run"].run_id,
        note=progress.note,
    )


async def _collections(searcher: Searcher, tenant: str) -> tuple[str, ...]:
    if _lists(type(searcher)):
        return await cast(Listing, searcher).collection_names(tenant)
    return tuple(info.name for info in await searcher.collections(tenant))


@cache  # a protocol's own check takes as long as the listing
def _lists(kind: type) -> bool:
    return issubclass(kind, Listing)


def _spent(parts: Parts, progress: Progress, journey: Journey) -> str:
    """Which budget is used up before this hop; empty when none is."""
    budgets, used = parts.settings.budgets, progress.usage
    if journey.seconds_left <= 0:
        return f"{journey.run.seconds:g} seconds"
    if used.input_tokens + used.output_tokens >= budgets.tokens:
        return f"{budgets.tokens} tokens"
    return ""


def _planned(decision: AnyDecision) -> dict[str, AttributeValue]:
    """What the span of a plan says of its decision."""
    found: dict[str, AttributeValue] = {names.DECISION: decision.kind}
    if decision.probability is not None:
        found[names.DECISION_PROBABILITY] = decision.probability
    if decision.planning is not None and decision.planning.prompt:
        found[names.PROMPT_VERSION] = decision.planning.prompt
        found[names.ATTEMPT] = decision.planning.attempts
    return found


def _within(
    parts: Parts, decision: AnyDecision, index: int, progress: Progress
) -> tuple[AnyDecision | None, str]:
    """The decision if the budgets still allow it, else None and the budget that does not."""
    if isinstance(decision, Delegate):
        raise InputError(
            "the planner delegated, but this assistant has no specialists",
            hint="Decide retrieve, call, answer, ask or stop.",
        )
    acts = decision.kind in ("retrieve", "call")
    if acts and index >= parts.settings.budgets.hops:  # the last hop is kept for the answer
        return None, f"{parts.settings.budgets.hops} hops"
    if isinstance(decision, Call):
        allowed = parts.settings.budgets.tool_calls
        if progress.usage.tool_calls + len(decision.calls) > allowed:
            return None, f"{allowed} tool calls"
    return decision, progress.limit


def _identified(decision: AnyDecision, run_id: str, index: int) -> AnyDecision:
    """The decision without what it took; its calls with ids that a resumed run gives them too."""
    changes: dict[str, Any] = {}
    if decision.planning is not None:
        changes["planning"] = None
    if isinstance(decision, Call) and not all(call.call_id for call in decision.calls):
        changes["calls"] = tuple(
            call if call.call_id else replace(call, call_id=f"{run_id[:12]}-{index}-{n}")
            for n, call in enumerate(decision.calls, start=1)
        )
    return replace(decision, **changes) if changes else decision


def _listener(config: RunnableConfig) -> Listener | None:
    """Who hears the run's events: a function of the event in `configurable`."""
    given = config.get("configurable", {}).get("fairlead_listener")
    return given if callable(given) else None
