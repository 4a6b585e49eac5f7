"""Several questions in one, taken apart by rules."""

import re
from typing import Final

from fairlead.retrieval.analysis import STOP_WORDS, words

SHORTEST: Final = 5
"""Words of a clause that is searched by itself."""
MOST: Final = 4
_BREAK: Final = re.compile(
    r"[;?]\s+|,\s+(?:and|or|but|while|whereas)?\s*|\s+(?:while|whereas|compared (?:to|with)|versus"
    r"|in contrast(?: to)?|as well as)\s+|\s+and\s+(?=(?:the|whether|a|an|another|what|when|where"
    r"|which|who|why|how|is|are|do|does|can)\b)",
    re.IGNORECASE,
)


def clauses(question: str) -> tuple[str, ...]:
    """The parts of a question that can be searched by themselves; none where it is one.

    A part has five words or more, two of them not stop words. At most four, in order.
    """
    parts = [part.strip(" ,;?.") for part in _BREAK.split(question)]
    found = [part for part in parts if _stands(part)]
    return tuple(found[:MOST]) if len(found) > 1 else ()


def _stands(part: str) -> bool:
    said = words(part)
    return len(said) >= SHORTEST and sum(word not in STOP_WORDS for word in said) >= 2
