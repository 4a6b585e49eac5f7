"""Tools as a planning model reads them: one line for each, and one for each of its parameters."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fairlead.agents.decision_schema import arguments_schema
from fairlead.agents.remembered import once_each
from fairlead.schema import ToolSpec

_LONGEST: Final = 300
"""Characters of a description; longer ones are cut."""


@once_each
def described(spec: ToolSpec) -> str:
    """The tool's name, what it does, its effect where it has one, and its parameters."""
    effect = "" if spec.effect in ("read", "egress") else f" ({spec.effect})"
    shape = arguments_schema(spec)
    given = spec.parameters.get("properties")
    lines = [f"- {spec.name}{effect}: {_line(spec.description)}"]
    for name, kind in shape["properties"].items():
        said = f"    {name} ({worded(kind)}{'' if name in shape['required'] else ', optional'})"
        about = given.get(name) if isinstance(given, Mapping) else None
        what = about.get("description") if isinstance(about, Mapping) else None
        lines.append(f"{said}: {_line(what)}" if isinstance(what, str) else said)
    return "\n".join(lines)


def worded(shape: Mapping[str, Any]) -> str:
    """A reduced JSON Schema in words: `list of string`, `{sku: string, count?: integer}`."""
    if "const" in shape:
        return _json(shape["const"])
    if "enum" in shape:
        return " or ".join(map(_json, shape["enum"]))
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(map(worded, shape["anyOf"])))
    if shape.get("type") == "array":
        return f"list of {worded(shape.get('items', {}))}"
    if "properties" in shape:
        inner = (
            f"{name}{'' if name in shape['required'] else '?'}: {worded(kind)}"
            for name, kind in shape["properties"].items()
        )
        return f"{{{', '.join(inner)}}}"
    return str(shape.get("type", "any"))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _line(said: str) -> str:
    line = " ".join(said.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
