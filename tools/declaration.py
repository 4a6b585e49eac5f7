"""Tools made from functions: `@tool` says what calling one does."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import (
    Any,
    Generic,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    overload,
)

from fairlead.errors import InputError, SettingsError
from fairlead.schema import Effect, Json, Principal, ToolSpec
from fairlead.tools import docstrings
from fairlead.tools.parameters import Parameters, Role
from fairlead.tools.threads import in_thread

P = ParamSpec("P")
R = TypeVar("R")
Returns: TypeAlias = Literal["untrusted", "first_party"]
Started: TypeAlias = Callable[[], Awaitable[object]]
"""A call whose arguments are checked; calling it runs the tool."""

EFFECTFUL = frozenset({"write", "send", "destroy", "execute", "admin"})
"""Effects that change something: journaled, and their undeclared arguments are authority."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """When in a run a call is made, and how many seconds it has."""

    seconds: float
    call_id: str = ""
    run_id: str = ""
    hop: int = 0


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the author says of a function; None where the function itself says it."""

    effect: Effect = "admin"
    name: str | None = None
    description: str | None = None
    seconds: float | None = None
    returns: Returns = "untrusted"
    authority: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()


class Tool(Generic[P, R]):
    """A function with its declaration. Calling it calls the plain function.

    On a method the class attribute is a template: reach the tool through an instance (`desk.find`).
    """

    __name__: str

    def __init__(self, fn: Callable[P, R], declared: Declared) -> None:
        self.fn = fn
        self.declared = declared
        self.name = _named(fn, declared)
        self._template = _is_method(fn)
        self._is_async = _is_async(fn)
        update_wrapper(self, fn)
        _refuse_undeclarable(fn, declared, self.name)
        doc = docstrings.read(inspect.getdoc(fn))
        self._parameters = Parameters(fn, doc, self.name, bound=not self._template)
        marked = {item.name: item.role for item in self._parameters.items}
        parts = roles(declared, marked, self.name)
        self._spec = ToolSpec(
            name=self.name,
            description=declared.description or doc.description,
            effect=declared.effect,
            parameters=self._parameters.schema,
            source=_source(fn),
            returns=declared.returns,
            authority=parts.authority,
            payload=parts.payload,
        )

    @property
    def spec(self) -> ToolSpec:
        """What planner and policy may know of it."""
        if self._template:
            raise InputError(
                f"tool {self.name!r} is a method and needs its object",
                hint=f"Pass the method of an instance, for example `desk.{self.name}`.",
            )
        return self._spec

    @property
    def seconds(self) -> float | None:
        """Its own time limit for one call, where it has one."""
        return self.declared.seconds

    def start(
        self,
        arguments: Mapping[str, Json],
        principal: Principal,
        occasion: Occasion | None = None,
    ) -> Started:
        """The call, checked but not begun. Raises `InputError` for bad arguments."""
        values = self._parameters.check(arguments)
        if self._parameters.principal:
            values[self._parameters.principal] = principal
        ready: Callable[[], Any] = partial(cast(Callable[..., Any], self.fn), **values)
        return ready if self._is_async else partial(in_thread, ready)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type) -> "Tool[P, R]": ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> "Tool[..., R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> "Tool[..., R]":
        return self if instance is None or not self._template else self.bound(instance)

    def bound(self, instance: object) -> "Tool[..., R]":
        """The tool of the method of `instance`."""
        method = cast(Tool[..., R], copy(self))
        method.fn = self.fn.__get__(instance)
        method._template = False
        return method

    def __repr__(self) -> str:
        return f"<Tool {self.name!r} effect={self.declared.effect!r}>"


@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    effect: Effect = ...,
    name: str | None = ...,
    description: str | None = ...,
    seconds: float | None = ...,
    returns: Returns = ...,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    effect: Effect = "admin",
    name: str | None = None,
    description: str | None = None,
    seconds: float | None = None,
    returns: Returns = "untrusted",
) -> Any:
    """Declares a function as a tool: `@tool`, `@tool(effect="read")` or `tool(function)`.

    `effect`: what a call does; the strictest where it is not said. `name` and `description`: else
    the function's own name and docstring. `seconds`: its time limit. `returns="first_party"`: its
    output is our own record or calculation and carries nobody else's text.
    Raises `InputError` for a function that a planner could not call, saying how to mend it.
    """
    declared = Declared(
        effect=effect, name=name, description=description, seconds=seconds, returns=returns
    )
    if fn is None:
        return lambda function: Tool(_unwrapped(function), declared)
    return Tool(_unwrapped(fn), declared)


class Roles(NamedTuple):
    """Arguments by role."""

    authority: tuple[str, ...]
    payload: tuple[str, ...]


def roles(declared: Declared, marked: Mapping[str, Role | None], tool: str) -> Roles:
    """The arguments by role. What an effectful tool leaves open is authority.

    Raises `SettingsError` for a declared argument that the tool does not have.
    """
    for named in (*declared.authority, *declared.payload):
        if named not in marked:
            raise SettingsError(  # only settings name arguments apart from the function
                f"[tools.declare.{tool}] names {named!r}, which the tool does not take",
                hint=f"It takes: {', '.join(map(repr, marked)) or 'nothing'}.",
            )
    content = {name for name, mark in marked.items() if mark == "payload"} | {*declared.payload}
    deciding = {name for name, mark in marked.items() if mark == "authority"}
    if declared.effect in EFFECTFUL:
        deciding |= marked.keys() - content
    deciding |= {*declared.authority}
    return Roles(
        authority=tuple(name for name in marked if name in deciding),
        payload=tuple(name for name in marked if name in content - deciding),
    )


def _unwrapped(fn: Any) -> Callable[..., Any]:
    if isinstance(fn, classmethod | staticmethod):
        raise InputError(
            f"@tool stands above @{type(fn).__name__}",
            hint=f"Put @{type(fn).__name__} above @tool.",
        )
    if isinstance(fn, Tool) or not callable(fn):
        raise InputError(
            f"{fn!r} is not a function", hint="Declare a plain or async function, once."
        )
    checked: Callable[..., Any] = fn
    return checked


def _named(fn: Callable[..., object], declared: Declared) -> str:
    inner = fn.func if isinstance(fn, partial) else fn
    called = declared.name or str(getattr(inner, "__name__", type(inner).__name__))
    if not NAME.fullmatch(called):
        raise InputError(
            f"{called!r} cannot be a tool's name",
            hint="Give one: @tool(name=...), at most 64 letters, digits, '_' and '-'.",
        )
    return called


def _refuse_undeclarable(fn: Callable[..., object], declared: Declared, name: str) -> None:
    if declared.effect not in get_args(Effect):
        raise InputError(
            f"tool {name!r} has the unknown effect {declared.effect!r}",
            hint=f"One of {', '.join(get_args(Effect))}.",
        )
    if declared.returns not in get_args(Returns):
        raise InputError(
            f"tool {name!r} has the unknown returns {declared.returns!r}",
            hint=f"One of {', '.join(get_args(Returns))}.",
        )
    if declared.seconds is not None and not declared.seconds > 0:
        raise InputError(
            f"tool {name!r} has a time limit of {declared.seconds!r} seconds",
            hint="Give a positive number, or none for the one in the settings.",
        )
    if not (declared.description or docstrings.read(inspect.getdoc(fn)).description):
        raise InputError(
            f"tool {name!r} has no docstring",
            hint="Say in one line what it does: planners choose tools by it.",
        )
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise InputError(
            f"tool {name!r} yields its output piece by piece",
            hint="Return it whole, for example as a list.",
        )


def _is_method(fn: Callable[..., object]) -> bool:
    """Whether `fn` still lacks the object it belongs to."""
    return next(iter(inspect.signature(fn).parameters), "") in ("self", "cls")


def _is_async(fn: Callable[..., object]) -> bool:
    inner = fn.func if isinstance(fn, partial) else fn
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(
        getattr(inner, "__call__", None)  # noqa: B004 - an object with an async __call__
    )


def _source(fn: Callable[..., object]) -> str:
    inner = fn.func if isinstance(fn, partial) else fn
    return f"python:{getattr(inner, '__module__', None) or type(inner).__module__}"
