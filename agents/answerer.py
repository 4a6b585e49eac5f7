"""The extractive answerer: quotes what answers, cites every stretch, or says that it does not know.

It writes no sentence of its own about the matter; the few phrases around the quotes stand in
`phrases`. Deterministic: the same view gives the same draft.
"""

import asyncio
from dataclasses import dataclass

from fairlead.agents import phrases
from fairlead.agents.composition import Text
from fairlead.agents.evidence import Evidence, gather
from fairlead.agents.questions import asked, small_talk
from fairlead.agents.quotations import quoted
from fairlead.agents.reports import Report, reported
from fairlead.agents.results import terms
from fairlead.decisions import View
from fairlead.protocols import Embedder
from fairlead.schema import Draft

CONFIDENT = 0.5
"""Evidence below this is not quoted."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One question of the message with what was found for it."""

    question: str
    evidence: Evidence
    report: Report

    @property
    def documented(self) -> bool:
        return bool(self.evidence.supports) and self.evidence.confidence >= CONFIDENT


class ExtractiveAnswerer:
    """Answers with verbatim sentences, list items, table rows, code and tool results.

    Without an embedder it ranks by words alone and abstains more often.
    """

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    async def answer(self, view: View) -> Draft:
        """A draft with a citation for every stretch, or one that abstains and says what it tried."""
        talk = small_talk(view.question)
        if talk:
            return Draft(text=phrases.TALK[talk], confidence=1.0)
        found = await asyncio.to_thread(self._parts, view)
        text = Text()
        for part in found:
            self._write(text, part, alone=len(found) == 1)
        if not text.citations:
            return Draft(
                text=phrases.abstention(view, found[0].evidence if found else Evidence()),
                status="abstained",
                confidence=max((part.evidence.confidence for part in found), default=0.0),
            )
        sure = [part.evidence.confidence for part in found if part.documented]
        return Draft(
            text=text.finished(),
            citations=tuple(text.citations),
            confidence=min(sure, default=1.0),
        )

    def _parts(self, view: View) -> list[_Part]:
        questions = asked(view.question, view.history)
        return [
            _Part(
                question=question.focus,
                evidence=gather(
                    question.text,
                    view.passages,
                    self._embedder,
                    focus=question.focus,
                    facts=terms(view.tool_results),
                ),
                report=reported(question.text, view.tool_results, several=len(questions) > 1),
            )
            for question in questions
        ]

    def _write(self, text: Text, part: _Part, *, alone: bool) -> None:
        text.paragraph()
        report = part.report
        if report.answers:
            report.write(text)
            return
        if part.documented:
            chosen = quoted(part.evidence)
            report.write_context(text, chosen)
            for group in chosen:
                group.write(text)
        elif report.found:
            text.own(phrases.not_found(part.question))
            text.paragraph()
            report.write(text)
        elif not alone:
            text.own(phrases.not_found(part.question))
