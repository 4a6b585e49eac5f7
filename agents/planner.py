"""The embedded planner: rules, and the meaning of words by a small embedding model.

One hop at a time: calls whose arguments the question holds come first, then searches narrowed by
what the calls said; where that gives no answer, a less certain tool and a wider search; then the
answer. It keeps nothing between hops but vectors: the same view gives the same decision.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from fairlead.agents.cases import Case, cases
from fairlead.agents.choices import GUESSED, LAST, Choice, Chooser, made, refers, wanted_words
from fairlead.agents.questions import small_talk
from fairlead.agents.searches import queries, widened
from fairlead.decisions import AnswerNow, AnyDecision, Ask, Call, Retrieve, Stop, View
from fairlead.protocols import Embedder

CALLS: Final = 4
"""Calls of one decision."""


class EmbeddedPlanner:
    """Chooses the next hop without a language model. Without an embedder it goes by words alone."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder
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
        found = cases(view, self._embedder)
        return (
            self._called(view, found, GUESSED)
            or _searched(view, found)
            or self._tried(view, found)
            or AnswerNow(reason=_sufficient(view, found))
        )

    def _called(self, view: View, found: Sequence[Case], guessed: float) -> Call | Ask | None:
        """The calls that the questions need and that were not made yet, or what to ask for."""
        chosen: list[Choice] = []
        for case in found:
            choices = self._chooser.choices(case.asked, view)
            best = next((c for c in choices if c.ready(guessed) or _wanting(case, c)), None)
            if best is None or made(best.call, view.tool_results):
                continue
            if not best.ready(guessed):
                return _asking_back(best)
            if best.call not in [choice.call for choice in chosen]:
                chosen.append(best)
        if not chosen or view.budget.tool_calls < len(chosen):
            return None
        calls = tuple(choice.call for choice in chosen[:CALLS])
        return Call(calls=calls, reason="; ".join(_called_for(c) for c in chosen[:CALLS]))

    def _tried(self, view: View, found: Sequence[Case]) -> AnyDecision | None:
        """For what the documents did not answer: a tool whose arguments are a guess, then a wider
        search.
        """
        open_ = [case for case in found if not case.settled and not case.documented]
        if not open_ or view.budget.hops <= 2:
            return None
        call = self._called(view, open_, LAST)
        if isinstance(call, Call):
            return call
        if not view.passages or sum(hop.kind == "retrieve" for hop in view.hops) > 1:
            return None
        asked = "; ".join(f"“{case.asked.focus}”" for case in open_)
        return Retrieve(
            queries=tuple(widened(case.asked.text, view.passages) for case in open_),
            reason=f"no passage answers {asked}, so the search is widened",
        )


_PLEASANTRY: Final = {
    "greeting": "a greeting",
    "thanks": "thanks",
    "farewell": "a farewell",
    "identity": "a question about the assistant itself",
}


def _searched(view: View, found: Sequence[Case]) -> AnyDecision | None:
    """The first search, for what no tool answers."""
    open_ = [case for case in found if not case.settled]
    if not open_ or any(hop.kind == "retrieve" for hop in view.hops):
        return None
    if not view.collections:
        if view.tool_results:
            return None
        return Stop(
            why="I cannot answer that: there are no documents to search, and no tool fits.",
            reason="no collection, and no tool whose arguments the question holds",
        )
    facts = tuple(dict.fromkeys(fact for case in open_ for fact in case.facts))
    searches = [query for case in open_ for query in queries(case.asked, case.facts)]
    if facts:
        values = ", ".join(f"“{value}”" for _, value in facts[:3])
        why = f"the rest must stand in the documents; the tool said {values}, which narrows it"
    else:
        why = "several questions, each searched by itself" if len(open_) > 1 else "no tool fits"
    return Retrieve(queries=tuple(dict.fromkeys(searches)), reason=why)


def _wanting(case: Case, choice: Choice) -> bool:
    """Whether the tool is meant although arguments are missing, so that asking back helps."""
    if not choice.filled.missing or case.results:
        return False
    about = choice.relevance >= GUESSED and refers(case.asked.focus, choice)
    return choice.asked_for or about


def _asking_back(choice: Choice) -> Ask:
    wanted = wanted_words(choice.spec, choice.filled.missing)
    end = "do that" if choice.asked_for else "look that up"
    return Ask(
        question=f"To {end} I need: {wanted}. Please tell me.",
        reason=f"{choice.spec.name} fits, but the question does not say "
        f"{', '.join(choice.filled.missing)}",
    )


def _called_for(choice: Choice) -> str:
    said = ", ".join(f"{name} “{value}”" for name, value in choice.filled.arguments.items())
    why = "the question asks for exactly that" if choice.asked_for else "its description fits"
    return f"{choice.spec.name}: {why}" + (f", and the question holds {said}" if said else "")


def _sufficient(view: View, found: Sequence[Case]) -> str:
    if view.note:
        return f"nothing more to look up, although the first answer was sent back: {view.note}"
    if any(case.report.answers for case in found):
        return "the tool's result answers it"
    if any(case.documented for case in found):
        return f"the passages answer it (confidence {found[0].evidence.confidence:.2f})"
    return "everything that fits was tried"
