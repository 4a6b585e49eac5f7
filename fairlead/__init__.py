"""Fairlead: assistants whose every hop is planned, guarded, bounded and traced."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.assistant import Assistant as Assistant
    from fairlead.decisions import Decision as Decision
    from fairlead.errors import FairleadError as FairleadError
    from fairlead.schema import Answer as Answer
    from fairlead.schema import Approval as Approval
    from fairlead.schema import ApprovalDecision as ApprovalDecision
    from fairlead.schema import Citation as Citation
    from fairlead.schema import Document as Document
    from fairlead.schema import Event as Event
    from fairlead.schema import Passage as Passage
    from fairlead.schema import Principal as Principal
    from fairlead.settings import Settings as Settings
    from fairlead.tools import Authority as Authority
    from fairlead.tools import Payload as Payload
    from fairlead.tools import tool as tool

_HOMES = {
    "Answer": "fairlead.schema",
    "Approval": "fairlead.schema",
    "ApprovalDecision": "fairlead.schema",
    "Assistant": "fairlead.assistant",
    "Authority": "fairlead.tools",
    "Citation": "fairlead.schema",
    "Decision": "fairlead.decisions",
    "Document": "fairlead.schema",
    "Event": "fairlead.schema",
    "FairleadError": "fairlead.errors",
    "Passage": "fairlead.schema",
    "Payload": "fairlead.tools",
    "Principal": "fairlead.schema",
    "Settings": "fairlead.settings",
    "tool": "fairlead.tools",
}
__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fairlead' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
