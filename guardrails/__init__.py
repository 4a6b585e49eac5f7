"""Guards: pure functions from untrusted to usable, and the policy on what a call may do.

Nothing here does I/O. A guard cleans and labels; it never decides that a text is safe to obey:
what text from outside may *cause* is limited by `decide`, whatever a model makes of it.
"""

from fairlead.guardrails.admission import admit_hit, admit_output, admit_question
from fairlead.guardrails.credentials import find_secrets
from fairlead.guardrails.pii import find_pii
from fairlead.guardrails.policy import decide
from fairlead.guardrails.sensitive import Sensitive, findings_of, masked
from fairlead.guardrails.text import Cleaned, clean, cut

__all__ = [
    "Cleaned",
    "Sensitive",
    "admit_hit",
    "admit_output",
    "admit_question",
    "clean",
    "cut",
    "decide",
    "find_pii",
    "find_secrets",
    "findings_of",
    "masked",
]
