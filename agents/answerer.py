"""The extractive answerer: quotes what answers, cites every stretch, or says that it does not know.

It writes no sentence of its own about the matter; the few phrases around the quotes stand in
`phrases`. Deterministic: the same view gives the same draft.
"""

import asyncio

from fairlead.agents import phrases
from fairlead.agents.cases import Case, cases
from fairlead.agents.composition import Text
from fairlead.agents.evidence import Evidence
from fairlead.agents.questions import small_talk
from fairlead.agents.quotations import Quotation, quoted
from fairlead.decisions import View
from fairlead.protocols import Embedder
from fairlead.schema import Draft


class ExtractiveAnswerer:
    """Answers with verbatim sentences, list items, table rows, code and tool results.

    Without an embedder it ranks by words alone and abstains more often.
    """

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    async def answer(self, view: View) -> Draft:
        """A draft with every stretch cited, or one that abstains and says what was tried."""
        talk = small_talk(view.question)
        if talk:
            return Draft(text=phrases.TALK[talk], confidence=1.0)
        found = await asyncio.to_thread(cases, view, self._embedder)
        text, said = Text(), list[Quotation]()
        for case in found:
            _write(text, case, said, alone=len(found) == 1)
        if not text.citations:
            evidence = found[0].evidence if found else Evidence()
            return Draft(
                text=phrases.abstention(view, evidence),
                status="abstained",
                confidence=max((case.evidence.confidence for case in found), default=0.0),
            )
        sure = [case.evidence.confidence for case in found if case.documented]
        return Draft(
            text=text.finished(),
            citations=tuple(text.citations),
            confidence=min(sure, default=1.0),
        )


def _write(text: Text, case: Case, said: list[Quotation], *, alone: bool) -> None:
    """Adds what is quoted for one question; `said` collects it."""
    text.paragraph()
    if case.report.answers:
        case.report.write(text)
    elif case.documented:
        chosen = quoted(case.evidence, said)
        said += chosen
        case.report.write_context(text, [quotation.passage for quotation in chosen])
        for quotation in chosen:
            quotation.write(text)
    elif case.report.found:
        text.own(phrases.not_found(case.asked.focus))
        text.paragraph()
        case.report.write(text)
    elif not alone:
        text.own(phrases.not_found(case.asked.focus))
