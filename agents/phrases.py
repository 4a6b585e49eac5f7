"""The sentences that the embedded answerer says itself; everything else it says is quoted."""

import re
from collections.abc import Sequence
from typing import Final

from fairlead.agents.evidence import Evidence
from fairlead.decisions import View

TALK: Final = {
    "greeting": "Hello! Ask me something, and I look it up in the documents.",
    "thanks": "You are welcome.",
    "farewell": "Goodbye.",
    "identity": "I am an assistant that looks things up. I quote the documents and tools that I "
    "was given, and say so when they hold no answer.",
}
"""Replies to pleasantries, by kind."""
_NEAREST: Final = 3


NOT_FOUND: Final = re.compile(r"I found no answer to “[^”]*”\.")
"""What `not_found` says."""


def not_found(question: str) -> str:
    """Said of one question of several that has no answer."""
    return f"I found no answer to “{question.strip()}”."


def abstention(view: View, evidence: Evidence) -> str:
    """What was searched, what tools said, and where the nearest pages are."""
    said = [_searched(view)]
    said += [f"{r.tool} failed: {r.error}" for r in view.tool_results if r.error]
    near = nearest(evidence)
    if near:
        said.append(f"The nearest pages, without an answer: {'; '.join(near)}.")
    return " ".join(said)


def _searched(view: View) -> str:
    if any(result.error for result in view.tool_results) and not view.passages:
        return "I could not look that up."
    if view.passages:
        return f"I found no answer. I searched the documents for “{view.question.strip()}”."
    if view.collections:
        return f"I found nothing in the documents for “{view.question.strip()}”."
    return "I found no answer: there are no documents to search."


def nearest(evidence: Evidence) -> Sequence[str]:
    """Titles and sources of the pages that came closest, best first."""
    found: dict[str, str] = {}
    for support in evidence.supports:
        passage = support.passage
        name = f"{passage.title} ({passage.source})" if passage.title else passage.source
        found.setdefault(passage.source, name)
    return list(found.values())[:_NEAREST]
