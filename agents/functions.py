"""Decisions as function calls: what is offered to a model beside the tools, and the way back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fairlead.agents.decision_reading import Unusable, read_decision
from fairlead.agents.decision_schema import Fields, Schema, closed, decision_schema
from fairlead.decisions import AnyDecision, View
from fairlead.protocols import Completion
from fairlead.schema import ToolCall, ToolSpec

_DESCRIBED: Final = {
    "retrieve": "Search the documents.",
    "delegate": "Hand tasks to specialists.",
    "answer": "What was found suffices: have the answer written.",
    "ask": "Ask the user for what only they know.",
    "stop": "End without an answer; `why` is said to the user.",
}
_FIRST: Final = ("retrieve", "delegate", "ask", "stop", "answer")
"""Which function counts where a model calls several that are no tools."""


def function_names(tools: Sequence[ToolSpec]) -> dict[str, str]:
    """The function that stands for each kind of decision; a tool of that name pushes it aside."""
    taken = {spec.name for spec in tools}
    return {kind: f"{kind}_step" if kind in taken else kind for kind in _DESCRIBED}


def functions(view: View, fields: Fields) -> tuple[ToolSpec, ...]:
    """The view's tools, and a function for each other kind of decision that it allows.

    The same for every hop of a run, since a server puts them in front of all messages.
    """
    names = function_names(view.tools)
    offered = []
    for kind, parameters in _parameters(decision_schema(view, fields)).items():
        spec = ToolSpec(
            name=names[kind],
            description=_DESCRIBED[kind],
            effect="read",
            parameters=parameters,
        )
        offered.append(spec)
    return (*view.tools, *offered)


def _parameters(schema: Schema) -> dict[str, Schema]:
    """The parameters of each kind's function; of a kind with several branches, all in one."""
    found: dict[str, Schema] = {}
    for branch in schema["anyOf"]:
        properties = dict(branch["properties"])
        kind = properties.pop("kind")["const"]
        del properties["reason"]
        if kind == "call":
            continue
        held = found.get(kind)
        if held is None:
            found[kind] = closed(properties)
            continue
        merged = {**held["properties"], **properties}
        if "collection" in properties:
            merged["collection"] = {"type": "string"}
        required = [name for name in held["required"] if name in properties]
        found[kind] = closed(merged, required=required)
    return found


def read_calls(completion: Completion, schema: Schema, view: View, fields: Fields) -> AnyDecision:
    """The decision that the completion's function calls stand for. Raises `Unusable`.

    Calls of tools go before everything else; a text without a call means that the model is ready
    to answer.
    """
    names = function_names(view.tools)
    kinds = {name: kind for kind, name in names.items()}
    calls = completion.tool_calls
    unknown = [c.tool for c in calls if c.tool not in kinds and not _is_tool(c, view)]
    if unknown:
        known = [*(spec.name for spec in view.tools), *kinds]
        raise Unusable(f"there is no function {unknown[0]!r}, only {', '.join(known)}")
    if not calls and ("tool_call" in completion.text or not completion.text.strip()):
        raise Unusable("no function was called")
    reason = completion.text.strip() if calls else "the model began to answer"
    return read_decision({**_value(calls, kinds, view), "reason": reason}, schema, view, fields)


def _is_tool(call: ToolCall, view: View) -> bool:
    return any(spec.name == call.tool for spec in view.tools)


def _value(calls: Sequence[ToolCall], kinds: Mapping[str, str], view: View) -> dict[str, Any]:
    """The fields of the decision, without its reason."""
    of_tools = [call for call in calls if _is_tool(call, view)]
    if of_tools:
        each = [{"tool": call.tool, "arguments": dict(call.arguments)} for call in of_tools]
        return {"kind": "call", "calls": each}
    for kind in _FIRST:
        same = [dict(call.arguments) for call in calls if kinds.get(call.tool) == kind]
        if same:
            return {"kind": kind, **_joined(same)}
    return {"kind": "answer"}


def _joined(searches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first call's arguments, with the queries of those that differ in nothing else."""
    first = dict(searches[0])
    if isinstance(first.get("queries"), list):
        rest = {key: value for key, value in first.items() if key != "queries"}
        queries = [
            query
            for each in searches
            if {k: v for k, v in each.items() if k != "queries"} == rest
            and isinstance(each.get("queries"), list)
            for query in each["queries"]
        ]
        first["queries"] = queries[:4]
    return first
