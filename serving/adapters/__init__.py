"""LoRA adapters: admission, registry, rollout, canary, automatic rollback, reconciliation."""
