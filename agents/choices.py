"""Which tool a question needs: by meaning, by shared words, and by whether its arguments are there.

A tool with an effect beyond reading is chosen only where the question asks for exactly that.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.agents.arguments import Filled, fill
from fairlead.agents.memory import embed
from fairlead.agents.questions import Asked
from fairlead.agents.results import facts
from fairlead.agents.words import fold, stem, stems, words
from fairlead.decisions import View
from fairlead.protocols import Embedder
from fairlead.schema import Json, ToolCall, ToolResult, ToolSpec

FIRM: Final = 0.2
"""Relevance from which a tool is called whose arguments stand in the question by their form."""
BARE: Final = 0.45
"""The same for a tool without required arguments."""
GUESSED: Final = 0.5
"""The same where an argument is a guess: a name, or the question itself. Below it nothing is asked
back either. Chosen on the tools and questions of the support desk example."""
LAST: Final = 0.35
"""The same once the documents gave no answer."""
_NAMED: Final = 0.15
_DESCRIBED: Final = 0.1
_SHARED_MOST: Final = 0.3
_POLITE: Final = re.compile(
    r"(?:please|kindly|now|then|and|also|ok(?:ay)?|hi|hello|go ahead and|could you|can you|"
    r"would you|will you|i(?: would|'d) like you to|i want you to|i need you to)\b[\s,]*"
)
_GENERAL: Final = re.compile(
    r"\b(?:how (?:do|can|may|could|should|long|much|many)|may i|can i|could i|must i|should i|"
    r"do i|am i|what (?:happens|if)|why|is it possible)\b"
)
_POINTS: Final = re.compile(r"\b(?:it|its|this|that|they|them|their)\b")
"""Words that may mean the record an earlier turn looked up."""
_READS: Final = ("read", "egress")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A tool for one question."""

    spec: ToolSpec
    filled: Filled
    relevance: float
    asked_for: bool
    """Whether the question is a request for exactly this effect."""

    @property
    def call(self) -> ToolCall:
        return ToolCall(tool=self.spec.name, arguments=self.filled.arguments)

    def ready(self, guessed: float = GUESSED) -> bool:
        """Whether it may be called as it is; `guessed`: relevance that makes up for a guess."""
        if self.filled.missing:
            return False
        if self.asked_for:
            return True
        if not _required(self.spec):
            return self.relevance >= ((FIRM + BARE) / 2 if self.filled.firm else min(BARE, guessed))
        return self.relevance >= (FIRM if self.filled.firm else guessed)


class Chooser:
    """Rates tools for questions."""

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder

    def choices(self, asked: Asked, view: View) -> list[Choice]:
        """Every tool that comes into question, the best first."""
        relevance = self._relevance(asked.text, view.tools)
        known = [
            (fact.key, fact.value) for r in view.tool_results if not r.error for fact in facts(r)
        ]
        found = []
        for spec in view.tools:
            asked_for = spec.effect not in _READS and requests(asked.focus, spec)
            if spec.effect not in _READS and not asked_for:
                continue
            filled = fill(spec, asked.text, known)
            if filled.missing and spec.effect in _READS and _POINTS.search(fold(asked.focus)):
                filled = _inherited(filled, spec, view)
            choice = Choice(
                spec=spec, filled=filled, relevance=relevance[spec.name], asked_for=asked_for
            )
            found.append(choice)
        return sorted(found, key=lambda c: (-c.asked_for, -c.ready(), -c.relevance, c.spec.name))

    def _relevance(self, question: str, tools: Sequence[ToolSpec]) -> Mapping[str, float]:
        shared = {spec.name: _shared(question, spec) for spec in tools}
        if not tools:
            return {}
        asked = embed(self._embedder, [question], query=True)
        texts = {spec.name: f"{spec.name.replace('_', ' ')}: {_summary(spec)}" for spec in tools}
        told = embed(self._embedder, list(texts.values())) if asked is not None else None
        if asked is None or told is None:
            return {name: 2 * score for name, score in shared.items()}
        near = told @ asked[0]
        return {name: float(near[at]) + shared[name] for at, name in enumerate(texts)}


def _summary(spec: ToolSpec) -> str:
    return spec.description.strip().split("\n")[0]


def _shared(question: str, spec: ToolSpec) -> float:
    """For words that question and tool have in common; those of the name count more."""
    said = set(stems(question))
    named = set(stems(spec.name.replace("_", " ")))
    described = set(stems(_summary(spec))) - named
    return min(_SHARED_MOST, _NAMED * len(said & named) + _DESCRIBED * len(said & described))


def requests(question: str, spec: ToolSpec) -> bool:
    """Whether the question tells the assistant to do what the tool does.

    It must begin with the tool's verb (of its name or its description) and name another word of it.
    """
    said = fold(question).strip()
    polite = _POLITE.match(said)
    while polite:
        said = said[polite.end() :]
        polite = _POLITE.match(said)
    told = words(said)
    name = [stem(word) for word in words(spec.name.replace("_", " "))]
    first = words(_summary(spec))[:1]
    if not told or stem(told[0]) not in {*name[:1], *(stem(word) for word in first)}:
        return False
    if said.endswith("?") and not re.match(r"\W*(?:could|can|would|will) you\b", fold(question)):
        return False
    rest = {stem(word) for word in told}
    return len(name) == 1 or any(root in rest for root in name if root != stem(told[0]))


def refers(question: str, choice: Choice) -> bool:
    """Whether the question is about one particular thing that the tool could look up."""
    said = fold(question)
    if _GENERAL.search(said):
        return False
    about = set(stems(choice.spec.name.replace("_", " ")))
    about |= {root for name in choice.filled.missing for root in stems(name.replace("_", " "))}
    for found in re.finditer(
        r"\b(?:my|our|this|that|the|his|her|their)\s+((?:[\w'-]+\s*){1,3})", said
    ):
        if about & set(stems(found[1])):
            return True
    return False


def wanted_words(spec: ToolSpec, missing: Sequence[str]) -> str:
    """The missing arguments in words: what their descriptions say, with their names."""
    properties = spec.parameters.get("properties")
    said = []
    for name in missing:
        inner = properties.get(name) if isinstance(properties, Mapping) else None
        described = str(inner.get("description", "")) if isinstance(inner, Mapping) else ""
        plain = described.strip().rstrip(".")
        spoken = plain[:1].lower() + plain[1:] if plain[1:2].islower() else plain
        said.append(f"{spoken} ({name})" if spoken else name.replace("_", " "))
    return "; ".join(said)


def made(call: ToolCall, results: Sequence[ToolResult]) -> bool:
    """Whether the same call was made in this run already."""
    return any(r.tool == call.tool and dict(r.arguments) == dict(call.arguments) for r in results)


def _required(spec: ToolSpec) -> bool:
    return bool(spec.parameters.get("required"))


def _inherited(filled: Filled, spec: ToolSpec, view: View) -> Filled:
    """Missing arguments as an earlier turn of the thread had them."""
    for turn in reversed(view.history):
        for call in reversed(turn.tools):
            if call.tool == spec.name and set(filled.missing) <= set(call.arguments):
                arguments: dict[str, Json] = dict(filled.arguments)
                arguments.update({name: call.arguments[name] for name in filled.missing})
                return Filled(arguments=arguments, missing=(), firm=True)
    return filled
