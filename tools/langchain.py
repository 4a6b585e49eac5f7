"""LangChain tools as Fairlead tools. Undeclared ones count as `admin`, which policy refuses."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import ValidationError

from fairlead.errors import InputError
from fairlead.schema import Json, Principal, ToolSpec
from fairlead.tools.declaration import NAME, Declared, Occasion, Started, roles
from fairlead.tools.parameters import Role, untitled
from fairlead.tools.threads import in_thread

if TYPE_CHECKING:  # 0.4 s to import; whoever passes such a tool has imported it already
    from langchain_core.tools import BaseTool


def is_langchain(value: object) -> "TypeGuard[BaseTool]":
    """Whether `value` is a LangChain tool, without importing LangChain."""
    module = sys.modules.get("langchain_core.tools.base")
    return module is not None and isinstance(value, module.BaseTool)


class LangChainTool:
    """One LangChain tool. It checks its own arguments; its schema is converted once."""

    seconds: float | None = None

    def __init__(self, tool: "BaseTool", declared: Declared) -> None:
        self._tool = tool
        if not NAME.fullmatch(tool.name):
            raise InputError(
                f"{tool.name!r} cannot be a tool's name",
                hint="Rename it: at most 64 letters, digits, '_' and '-'.",
            )
        self._arguments = tool.tool_call_schema
        schema = _schema(self._arguments)
        names = schema.get("properties")
        marked: dict[str, Role | None] = dict.fromkeys(names if isinstance(names, Mapping) else ())
        parts = roles(declared, marked, tool.name)
        self.spec = ToolSpec(
            name=tool.name,
            description=tool.description,
            effect=declared.effect,
            parameters=schema,
            source=f"langchain:{type(tool).__module__}",
            returns=declared.returns,
            authority=parts.authority,
            payload=parts.payload,
        )

    def start(
        self,
        arguments: Mapping[str, Json],
        principal: Principal,
        occasion: Occasion | None = None,
    ) -> Started:
        """The call, its arguments checked where the tool has a pydantic model for them."""
        check = getattr(self._arguments, "model_validate", None)
        if check is not None:
            _checked(check, arguments, self.spec.name)
        given = dict(arguments)
        if _has_own_coroutine(self._tool):
            return partial(self._tool.ainvoke, given)
        return partial(in_thread, partial(self._tool.invoke, given))


def _checked(
    check: Callable[[dict[str, Json]], object], arguments: Mapping[str, Json], tool: str
) -> None:
    try:
        check(dict(arguments))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])!r}: {e['msg']}"
            for e in error.errors(include_url=False, include_context=False)
        )
        raise InputError(
            f"bad arguments for {tool!r}: {wrong}", hint=f"See `fairlead tools show {tool}`."
        ) from error


def _schema(arguments: Any) -> dict[str, Json]:
    if isinstance(arguments, dict):
        return arguments
    model = getattr(arguments, "model_json_schema", None) or arguments.schema  # pydantic 2, then 1
    schema: dict[str, Json] = untitled(model())
    return schema


def _has_own_coroutine(tool: "BaseTool") -> bool:
    """False where LangChain would only move the blocking function to the loop's executor."""
    inherited = sys.modules["langchain_core.tools.base"].BaseTool._arun
    own = type(tool)._arun is not inherited
    return own and getattr(tool, "coroutine", True) is not None
