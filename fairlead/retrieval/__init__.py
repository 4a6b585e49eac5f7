"""Documents: ingesting, chunking, embedding, storing and searching them."""

import importlib
import typing

if typing.TYPE_CHECKING:
    from fairlead.retrieval.integrity import Integrity as Integrity
    from fairlead.retrieval.library import Library as Library
    from fairlead.retrieval.vectors import Progress as Progress

# Imported when asked for: the child process that parses files needs none of it.
_HOMES = {
    "Integrity": "fairlead.retrieval.integrity",
    "Library": "fairlead.retrieval.library",
    "Progress": "fairlead.retrieval.vectors",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fairlead.retrieval' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
