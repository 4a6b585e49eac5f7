"""LoRA adapters: admission, registry, rollout, canary, automatic rollback, reconciliation."""

from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry, open_registry

__all__ = ["AdapterCard", "Registry", "open_registry"]
