"""Minds: what is known in, a decision or an answer out.

Nothing here searches, calls or allows anything. Guarded values come in; a draft is verified before
anybody sees it.
"""

from fairlead.agents.answerer import ExtractiveAnswerer
from fairlead.agents.fallback import FallbackAnswerer
from fairlead.agents.mending import Entailment, entailed, mended
from fairlead.agents.model_planner import ModelPlanner
from fairlead.agents.planner import EmbeddedPlanner
from fairlead.agents.prompts import write_prompt
from fairlead.agents.scripted import ScriptedPlanner
from fairlead.agents.verifier import Fault, verify
from fairlead.agents.writer import ModelAnswerer

__all__ = [
    "EmbeddedPlanner",
    "Entailment",
    "ExtractiveAnswerer",
    "FallbackAnswerer",
    "Fault",
    "ModelAnswerer",
    "ModelPlanner",
    "ScriptedPlanner",
    "entailed",
    "mended",
    "verify",
    "write_prompt",
]
