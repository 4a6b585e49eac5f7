"""From what a model wrote to a decision, or to what is wrong with it in words for the model."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from fairlead import forms
from fairlead.agents.conversation import quoted_reason
from fairlead.agents.decision_schema import (
    CALLS,
    REASON,
    Fields,
    Schema,
    arguments_schema,
    branch,
    closed,
    several,
)
from fairlead.decisions import AnyDecision, Ask, Call, Decision, Retrieve, Stop, View
from fairlead.guardrails import clean
from fairlead.schema import Json, ToolSpec

_LINK: Final = re.compile(r"\b(?:https?|ftp|file|data|javascript):\S+|\bwww\.\S+|\]\(", re.I)
_LONGEST: Final = 300
"""Characters of what is wrong."""
_CALL: Final = closed({"tool": {"type": "string"}, "arguments": {"type": "object"}})
_CALLS: Final = branch("call", calls=several(_CALL, CALLS))
TRIES: Final = 2
"""How often the same call may be made where it failed."""


class Unusable(Exception):
    """What a model wrote is no decision that can be carried out; the message says why."""


def read_object(said: str) -> dict[str, Any]:
    """The one JSON object in a text; what stands around it does not count. Raises `Unusable`."""
    at = said.find("{")
    if at < 0:
        raise Unusable("there is no JSON object in it")
    try:
        found, _ = _DECODER.raw_decode(said, at)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"it is not valid JSON: {str(error)[:100]}") from error
    assert isinstance(found, dict), "it began with a brace"
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_STRICT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def read_decision(
    value: Mapping[str, Any], schema: Schema, view: View, fields: Fields
) -> AnyDecision:
    """The decision in `value`, with its reason in quotes. Raises `Unusable`."""
    try:
        _STRICT.encode(value).encode()
    except ValueError as error:
        raise Unusable("it holds half a character, or a number without end") from error
    kind = value.get("kind")
    branches = [b for b in schema["anyOf"] if b["properties"]["kind"]["const"] == kind]
    if not branches:
        raise Unusable(f"kind is {kind!r}, but must be one of {', '.join(kinds_of(schema))}")
    if kind == "call":  # its tools and their arguments are looked at one by one
        branches = [_CALLS]
    value = _tidied(value)
    branches.sort(key=lambda b: -len(b["properties"].keys() & value.keys()))
    complaints = [complaint(value, each) for each in branches]
    if all(complaints):
        raise Unusable(complaints[0])
    decision = Decision.parse({**value, "reason": quoted_reason(value["reason"])})
    check_decision(decision, view, fields)
    return decision


def _tidied(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a reason of bearable length, and with every call once."""
    found = dict(value)
    if isinstance(found.get("reason"), str):
        found["reason"] = found["reason"][:REASON]
    if isinstance(calls := found.get("calls"), list):
        found["calls"] = [call for n, call in enumerate(calls) if call not in calls[:n]]
    return found


def kinds_of(schema: Schema) -> list[str]:
    """The kinds that a decision schema allows."""
    return list(dict.fromkeys(b["properties"]["kind"]["const"] for b in schema["anyOf"]))


def check_decision(decision: AnyDecision, view: View, fields: Fields) -> None:
    """Raises `Unusable` for what the schema cannot say: repetition, and what the user is told."""
    match decision:
        case Call():
            _check_calls(decision, view)
        case Retrieve():
            _check_search(decision, view, fields)
        case Ask():
            _check_said(decision.question, view)
        case Stop():
            _check_said(decision.why, view)


def _check_calls(decision: Call, view: View) -> None:
    specs = {spec.name: spec for spec in view.tools}
    if len(decision.calls) > view.budget.tool_calls:
        raise Unusable(f"only {view.budget.tool_calls} more calls may be made")
    for call in decision.calls:
        spec = specs.get(call.tool)
        if spec is None:
            raise Unusable(f"there is no tool {call.tool!r}, only {', '.join(specs)}")
        wrong = _misfit(call.arguments, spec)
        if wrong:
            raise Unusable(f"arguments of {call.tool}: {wrong}")
        earlier = [
            r for r in view.tool_results if (r.tool, r.arguments) == (call.tool, call.arguments)
        ]
        if len(earlier) >= TRIES or any(r.refused or not r.error for r in earlier):
            raise Unusable(f"{call.tool} was called with these arguments before; see its result")


def _check_search(decision: Retrieve, view: View, fields: Fields) -> None:
    if not all(query.strip() for query in decision.queries):
        raise Unusable("a query is empty")
    for name, wanted in (decision.filters or {}).items():
        kind = fields.get(decision.collection or "", {}).get(name)
        for bound in wanted.values() if isinstance(wanted, Mapping) else (wanted,):
            if kind == "date" and not _is_date(bound):
                raise Unusable(f"{name} is a date: write it like 2026-01-31")
    wanted_now = _search(decision)
    if any(
        isinstance(s.decision, Retrieve) and _search(s.decision) == wanted_now for s in view.steps
    ):
        raise Unusable("this search was made before; its outcome stands above")


def _search(decision: Retrieve) -> tuple[frozenset[str], str | None, Mapping[str, Json]]:
    queries = frozenset(" ".join(query.lower().split()) for query in decision.queries)
    return queries, decision.collection, dict(decision.filters or {})


def _is_date(value: Json) -> bool:
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _check_said(said: str, view: View) -> None:
    """What goes to the user without a source: no links of its own, no orders, not nothing."""
    if not said.strip():
        raise Unusable("what is said to the user is empty")
    if any(found[0] not in view.question for found in _LINK.finditer(said)):
        raise Unusable("what is said to the user must not hold links")
    if clean(said).findings:
        raise Unusable("what is said to the user reads like an instruction")


def _misfit(arguments: Mapping[str, Json], spec: ToolSpec) -> str:
    """Why the arguments do not fit the tool's parameters; empty where they do."""
    given = dict(arguments)
    return complaint(given, arguments_schema(spec)) or complaint(given, dict(spec.parameters))


def complaint(value: Json, schema: Mapping[str, Any]) -> str:
    """The most telling thing that is wrong with a value; empty where it fits.

    A schema that is broken, or leans on one that lies elsewhere, complains of nothing.
    """
    try:
        return forms.complaint(value, schema)[:_LONGEST]
    except ValueError:
        return ""
