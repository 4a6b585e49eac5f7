"""The numbers that a chunker can be given in its name: `recursive:tokens=128`."""

from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from fairlead.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def parameter(default: int, least: int, most: int) -> Any:
    """A dataclass field with its bounds."""
    return field(default=default, metadata={"least": least, "most": most})


def identity(chunker: "DataclassInstance", name: str) -> str:
    """Name and revision, with the parameters that differ from their defaults."""
    values = {each.name: getattr(chunker, each.name) for each in fields(chunker)}
    changed = [f"{e.name}={values[e.name]}" for e in fields(chunker) if values[e.name] != e.default]
    return ":".join([name, ",".join(changed)] if changed else [name])


def configured(kind: type[T], name: str, given: str) -> T:
    """The chunker with parameters written as `tokens=128,table=512`.

    Raises `InputError` for an unknown parameter or a value that is no number within its bounds.
    """
    known = {each.name: each.metadata for each in fields(kind)}
    values: dict[str, int] = {}
    for pair in filter(None, given.split(",")):
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in known:
            raise InputError(
                f"chunker {name!r} has no parameter {key!r}",
                hint=f"It has {', '.join(known)}; write {name}:{next(iter(known))}=NUMBER.",
            )
        least, most = known[key]["least"], known[key]["most"]
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise InputError(
                f"{value!r} is no value for {key!r} of chunker {name!r}",
                hint=f"Give a number from {least} to {most}.",
            )
        values[key] = int(value)
    return kind(**values)
