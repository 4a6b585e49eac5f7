"""What is made from an object again and again, made once: by identity, the object kept with it."""

from collections.abc import Callable
from typing import Final, TypeVar

_KEPT: Final = 1024
"""Objects of one function."""
_Object = TypeVar("_Object")
_Made = TypeVar("_Made")


def once_each(make: Callable[[_Object], _Made]) -> Callable[[_Object], _Made]:
    """`make`, called once for each object, which is frozen; what it returns is never changed."""
    made: dict[int, tuple[_Object, _Made]] = {}

    def remembered(given: _Object) -> _Made:
        found = made.get(id(given))
        if found is None:
            if len(made) >= _KEPT:
                made.clear()
            found = made[id(given)] = (given, make(given))  # kept, so that its id stays its own
        return found[1]

    remembered.__doc__ = make.__doc__
    return remembered
