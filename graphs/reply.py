"""The end of a turn: write a draft, verify it, and say what the turn came to."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from langgraph.graph import END
from langgraph.types import Command

from fairlead.agents import Fault, mended
from fairlead.agents import verify as verify_draft
from fairlead.decisions import AnyDecision, Ask, Step, Stop, View
from fairlead.errors import Unavailable
from fairlead.graphs.journey import Journey
from fairlead.graphs.judging import UNASKED, Judged, judged
from fairlead.graphs.nodes import Node, Outcome, hop_node, view_of
from fairlead.graphs.parts import Parts
from fairlead.graphs.state import HISTORY, Progress, State
from fairlead.schema import Answer, Citation, Draft, Passage, Principal, Status, ToolCall, Turn
from fairlead.tracing import names

NO_ANSWER = "I could not find an answer that the sources support."


def answer_node(parts: Parts) -> Node:
    """Lets the answerer write, or passes on what the planner asks back or stops with."""

    async def answer(state: State, journey: Journey, principal: Principal) -> State:
        decision, progress = state["decision"], state["progress"]
        if isinstance(decision, Ask):
            return {"draft": Draft(text=decision.question, status="asking")}
        if isinstance(decision, Stop):
            return {"draft": Draft(text=decision.why, status="abstained")}
        view = await view_of(parts, state, journey, principal)
        if view.budget.tokens <= 0:  # planning took them, or a draft that was sent back
            limit = progress.limit or f"{parts.settings.budgets.tokens} tokens"
            return {
                "draft": Draft(text="", status="abstained"),
                "progress": replace(progress, limit=limit),
            }
        try:
            async with asyncio.timeout(journey.seconds_left):
                with parts.tracing.attach(journey.hop or journey.root):
                    draft = await parts.answerer.answer(view)
        except TimeoutError:
            limit = progress.limit or f"{journey.run.seconds:g} seconds"
            return {
                "draft": Draft(text="", status="abstained"),
                "progress": replace(progress, limit=limit),
            }
        if draft.prompt:
            progress = replace(progress, prompts={**progress.prompts, "answerer": draft.prompt})
            (journey.hop or journey.root).set({names.PROMPT_VERSION: draft.prompt})
        return {"draft": draft, "progress": replace(progress, usage=progress.usage + draft.usage)}

    return hop_node(parts, "answer", answer)


def verify_node(parts: Parts) -> Node:
    """Accepts a draft and closes the turn, or sends it back once.

    A model's second draft loses what its sources do not carry; where nothing is left, abstains.
    """

    async def verify(state: State, journey: Journey, principal: Principal) -> Outcome:
        draft, decision, progress = state["draft"], state["decision"], state["progress"]
        assert draft is not None and decision is not None
        if draft.status == "answered":
            view = await view_of(parts, state, journey, principal)
            last = bool(progress.note or progress.limit)
            examined = await _examined(parts, journey, principal, draft, view, last=last)
            progress = examined.judged.counted(progress)
            if parts.verdicts is not None and not examined.judged.missed:
                found = bool(examined.wrong)
                parts.verdicts.verified(
                    journey.run.run_id, tenant=principal.tenant, unverified=found
                )
            if examined.wrong and not last:
                return Command(
                    update=_sent_back(journey, decision, progress, examined.wrong), goto="plan"
                )
            draft = examined.draft
            if examined.wrong:
                said = f"draft dropped: {examined.wrong}"
                progress = replace(progress, warnings=(*progress.warnings, said))
        update = _closed(parts, state, journey, decision, progress, draft)
        return Command(update=update, goto=END)

    return hop_node(parts, "verify", verify)


@dataclass(frozen=True, kw_only=True)
class _Examined:
    """A draft as it may be said, and what was wrong with the one it came from."""

    draft: Draft
    wrong: str = ""
    """Why nothing of it may be said."""
    judged: Judged = UNASKED


async def _examined(
    parts: Parts, journey: Journey, principal: Principal, draft: Draft, view: View, *, last: bool
) -> _Examined:
    """Checks a draft; the `last` one is mended where that leaves something to say."""
    name, attributes = names.guardrail("verify", stage="output")
    heard, abstained = UNASKED, Draft(text="", status="abstained", route=draft.route)
    with parts.tracing.span(name, attributes, parent=journey.hop) as span:
        reason = wrong = verify_draft(draft, view).reason
        if wrong and last:
            draft, wrong = _mended(draft, view, wrong)
        if not wrong:
            heard = await judged(parts, journey, draft, view)
            if heard.prompt:
                span.set({names.PROMPT_VERSION: heard.prompt})
            if heard.missed:
                span.set({names.GUARD_ACTION: "block", names.GUARD_REASON: "nobody could judge it"})
                return _Examined(draft=abstained, judged=heard)
        if heard.found:
            reason = wrong = "; ".join(fault.why for fault in heard.found[:3])
            if last:
                draft, wrong = _mended(draft, view, wrong, heard.found)
        action = "block" if wrong else "transform" if reason else "allow"
        if not wrong:
            draft, wrong = await _quoted(parts, draft, view.passages, principal)
            reason, action = wrong or reason, "block" if wrong else action
        span.set({names.GUARD_ACTION: action, names.GUARD_REASON: reason})
    if wrong:
        draft = replace(abstained, text=NO_ANSWER)
    return _Examined(draft=draft, wrong=wrong, judged=heard)


def _mended(draft: Draft, view: View, wrong: str, found: Sequence[Fault] = ()) -> tuple[Draft, str]:
    """A model's draft without its faults, where what is left passes; else as it is, and wrong."""
    if draft.route.model == "embedded":
        return draft, wrong
    better = mended(draft, view, found)
    if better and verify_draft(better, view).action == "allow":
        return better, ""
    return draft, wrong


def _sent_back(journey: Journey, decision: AnyDecision, progress: Progress, wrong: str) -> State:
    hop = journey.end_hop(decision, f"draft sent back: {wrong}")
    step = Step(decision=decision, detail=hop.detail)
    hops, steps = (*progress.hops, hop), (*progress.steps, step)
    return {"draft": None, "progress": replace(progress, hops=hops, steps=steps, note=wrong)}


async def _quoted(
    parts: Parts, draft: Draft, passages: Sequence[Passage], principal: Principal
) -> tuple[Draft, str]:
    """The draft with every document quote read again from the stored version it names."""
    by_id = {passage.passage_id: passage for passage in passages}
    citations: list[Citation] = []
    for citation in draft.citations:
        passage = by_id.get(citation.passage_id)
        if citation.kind != "document" or passage is None:
            citations.append(citation)
            continue
        at = passage.text.index(citation.quote)  # verified before
        start, end = passage.stored_span(at, at + len(citation.quote))
        try:
            quote = await parts.searcher.text(
                tenant=principal.tenant,
                collection=passage.collection,
                document_id=passage.document_id,
                version=passage.version,
                start=start,
                end=end,
            )
        except Unavailable:  # found before the store went away: the warnings say so
            quote = citation.quote
        if quote is None:
            return draft, f"the quote from {citation.source!r} is not in the stored document"
        citations.append(replace(citation, quote=quote))
    return replace(draft, citations=tuple(citations)), ""


def _closed(
    parts: Parts,
    state: State,
    journey: Journey,
    decision: AnyDecision,
    progress: Progress,
    draft: Draft,
) -> State:
    status, text = _outcome(state, progress, draft)
    hop = journey.end_hop(decision, _detail(status, draft))
    run = journey.run
    answer = Answer(
        status=status,
        text=text,
        citations=draft.citations,
        hops=(*progress.hops, hop),
        route=draft.route,
        usage=progress.usage,
        warnings=tuple(dict.fromkeys((*progress.warnings, *draft.warnings))),
        missing=progress.away,
        prompts=progress.prompts,
        run_id=run.run_id,
        thread_id=run.thread_id,
        trace_id=journey.root.trace_id,
        lineage_id=run.run_id,
    )
    _tell(journey, answer)
    journey.root.set(
        {
            names.STATUS: status,
            names.HOPS: len(answer.hops),
            names.ROUTE: draft.route.model,
            names.ANSWER: text,
        }
    )
    parts.journeys.close(run.run_id)
    turn = Turn(
        question=state["question"],
        answer=text,
        status=status,
        sources=tuple(dict.fromkeys(c.source or c.tool for c in draft.citations)),
        tools=tuple(
            ToolCall(tool=result.tool, arguments=result.arguments, call_id=result.call_id)
            for result in state["known"].tool_results
        ),
    )
    return {
        "answer": answer,
        "draft": None,
        "progress": replace(progress, hops=answer.hops),
        "history": (*state.get("history", ()), turn)[-HISTORY:],
    }


def _outcome(state: State, progress: Progress, draft: Draft) -> tuple[Status, str]:
    """Status and text: a budget that ran out, a refusal and what was away are said in words."""
    refused = [r.error for r in state["known"].tool_results if r.refused]
    if draft.status == "abstained" and refused:
        return "refused", "\n".join(dict.fromkeys(refused))
    if progress.limit:
        said = f"Stopped early: the budget of {progress.limit} is used up."
        known = draft.text if draft.status == "answered" else ""
        return "partial", f"{known}\n\n{said}".strip()
    if progress.away and draft.status == "abstained":
        return "partial", f"I cannot answer now: {progress.away}."
    return draft.status, draft.text or NO_ANSWER


def _detail(status: Status, draft: Draft) -> str:
    if not draft.citations:
        return status
    number = len(draft.citations)
    return f"{status}, {number} citation{'s' if number > 1 else ''}"


def _tell(journey: Journey, answer: Answer) -> None:
    """The events of a finished answer; nothing is told before it is verified.

    A citation is told as soon as the text it belongs to is.
    """
    if journey.listener is None:
        return
    waiting = sorted(answer.citations, key=lambda citation: citation.end, reverse=True)
    told = 0
    for piece in _pieces(answer.text):
        journey.emit("token", text=piece)
        told += len(piece)
        while waiting and waiting[-1].end <= told:
            journey.emit("citation", citation=waiting.pop())
    journey.emit("usage", usage=answer.usage)
    journey.emit("done", answer=answer)


def _pieces(text: str) -> list[str]:
    """The text in words, each with the white space behind it."""
    pieces: list[str] = []
    for part in text.splitlines(keepends=True):
        words = part.split(" ")
        pieces += [f"{word} " for word in words[:-1]] + [words[-1]]
    return [piece for piece in pieces if piece]
