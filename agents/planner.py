"""The embedded planner: rules, and the meaning of words by a small embedding model.

One hop at a time: calls whose arguments the question holds come first, then searches narrowed by
what the calls said, a wider search where little was found, then the answer. It keeps nothing
between hops but the vectors of tool descriptions: the same view gives the same decision.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from fairlead.agents.choices import Choice, Chooser, made, refers, wanted_words
from fairlead.agents.evidence import gather
from fairlead.agents.questions import Asked, asked, small_talk
from fairlead.agents.reports import reported
from fairlead.agents.results import terms
from fairlead.agents.searches import queries, widened
from fairlead.decisions import AnswerNow, AnyDecision, Ask, Call, Retrieve, Stop, View
from fairlead.protocols import Embedder
from fairlead.schema import ToolResult

LITTLE: Final = 0.5
"""Search confidence below which a second, wider search is made."""
COVERED: Final = 0.4
"""Share of the question's weighted words in one stretch below which it is made too."""
CALLS: Final = 4
"""Calls of one decision."""


class EmbeddedPlanner:
    """Chooses the next hop without a language model. Without an embedder it goes by words alone."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._chooser = Chooser(embedder)

    async def plan(self, view: View) -> AnyDecision:
        """The next hop. Never repeats a call; searches twice at most."""
        return await asyncio.to_thread(self._decided, view)

    def _decided(self, view: View) -> AnyDecision:
        talk = small_talk(view.question)
        if talk:
            return AnswerNow(reason=f"this is {_PLEASANTRY[talk]}: nothing to look up")
        if view.budget.hops <= 1:
            return AnswerNow(reason="the last hop is kept for the answer")
        questions = asked(view.question, view.history)
        return (
            self._called(view, questions)
            or self._searched(view, questions)
            or AnswerNow(reason=_sufficient(view))
        )

    def _called(self, view: View, questions: Sequence[Asked]) -> AnyDecision | None:
        """The calls that the questions need and that were not made yet, or what to ask for."""
        chosen: list[Choice] = []
        for question in questions:
            choices = self._chooser.choices(question, view)
            best = next((c for c in choices if c.ready or _wants(question, c)), None)
            if best is None or (best.ready and made(best.call, view.tool_results)):
                continue
            if not best.ready:
                return _asking_back(best)
            if best.call not in [choice.call for choice in chosen]:
                chosen.append(best)
        if not chosen or view.budget.tool_calls < len(chosen):
            return None
        calls = tuple(choice.call for choice in chosen[:CALLS])
        return Call(calls=calls, reason="; ".join(_called_for(c) for c in chosen[:CALLS]))

    def _searched(self, view: View, questions: Sequence[Asked]) -> AnyDecision | None:
        """The search that is still worth making."""
        several = len(questions) > 1
        open_ = [q for q in questions if not _settled(q, view.tool_results, several)]
        if not open_:
            return None
        if not view.collections:
            if view.tool_results:
                return None
            return Stop(
                why="I cannot answer that: there are no documents to search, and no tool fits.",
                reason="no collection, and no tool whose arguments the question holds",
            )
        before = sum(hop.kind == "retrieve" for hop in view.hops)
        said = terms(view.tool_results)
        if before == 0:
            return Retrieve(queries=queries(open_, said), reason=_looked_up(said, several))
        if before == 1 and view.passages and view.budget.hops > 2:
            little = _little(view, open_)
            if little:
                return Retrieve(
                    queries=tuple(widened(q.text, view.passages) for q in open_), reason=little
                )
        return None


_PLEASANTRY: Final = {
    "greeting": "a greeting",
    "thanks": "thanks",
    "farewell": "a farewell",
    "identity": "a question about the assistant itself",
}


def _wants(question: Asked, choice: Choice) -> bool:
    """Whether the tool is meant although arguments are missing, so that asking back helps."""
    if not choice.filled.missing:
        return False
    return choice.asked_for or (choice.relevance >= 0.5 and refers(question.focus, choice))


def _asking_back(choice: Choice) -> Ask:
    wanted = wanted_words(choice.spec, choice.filled.missing)
    return Ask(
        question=f"For that I need to know: {wanted}. Which is it?",
        reason=f"{choice.spec.name} fits, but the question does not say "
        f"{', '.join(choice.filled.missing)}",
    )


def _called_for(choice: Choice) -> str:
    said = ", ".join(f"{name} {value!r}" for name, value in choice.filled.arguments.items())
    why = "the question asks for exactly that" if choice.asked_for else "its description fits"
    return f"{choice.spec.name}: {why}" + (f", and the question holds {said}" if said else "")


def _settled(question: Asked, results: Sequence[ToolResult], several: bool) -> bool:
    """Whether what tools said answers the question, or a failed call makes a search pointless."""
    report = reported(question.text, results, several)
    return report.answers or (bool(results) and all(result.error for result in results))


def _looked_up(said: Sequence[tuple[str, str]], several: bool) -> str:
    if said:
        values = ", ".join(value for _, value in said[:3])
        return f"the rest must stand in the documents; the tool said {values}, which narrows it"
    return "several questions, each searched by itself" if several else "no tool answers that"


def _little(view: View, questions: Sequence[Asked]) -> str:
    """Why a wider search is worth a hop; empty where the first one found enough."""
    if view.note:
        return f"the first answer was sent back ({view.note}), so the search is widened"
    if view.confidence < LITTLE:
        return f"the search is unsure (confidence {view.confidence:.2f}), so it is widened"
    for question in questions:
        evidence = gather(question.text, view.passages, None)
        best = max((support.coverage for support in evidence.supports), default=0.0)
        if best < COVERED:
            return f"no passage holds much of “{question.focus}”, so the search is widened"
    return ""


def _sufficient(view: View) -> str:
    if view.note:
        return "nothing more to look up"
    found = [f"{len(view.passages)} passages"] if view.passages else []
    found += [f"{len(view.tool_results)} tool results"] if view.tool_results else []
    return f"{' and '.join(found)} are enough to try an answer" if found else "nothing was found"
