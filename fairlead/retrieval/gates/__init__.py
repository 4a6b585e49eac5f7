"""What a document passes before it becomes visible: each gate lets it through, changed or not, or
keeps it out with a reason."""

from fairlead.retrieval.gates.duplicates import Duplicates
from fairlead.retrieval.gates.examination import Examination, Held, Passed
from fairlead.retrieval.gates.rules import Rules

__all__ = ["Duplicates", "Examination", "Held", "Passed", "Rules"]
