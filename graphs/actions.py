"""The nodes that reach outside, retrieve and call, and the guard every result passes through."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from opentelemetry.trace import SpanKind

from fairlead.decisions import Call, Retrieve, Step
from fairlead.errors import Unavailable
from fairlead.graphs.attempts import attempted
from fairlead.graphs.journey import Journey
from fairlead.graphs.nodes import Node, hop_node
from fairlead.graphs.parts import Parts
from fairlead.graphs.state import Found, Known, State
from fairlead.guardrails import admit_hit, admit_output, decide
from fairlead.reports import SearchResult
from fairlead.schema import (
    Finding,
    Hit,
    Json,
    Passage,
    Principal,
    ToolCall,
    ToolOutput,
    ToolResult,
    ToolSpec,
    Usage,
)
from fairlead.tracing import names

_Raw = TypeVar("_Raw", Hit, ToolOutput)
_Guarded = TypeVar("_Guarded", Passage, ToolResult)


def retrieve_node(parts: Parts) -> Node:
    """Searches every query of the decision side by side; the hits are untrusted."""

    async def retrieve(state: State, journey: Journey, principal: Principal) -> State:
        decision = state["decision"]
        assert isinstance(decision, Retrieve)
        places = (decision.collection,) if decision.collection else journey.collections
        filters = {**(decision.filters or {}), **(journey.run.filters or {})} or None

        away: list[str] = []

        async def search(query: str, collection: str) -> SearchResult:
            async def once(attempt: int) -> SearchResult:
                return await _searched(
                    parts, journey, principal, query, collection, filters, attempt
                )

            try:
                return await attempted(once)
            except Unavailable as error:
                away.append(error.message)
                return SearchResult(hits=(), confidence=0.0)

        wanted = [search(q, place) for q in decision.queries for place in places or ("default",)]
        try:
            async with asyncio.timeout(journey.seconds_left):
                results = await asyncio.gather(*wanted)
        except TimeoutError:
            return {"found": Found(limit=f"{journey.run.seconds:g} seconds", detail="timed out")}
        hits = _merged(results)
        return {
            "found": Found(
                hits=hits,
                confidence=max((result.confidence for result in results), default=0.0),
                warnings=_unique(w for result in results for w in result.warnings),
                detail=away[0] if away else passages_detail(decision.queries, hits),
                away=away[0] if away else "",
            )
        }

    return hop_node(parts, "retrieve", retrieve)


async def _searched(
    parts: Parts,
    journey: Journey,
    principal: Principal,
    query: str,
    collection: str,
    filters: Mapping[str, Json] | None,
    attempt: int,
) -> SearchResult:
    name, attributes = names.retrieval(collection, top_k=parts.settings.retrieval.k)
    if attempt > 1:
        attributes = {**attributes, names.ATTEMPT: attempt}
    with parts.tracing.span(name, attributes, kind=SpanKind.CLIENT, parent=journey.hop) as span:
        span.set({names.RETRIEVAL_QUERY: query})
        result = await parts.searcher.search(
            query,
            principal=principal,
            collection=collection,
            k=parts.settings.retrieval.k,
            filters=filters,
        )
        span.set(
            {
                names.RETRIEVAL_PASSAGES: [_reference(hit) for hit in result.hits],
                names.RETRIEVAL_CONFIDENCE: result.confidence,
            }
        )
    return result


def call_node(parts: Parts) -> Node:
    """Makes the decision's calls side by side, each one after the policy allowed it."""

    async def call(state: State, journey: Journey, principal: Principal) -> State:
        decision = state["decision"]
        assert isinstance(decision, Call)
        specs = {spec.name: spec for spec in parts.tools.specs()}
        calls = [
            _called(parts, journey, principal, one, specs.get(one.tool)) for one in decision.calls
        ]
        outputs = [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)
        made = sum(not output.refused for output in outputs)
        detail = "; ".join(call_detail(output) for output in outputs)
        return {"found": Found(outputs=tuple(outputs), detail=detail, calls=made)}

    return hop_node(parts, "call", call)


async def _called(
    parts: Parts, journey: Journey, principal: Principal, call: ToolCall, spec: ToolSpec | None
) -> ToolOutput:
    if spec is not None:
        verdict = decide(spec, allow=parts.settings.policy.allow)
        if verdict.action != "allow":
            name, attributes = names.guardrail("policy", stage="tool_args")
            with parts.tracing.span(name, attributes, parent=journey.hop) as span:
                span.set({names.GUARD_ACTION: verdict.action, names.GUARD_REASON: verdict.reason})
            return ToolOutput(
                call_id=call.call_id,
                tool=call.tool,
                arguments=call.arguments,
                text="",
                error=verdict.reason,
                refused=True,
            )
    effect = spec.effect if spec else ""
    name, attributes = names.execute_tool(call.tool, call_id=call.call_id, effect=effect)
    with parts.tracing.span(name, attributes, parent=journey.hop) as span:
        output = await parts.tools.call(
            call,
            principal,
            seconds=journey.seconds_left,
            run_id=journey.run.run_id,
            hop=journey.hop_index,
        )
        span.set({names.TOOL_ARGUMENTS: str(call.arguments), names.TOOL_RESULT: output.text})
        if output.replayed:
            span.set({names.REPLAYED: True})
        if output.error:
            span.fail("tool_error", output.error)
    return output


def guard_node(parts: Parts) -> Node:
    """The only way from untrusted to usable. A value whose guard fails is withheld."""

    async def guard(state: State, journey: Journey, principal: Principal) -> State:
        found, known, progress = state["found"], state["known"], state["progress"]
        decision = state["decision"]
        assert found is not None and decision is not None
        name, attributes = names.guardrail(
            "passages" if found.hits else "tool_output",
            stage="context" if found.hits else "tool_result",
        )
        withheld: list[str] = []
        with parts.tracing.span(name, attributes, parent=journey.hop) as span:
            passages = _admitted(found.hits, admit_hit, withheld)
            results = _admitted(found.outputs, admit_output, withheld)
            findings = [f for p in passages for f in p.findings]
            findings += [f for r in results for f in r.findings]
            span.set(
                {
                    names.GUARD_ACTION: _action(findings, withheld),
                    names.GUARD_FINDINGS: [f.kind for f in findings],
                }
            )
        hop = journey.end_hop(decision, found.detail)
        joined = _joined(known.passages, passages)
        step = Step(
            decision=decision,
            detail=found.detail,
            passages=len(joined) - len(known.passages),
            results=len(results),
        )
        return {
            "found": None,
            "known": Known(
                passages=joined,
                tool_results=known.tool_results + results,
                confidence=max(known.confidence, found.confidence),
            ),
            "progress": replace(
                progress,
                hops=(*progress.hops, hop),
                steps=(*progress.steps, step),
                usage=progress.usage + Usage(tool_calls=found.calls),
                warnings=_unique(
                    (*progress.warnings, *found.warnings, *withheld, *_failures(results))
                ),
                limit=found.limit or progress.limit,
                away=found.away or progress.away,
            ),
        }

    return hop_node(parts, "guard", guard)


def _admitted(
    values: Sequence[_Raw], admit: Callable[[_Raw], _Guarded], withheld: list[str]
) -> tuple[_Guarded, ...]:
    admitted = []
    for value in values:
        try:
            admitted.append(admit(value))
        except Exception as error:  # fail closed: what could not be guarded is not used
            what = value.source if isinstance(value, Hit) else value.tool
            withheld.append(f"withheld {what!r}: its guard failed ({type(error).__name__})")
    return tuple(admitted)


def _failures(results: Iterable[ToolResult]) -> list[str]:
    return [f"{result.tool} failed: {result.error}" for result in results if result.error]


def _action(findings: Sequence[Finding], withheld: Sequence[str]) -> str:
    if withheld:
        return "block"
    changed = any(f.kind != "instruction_like" for f in findings)
    return "transform" if changed else "allow"


def _merged(results: Sequence[SearchResult]) -> tuple[Hit, ...]:
    """Every hit once, with its best score, best first."""
    best: dict[str, Hit] = {}
    for hit in (hit for result in results for hit in result.hits):
        held = best.get(hit.passage_id)
        if held is None or hit.score > held.score:
            best[hit.passage_id] = hit
    ordered = sorted(best.values(), key=lambda hit: (-hit.score, hit.passage_id))
    return tuple(replace(hit, rank=n) for n, hit in enumerate(ordered, start=1))


def _joined(held: tuple[Passage, ...], new: tuple[Passage, ...]) -> tuple[Passage, ...]:
    known = {passage.passage_id for passage in held}
    return held + tuple(passage for passage in new if passage.passage_id not in known)


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _reference(hit: Hit) -> str:
    """What a trace may always say of a hit: never its text."""
    digest = hashlib.sha256(hit.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{hit.passage_id} {hit.score:.3f} {hit.source} sha256:{digest}"


def passages_detail(queries: Sequence[str], hits: Sequence[Hit]) -> str:
    """What searches came to, in words."""
    sources = list(dict.fromkeys(hit.source for hit in hits))
    shown = ", ".join(sources[:3]) + (", …" if len(sources) > 3 else "")
    searches = "1 search" if len(queries) == 1 else f"{len(queries)} searches"
    found = "1 passage" if len(hits) == 1 else f"{len(hits)} passages"
    return f"{searches}, {found}" + (f" from {shown}" if hits else "")


def call_detail(output: ToolOutput) -> str:
    """What a call came to, in words."""
    how = "refused" if output.refused else "failed" if output.error else "ok"
    if output.replayed:
        how += ", answered by the journal"
    return f"{output.tool} {how}"
