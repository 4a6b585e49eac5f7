"""What a planning model is told: rules, the question, then what each step of the turn brought.

The messages of one hop begin those of the next, so that a server's prefix cache serves them, and
the first one is the same for all runs with the same tools and collections.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fairlead.agents.decision_schema import REASON, Fields, as_json
from fairlead.agents.descriptions import described
from fairlead.agents.prompts import TURNS, Prompt, dated, element
from fairlead.decisions import AnyDecision, Ask, Call, Delegate, Retrieve, Step, Stop, View
from fairlead.guardrails import clean
from fairlead.protocols import Message
from fairlead.schema import Passage, ToolCall, ToolResult

_PASSAGE: Final = 1500
"""Characters of one passage that a planner is shown."""
_RESULT: Final = 4000
_TURN: Final = 1000
_STRAIGHT: Final = str.maketrans("“”", "''")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One step of the turn and what of the view it brought."""

    step: Step
    passages: tuple[Passage, ...]
    results: tuple[ToolResult, ...]


def instructions(view: View, prompt: Prompt, fields: Fields, *, tools: bool) -> Message:
    """The system message. `tools`: the tools are described here, not by the server's template."""
    said = [prompt.text.rstrip()]
    if tools:
        said.append("\n".join(["Tools:", *map(described, view.tools)]) if view.tools else _NONE)
    said.append(_shelves(view.collections, fields))
    if view.agents:
        form = '{"kind":"delegate","reason":"…","tasks":[{"agent":"…","task":"…"}]}'
        names = ", ".join(view.agents)
        said.append(f"Specialists: {names}. To hand them work: {form}" if tools else "")
    return Message(role="system", content=clean("\n\n".join(filter(None, said))).text)


_NONE: Final = "There are no tools."


def question(view: View) -> Message:
    """The user's question, after the earlier turns of the thread."""
    turns = [
        f"User: {turn.question[:_TURN]}\nAssistant: {turn.answer[:_TURN]}"
        for turn in view.history[-TURNS:]
    ]
    said = f"Question: {view.question}"
    if turns:
        said = "\n".join(["Earlier in this conversation:", *turns, "", said])
    return Message(role="user", content=clean(said).text)


def outcomes(view: View) -> list[Outcome]:
    """The steps of the turn, each with its share of the view's passages and results."""
    found: list[Outcome] = []
    passages, results = iter(view.passages), iter(view.tool_results)
    for step in view.steps:
        mine = tuple(one for _, one in zip(range(step.passages), passages, strict=False))
        brought = tuple(one for _, one in zip(range(step.results), results, strict=False))
        found.append(Outcome(step=step, passages=mine, results=brought))
    return found


def with_replies(view: View, context: int) -> list[Message]:
    """The question, then each step as the JSON that decided it and a message with its outcome."""
    messages = [question(view)]
    for outcome in outcomes(view):
        decided = clean(as_json(fields_of(outcome.step.decision))).text
        messages.append(Message(role="assistant", content=decided))
        messages.append(Message(role="user", content=brought(outcome, context)))
    return _with_rest(messages, view, context)


def with_calls(view: View, context: int, pseudo: Mapping[str, str]) -> list[Message]:
    """The same as function calls and their results; `pseudo` names the function of each kind."""
    messages = [question(view)]
    for number, outcome in enumerate(outcomes(view), start=1):
        calls = _as_calls(outcome.step.decision, number, pseudo)
        messages.append(Message(role="assistant", content="", tool_calls=calls))
        results = {result.call_id: result for result in outcome.results}
        for call in calls:
            result = results.get(call.call_id)
            said = _said(result) if result else brought(outcome, context)
            messages.append(Message(role="tool", content=said, call_id=call.call_id))
    return _with_rest(messages, view, context)


def fields_of(decision: AnyDecision) -> dict[str, Any]:
    """The decision as the model writes it: kind and reason first, nothing that is empty."""
    found: dict[str, Any] = {"kind": decision.kind, "reason": plain_reason(decision.reason)}
    match decision:
        case Retrieve():
            if decision.collection:
                found["collection"] = decision.collection
            if decision.filters:
                found["filters"] = dict(decision.filters)
            found["queries"] = list(decision.queries)
        case Call():
            found["calls"] = [
                {"tool": call.tool, "arguments": dict(call.arguments)} for call in decision.calls
            ]
        case Delegate():
            found["tasks"] = [{"agent": task.agent, "task": task.task} for task in decision.tasks]
        case Ask():
            found["question"] = decision.question
        case Stop():
            found["why"] = decision.why
    return found


def quoted_reason(said: str) -> str:
    """A model's reason as a decision carries it: one line in quotes.

    In quotes, since a span's reason is kept without what it quotes, and a model's may say anything.
    """
    line = " ".join(clean(said).text.split())[:REASON].translate(_STRAIGHT)
    return f"“{line}”" if line else ""


def plain_reason(reason: str) -> str:
    """The same without its quotes."""
    return reason.removeprefix("“").removesuffix("”")[:REASON]


def brought(outcome: Outcome, context: int) -> str:
    """What a step came to, in words."""
    detail = " ".join(clean(outcome.step.detail).text.split())
    said = [f"{detail}." if detail else "Done."]
    said += _shown(outcome.passages, context)
    said += [element("result", _said(r), tool=r.tool, call=_arguments(r)) for r in outcome.results]
    if outcome.step.decision.kind == "retrieve" and not outcome.passages:
        said.append("That brought nothing new.")
    return "\n\n".join(said)


def _with_rest(messages: list[Message], view: View, context: int) -> list[Message]:
    """Adds what no step accounts for: a machine of a host's own may keep no steps."""
    passages = view.passages[sum(step.passages for step in view.steps) :]
    results = view.tool_results[sum(step.results for step in view.steps) :]
    said = _shown(passages, context)
    said += [element("result", _said(r), tool=r.tool, call=_arguments(r)) for r in results]
    if view.note and not any(step.decision.kind == "answer" for step in view.steps):
        said.append(f"An answer was sent back: {clean(view.note).text}")
    if said:
        last = messages[-1]
        known = "\n\n".join(["Known already:", *said])
        messages[-1] = Message(
            role=last.role, content=f"{last.content}\n\n{known}", call_id=last.call_id
        )
    return messages


def _as_calls(
    decision: AnyDecision, number: int, pseudo: Mapping[str, str]
) -> tuple[ToolCall, ...]:
    if isinstance(decision, Call):
        return decision.calls
    rest = {k: v for k, v in fields_of(decision).items() if k not in ("kind", "reason")}
    name = pseudo.get(decision.kind, decision.kind)
    return (ToolCall(tool=name, arguments=rest, call_id=f"step-{number}"),)


def _shown(passages: Sequence[Passage], context: int) -> list[str]:
    """The passages that fit into `context` characters, and how many do not."""
    said: list[str] = []
    for passage in passages:
        body = _cut(passage.text, _PASSAGE)
        if said and len(body) > context:
            break
        context -= len(body)
        said.append(
            element(
                "passage", body, source=passage.source, title=passage.title, date=dated(passage)
            )
        )
    left = len(passages) - len(said)
    return [*said, f"({left} more)"] if left else said


def _said(result: ToolResult) -> str:
    return _cut(clean(f"failed: {result.error}").text if result.error else result.text, _RESULT)


def _arguments(result: ToolResult) -> str:
    return clean(as_json(result.arguments)).text


def _cut(said: str, longest: int) -> str:
    return said if len(said) <= longest else f"{said[:longest]} …"


def _shelves(collections: Iterable[str], fields: Fields) -> str:
    names = list(collections)
    if not names:
        return "There are no documents to search."
    said = f"Collections of documents: {', '.join(names)}."
    for name in names:
        if name in fields:
            listed = ", ".join(f"{field} ({kind})" for field, kind in fields[name].items())
            said += f' In {name}, "filters" may narrow a search by {listed}.'
    return said
