"""vLLM in an environment of its own: installed, started, watched, and kept behind a front."""

from fairlead.serving.launch.environment import Variant, Vllm, cache, chosen, find
from fairlead.serving.launch.installation import Installed, Plan, install, plan

__all__ = [
    "Installed",
    "Plan",
    "Variant",
    "Vllm",
    "cache",
    "chosen",
    "find",
    "install",
    "plan",
]
