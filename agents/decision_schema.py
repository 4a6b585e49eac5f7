"""The JSON Schema of the decisions that a view allows, for a server that decodes by it.

`kind` comes first in every branch, so that the probability of its token is that of the decision.
Only what grammars of structured output know is used: const, enum, anyOf, properties, required,
additionalProperties false, items, minItems, maxItems, maxLength. Whatever else a tool's parameters
ask for is checked once the decision is there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from fairlead.agents.remembered import once_each
from fairlead.decisions import View
from fairlead.schema import Json, ToolSpec

CALLS: Final = 4
"""Calls of one decision."""
QUERIES: Final = 4
TASKS: Final = 4
REASON: Final = 200
"""Characters of a reason, of a query, and of what is said to the user."""
SAID: Final = 400
ARGUMENT: Final = 2000
"""Characters of a tool's argument."""
_DEPTH: Final = 8
"""How deep a tool's parameters are followed; what lies deeper may be any JSON."""

Schema = dict[str, Any]
Fields = Mapping[str, Mapping[str, str]]
"""Collection → field that can be filtered on → `string`, `number`, `boolean` or `date`."""


def decision_schema(view: View, fields: Fields | None = None) -> Schema:
    """One branch for each kind of decision that the view allows; a `call` for its tools alone."""
    kinds: list[Schema] = []
    if view.tools and view.budget.tool_calls > 0:
        kinds.append(branch("call", calls=calls_schema(view.tools)))
    if view.collections:
        kinds += retrieve_branches(view.collections, fields or {})
    if view.agents:
        kinds.append(branch("delegate", tasks=tasks_schema(view.agents)))
    kinds += [
        branch("answer"),
        branch("ask", question=text(SAID)),
        branch("stop", why=text(SAID)),
    ]
    return {"anyOf": kinds}


def branch(kind: str, **properties: Schema) -> Schema:
    """A decision of one kind; every property is required."""
    return closed({"kind": {"const": kind}, "reason": text(REASON), **properties})


def closed(properties: Mapping[str, Schema], required: Iterable[str] | None = None) -> Schema:
    """An object with these properties and no others, all required unless `required` is given."""
    needed = list(properties) if required is None else list(required)
    found: Schema = {"type": "object", "properties": dict(properties)}
    return {**found, "required": needed, "additionalProperties": False}


def text(longest: int) -> Schema:
    return {"type": "string", "maxLength": longest}


def several(items: Schema, most: int) -> Schema:
    """A list of one to `most` items."""
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def retrieve_branches(collections: Sequence[str], fields: Fields) -> list[Schema]:
    """Searches of everything or of one collection; filters only where fields are declared."""
    wanted = several(text(REASON), QUERIES)
    found = [branch("retrieve", queries=wanted)]
    plain = [name for name in collections if name not in fields]
    if plain and len(collections) > 1:
        found.append(branch("retrieve", collection={"enum": plain}, queries=wanted))
    for name in collections:
        if name in fields:
            found.append(
                branch(
                    "retrieve",
                    collection={"const": name},
                    filters=filters_schema(fields[name]),
                    queries=wanted,
                )
            )
    return found


def filters_schema(fields: Mapping[str, str]) -> Schema:
    """Any of the fields, equal to a value or, for numbers and dates, within bounds."""
    return closed({name: _condition(kind) for name, kind in fields.items()}, required=())


def _condition(kind: str) -> Schema:
    value: Schema = text(REASON) if kind in ("string", "date") else {"type": kind}
    if kind not in ("number", "date"):
        return value
    return {"anyOf": [value, closed({"gte": value, "lte": value}, required=())]}


def tasks_schema(agents: Sequence[str]) -> Schema:
    task = closed({"agent": {"enum": list(agents)}, "task": text(ARGUMENT)})
    return several(task, TASKS)


def calls_schema(tools: Sequence[ToolSpec]) -> Schema:
    """One branch for each tool, with its own arguments."""
    each = [
        closed({"tool": {"const": spec.name}, "arguments": arguments_schema(spec)})
        for spec in tools
    ]
    return several(each[0] if len(each) == 1 else {"anyOf": each}, CALLS)


@once_each
def arguments_schema(spec: ToolSpec) -> Schema:
    """The tool's parameters in the part of JSON Schema that grammars know."""
    known = spec.parameters.get("$defs") or spec.parameters.get("definitions")
    shape = _reduced(spec.parameters, known if isinstance(known, Mapping) else {}, _DEPTH)
    return shape if "properties" in shape else closed({})


def _reduced(schema: Any, known: Mapping[str, Json], depth: int) -> Schema:
    if not isinstance(schema, Mapping) or depth == 0:
        return {}
    if isinstance(schema.get("$ref"), str):
        return _reduced(known.get(schema["$ref"].rpartition("/")[2]), known, depth - 1)
    if "const" in schema:
        return {"const": schema["const"]}
    if isinstance(schema.get("enum"), list):
        return {"enum": schema["enum"]}
    ways = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(ways, list):
        return {"anyOf": [_reduced(way, known, depth - 1) for way in ways]}
    whole = schema.get("allOf")
    if isinstance(whole, list) and len(whole) == 1:
        return _reduced(whole[0], known, depth - 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        return {"anyOf": [_reduced({**schema, "type": one}, known, depth) for one in kind]}
    return _typed(schema, kind, known, depth)


def _typed(schema: Mapping[str, Any], kind: Any, known: Mapping[str, Json], depth: int) -> Schema:
    """What is left of a schema of one type."""
    if kind == "string":
        given = schema.get("maxLength")
        return text(min(given, ARGUMENT) if isinstance(given, int) else ARGUMENT)
    if kind == "array":
        bounds = {key: schema[key] for key in ("minItems", "maxItems") if key in schema}
        items = _reduced(schema.get("items"), known, depth - 1)
        return {"type": "array", **({"items": items} if items else {}), **bounds}
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        inner = {name: _reduced(each, known, depth - 1) for name, each in properties.items()}
        needed = schema.get("required")
        required = needed if isinstance(needed, list) else []
        return closed(inner, required=[name for name in required if name in inner])
    return {"type": kind} if isinstance(kind, str) else {}


def as_json(value: object) -> str:
    """JSON without spaces, as `fairlead models serve` has a server write it: so a decision that is
    shown to the planner again is, token by token, the one in the server's prefix cache."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a number beyond 64 bits, half a character
        return _JSON.encode(value)


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
