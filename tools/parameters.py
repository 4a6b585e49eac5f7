"""A function's parameters: their JSON Schema, their roles, and checking what a planner fills in."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import SchemaError, to_jsonable_python
from typing_extensions import TypedDict

from fairlead.errors import InputError
from fairlead.schema import Json, Principal
from fairlead.tools.docstrings import Docstring


class Authority:
    """Marks an argument that decides who, where, how much or which: `Annotated[str, Authority]`."""


class Payload:
    """Marks an argument that is only content, such as a subject or a body."""


Role = Literal["authority", "payload"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One argument a planner may fill in."""

    name: str
    type: Any
    role: Role | None
    description: str = ""
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


class Parameters:
    """What a function takes: `items` from the planner, `principal` (a name or None) from Fairlead.

    `bound=False`: the first one is the object a method belongs to. Raises `InputError` for a
    parameter that a planner cannot fill in.
    """

    def __init__(
        self, fn: Callable[..., object], doc: Docstring, tool: str, *, bound: bool = True
    ) -> None:
        self._tool = tool
        self.principal: str | None = None
        items: list[Parameter] = []
        hints = _hints(fn, tool)
        given = list(inspect.signature(fn).parameters.values())
        for parameter in given if bound else given[1:]:
            _refuse_unfillable(parameter, hints, tool)
            hint = hints[parameter.name]
            if _is_principal(hint):
                self.principal = parameter.name
                continue
            items.append(
                Parameter(
                    name=parameter.name,
                    type=hint,
                    role=_role(hint, parameter.name, tool),
                    description=doc.parameters.get(parameter.name, ""),
                    default=parameter.default,
                )
            )
        self.items = tuple(items)
        self.schema = self._schema()

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        fields: dict[str, Any] = {}
        for item in self.items:
            described = Field(description=item.description or None)
            kind: Any = Annotated.__class_getitem__((item.type, described))  # type: ignore[attr-defined] # a value, not a hint
            fields[item.name] = kind if item.required else NotRequired[kind]
        arguments = TypedDict("arguments", fields)  # type: ignore[misc] # built from the signature
        arguments.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined] # pydantic's hook
            extra="forbid", arbitrary_types_allowed=False
        )
        return TypeAdapter(arguments)

    def _schema(self) -> Mapping[str, Json]:
        try:
            schema = self._adapter.json_schema()
        except (PydanticUserError, SchemaError, NameError) as error:
            said = str(error).splitlines()[0]
            raise InputError(
                f"tool {self._tool!r} has a parameter that JSON cannot express: {said}",
                hint="Use str, int, float, bool, list, dict, Literal, Enum, a dataclass or a "
                "pydantic model.",
            ) from error
        for item in self.items:
            if not item.required:
                schema["properties"][item.name].setdefault("default", _plain(item.default))
        found: Mapping[str, Json] = untitled(schema)
        return found

    def check(self, arguments: Mapping[str, Json]) -> dict[str, object]:
        """The arguments as the function's own types. Raises `InputError` naming each bad one."""
        try:
            values: dict[str, object] = self._adapter.validate_python(dict(arguments))
        except ValidationError as error:
            raise InputError(
                f"bad arguments for {self._tool!r}: {'; '.join(self._complaints(error))}",
                hint=f"See `fairlead tools show {self._tool}`.",
            ) from error
        return values

    def _complaints(self, error: ValidationError) -> Iterator[str]:
        for wrong in error.errors(include_url=False, include_context=False):
            where = ".".join(str(part) for part in wrong["loc"]) or "arguments"
            if wrong["type"] == "extra_forbidden":
                known = ", ".join(repr(item.name) for item in self.items) or "none"
                yield f"{where!r} is not a parameter (there are: {known})"
            elif wrong["type"] == "missing":
                yield f"{where!r} is missing, expected {self._expected(str(wrong['loc'][0]))}"
            else:
                yield f"{where!r}: {wrong['msg']}, got {_shown(wrong['input'])}"

    def _expected(self, name: str) -> str:
        properties = self.schema.get("properties")
        shape = properties.get(name) if isinstance(properties, Mapping) else None
        kind = shape.get("type") if isinstance(shape, Mapping) else None
        return str(kind) if kind else "a value (see its schema)"


def _hints(fn: Callable[..., object], tool: str) -> dict[str, Any]:
    inner = fn.func if isinstance(fn, partial) else fn
    target = inner if inspect.isroutine(inner) else type(inner).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise InputError(
            f"the type hints of tool {tool!r} cannot be read: {error}",
            hint="Define the types it names at module level, or leave out "
            "`from __future__ import annotations` in that file.",
        ) from error


def _refuse_unfillable(parameter: inspect.Parameter, hints: Mapping[str, Any], tool: str) -> None:
    name, kind = parameter.name, parameter.kind
    if kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise InputError(
            f"tool {tool!r} takes {kind.description} arguments ({name!r})",
            hint="Name each parameter: a planner has to know what to fill in.",
        )
    if kind is parameter.POSITIONAL_ONLY:
        raise InputError(
            f"parameter {name!r} of tool {tool!r} is positional-only",
            hint="Remove the '/': arguments are passed by name.",
        )
    if name not in hints:
        raise InputError(
            f"parameter {name!r} of tool {tool!r} has no type hint",
            hint=f"Annotate it, for example `{name}: str`.",
        )


def _is_principal(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        return kinds == [Principal]
    return hint is Principal


def _role(hint: Any, name: str, tool: str) -> Role | None:
    marks = {mark if isinstance(mark, type) else type(mark) for mark in _marks(hint)}
    if {Authority, Payload} <= marks:
        raise InputError(
            f"parameter {name!r} of tool {tool!r} is marked Authority and Payload",
            hint="Keep one: Authority decides who, where, how much; Payload is only content.",
        )
    if Authority in marks:
        return "authority"
    return "payload" if Payload in marks else None


def _marks(hint: Any) -> Iterator[Any]:
    """What `Annotated` says anywhere inside the hint."""
    if get_origin(hint) is Annotated:
        yield from hint.__metadata__
    for inner in get_args(hint):
        if get_origin(inner) is not None:
            yield from _marks(inner)


def _plain(default: object) -> Json:
    try:
        plain: Json = to_jsonable_python(default)
    except ValueError:
        return repr(default)
    return plain


def untitled(schema: Any) -> Any:
    """The schema without the titles pydantic adds: they repeat the names."""
    if isinstance(schema, list):
        return [untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key in ("properties", "$defs"):
            kept[key] = {name: untitled(inner) for name, inner in value.items()}
        else:
            kept[key] = (
                value if key in ("default", "enum", "const", "examples") else untitled(value)
            )
    return kept


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
