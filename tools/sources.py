"""Where tools come from: decorated functions, LangChain tools, other catalogs, plain functions."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, Protocol, TypeAlias, TypeGuard

from fairlead.errors import InputError, SettingsError
from fairlead.protocols import ToolCatalog
from fairlead.schema import Json, Principal, ToolCall, ToolSpec
from fairlead.sections import Declaration
from fairlead.tools.declaration import Declared, Occasion, Started, Tool, roles
from fairlead.tools.langchain import LangChainTool, is_langchain
from fairlead.tools.parameters import Role

Declarations: TypeAlias = Mapping[str, Declaration]
"""`[tools.declare]` of the settings, by tool name."""
_LONGEST: Final = 3600.0
"""Seconds for a catalog's call that nobody limits."""


class Source(Protocol):
    """One tool, wherever it comes from."""

    @property
    def spec(self) -> ToolSpec: ...

    @property
    def seconds(self) -> float | None: ...

    def start(
        self,
        arguments: Mapping[str, Json],
        principal: Principal,
        occasion: Occasion | None = None,
    ) -> Started: ...


def opened(thing: object, declarations: Declarations) -> Iterator[Source]:
    """The tool or tools that `thing` stands for, with what the settings declare of them.

    Raises `InputError` for what is no tool, `SettingsError` for a declaration that does not fit.
    """
    inner = getattr(thing, "__func__", None)
    if isinstance(inner, Tool):  # @classmethod above @tool
        thing = inner.bound(getattr(thing, "__self__", None))
    if isinstance(thing, Tool):
        yield _decorated(thing, declarations)
    elif is_langchain(thing):
        yield LangChainTool(thing, _declared(thing.name, declarations))
    elif _is_catalog(thing):
        for spec in thing.specs():
            yield FromCatalog(thing, _redeclared(spec, declarations))
    elif callable(thing) and not isinstance(thing, type):
        yield Tool(thing, _declared(str(getattr(thing, "__name__", "")), declarations))
    else:
        raise InputError(
            f"{thing!r} is not a tool",
            hint="Pass a function under @tool, a LangChain tool or a catalog.",
        )


class FromCatalog:
    """One tool of another catalog."""

    seconds: float | None = None

    def __init__(self, catalog: ToolCatalog, spec: ToolSpec) -> None:
        self.spec = spec
        self._catalog = catalog

    def start(
        self,
        arguments: Mapping[str, Json],
        principal: Principal,
        occasion: Occasion | None = None,
    ) -> Started:
        """The call; the catalog checks its arguments itself when it is begun."""
        occasion = occasion or Occasion(seconds=_LONGEST)
        call = ToolCall(tool=self.spec.name, arguments=arguments, call_id=occasion.call_id)
        return partial(
            self._catalog.call,
            call,
            principal,
            seconds=occasion.seconds,
            run_id=occasion.run_id,
            hop=occasion.hop,
        )


def _is_catalog(thing: object) -> TypeGuard[ToolCatalog]:
    if isinstance(thing, type):
        return False
    return callable(getattr(thing, "specs", None)) and callable(getattr(thing, "call", None))


def _decorated(tool: Source, declarations: Declarations) -> Source:
    if tool.spec.name in declarations:
        raise SettingsError(
            f"tool {tool.spec.name!r} declares its effect in code and in the settings",
            hint=f"Remove [tools.declare.{tool.spec.name}].",
        )
    return tool


def _declared(name: str, declarations: Declarations) -> Declared:
    """What the settings say of a tool that cannot be decorated; else the strictest."""
    said = declarations.get(name)
    if said is None:
        return Declared()
    return Declared(
        effect=said.effect, authority=said.authority, payload=said.payload, returns=said.returns
    )


def _redeclared(spec: ToolSpec, declarations: Declarations) -> ToolSpec:
    if spec.name not in declarations:
        return spec
    declared = _declared(spec.name, declarations)
    names = spec.parameters.get("properties")
    marked: dict[str, Role | None] = dict.fromkeys(names if isinstance(names, Mapping) else ())
    parts = roles(declared, marked, spec.name)
    return replace(
        spec,
        effect=declared.effect,
        returns=declared.returns,
        authority=parts.authority,
        payload=parts.payload,
    )
