"""LoRA adapters: admission, registry, rollout, canary, automatic rollback, reconciliation."""

from fairlead.serving.adapters.control import Control, controlled
from fairlead.serving.adapters.outcomes import Outcome
from fairlead.serving.adapters.reconcile import Replica
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry, open_registry
from fairlead.serving.adapters.shares import Choice, Selector, parse_selector

__all__ = [
    "AdapterCard",
    "Choice",
    "Control",
    "Outcome",
    "Registry",
    "Replica",
    "Selector",
    "controlled",
    "open_registry",
    "parse_selector",
]
