"""Each question of a message with what was found for it so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.agents.evidence import Evidence, gather
from fairlead.agents.questions import Asked, asked, topic
from fairlead.agents.reports import Report, concerns, reported
from fairlead.agents.results import terms
from fairlead.decisions import View
from fairlead.protocols import Embedder
from fairlead.schema import ToolResult

CONFIDENT: Final = 0.5
"""Evidence below this is not quoted, and worth another search."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question and what speaks to it."""

    asked: Asked
    results: tuple[ToolResult, ...]
    """Tool results that were fetched for this question."""
    facts: tuple[tuple[str, str], ...]
    """Keys and values of them that tell which rule applies."""
    report: Report
    evidence: Evidence

    @property
    def documented(self) -> bool:
        """Whether the documents answer."""
        return bool(self.evidence.supports) and self.evidence.confidence >= CONFIDENT

    @property
    def failed(self) -> bool:
        """Whether everything hung on calls that failed for something the question names."""
        return bool(self.results) and all(
            result.error and any(_identifies(value) for value in result.arguments.values())
            for result in self.results
        )

    @property
    def settled(self) -> bool:
        """Whether no document is needed, or none can help."""
        return self.report.answers or self.failed


def cases(view: View, embedder: Embedder | None) -> list[Case]:
    """Every question of the view's message. Blocks: embeds."""
    questions = asked(view.question, view.history)
    return [_case(question, view, embedder, several=len(questions) > 1) for question in questions]


def _case(question: Asked, view: View, embedder: Embedder | None, *, several: bool) -> Case:
    results = _concerning(question, view.tool_results, several=several)
    facts = terms(results)
    report = reported(question, results)
    named = any(not result.error for result in results)
    evidence = Evidence()
    if not report.answers:
        evidence = gather(
            topic(question.text) if named else question.text,
            view.passages,
            embedder,
            focus=topic(question.focus) if named else question.focus,
            facts=facts,
        )
    return Case(
        asked=question, results=tuple(results), facts=facts, report=report, evidence=evidence
    )


def _concerning(
    question: Asked, results: Sequence[ToolResult], *, several: bool
) -> list[ToolResult]:
    return [result for result in results if not several or concerns(question.text, result)]


def _identifies(value: object) -> bool:
    said = str(value)
    return "@" in said or any(letter.isdigit() for letter in said)
