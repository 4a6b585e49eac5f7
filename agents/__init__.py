"""Minds: what is known in, a decision or an answer out. Nothing here searches, calls or decides
what is allowed; guarded values come in, and what goes out is verified.
"""

from fairlead.agents.answerer import ExtractiveAnswerer
from fairlead.agents.verifier import verify

__all__ = ["ExtractiveAnswerer", "verify"]
