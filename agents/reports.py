"""What is quoted of tool results for one question."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.agents.composition import Text
from fairlead.agents.expectations import Expectation, expected
from fairlead.agents.questions import Asked
from fairlead.agents.results import Fact, facts, records
from fairlead.agents.stretches import roots, surroundings
from fairlead.agents.units import cut
from fairlead.agents.words import stem, stems, words
from fairlead.schema import Passage, ToolResult

WHOLE: Final = 300
"""Characters up to which a plain text result is quoted whole."""
SHORT: Final = 60
"""Characters up to which it is a value that is said with the arguments it belongs to."""
RECORDS: Final = 8
FIELDS: Final = 16
_MEASURE: Final = re.compile(
    r"\bhow (?:long|much|many|often|soon|far|fast|old|big|large|high)\b", re.I
)
_ASKS_ALL: Final = frozenset(
    stem(word)
    for word in "look find check detail detailed info information data record lookup "
    "status state know list current currently".split()
)
"""Words of a question that ask for the record as it is."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one or several results say to a question."""

    found: tuple[tuple[ToolResult, tuple[Fact, ...]], ...] = ()
    """Results with the facts that are said; no facts where the text is quoted as it stands."""
    answers: bool = False
    """Whether that answers, so that no document is needed."""

    def write(self, text: Text) -> None:
        """Adds what the tools said, one line for each record."""
        for result, said in self.found:
            text.paragraph()
            if said:
                _write_records(text, result, said)
            else:
                _write_text(text, result)

    def write_context(self, text: Text, passages: Sequence[Passage]) -> None:
        """Adds the facts that led to the passages: the record, and its country or product."""
        about: set[str] = set()
        for passage in passages:
            about |= roots(passage.text) | surroundings(passage)
        for result, _ in self.found:
            held = facts(result)
            shown = [
                fact
                for fact in held
                if _is_argument(fact, result) or (_worded(fact) and set(stems(fact.value)) <= about)
            ]
            if any(not _is_argument(fact, result) for fact in shown):
                text.paragraph()
                _write_records(text, result, shown)


def reported(question: Asked, results: Sequence[ToolResult]) -> Report:
    """What the results say to `question`. A failed or tainted result says nothing."""
    found: list[tuple[ToolResult, tuple[Fact, ...]]] = []
    answers = False
    for result in results:
        if result.error or tainted(result):
            continue
        held = facts(result)
        if not held:
            answers = answers or answered_by_text(question.focus, result)
            found.append((result, ()))
            continue
        chosen, enough = _chosen(question.focus, result, held)
        answers = answers or enough
        found.append((result, tuple(chosen)))
    return Report(found=tuple(found), answers=answers)


def tainted(result: ToolResult) -> bool:
    """Whether the text carries an instruction to an assistant: then nothing of it is quoted."""
    return any(finding.kind == "instruction_like" for finding in result.findings)


def concerns(question: str, result: ToolResult) -> bool:
    """Whether the call was made for this question: it names an argument, or nothing tells."""
    said = set(words(question))
    literals = [set(words(str(value))) for value in result.arguments.values()]
    literals = [literal for literal in literals if literal]
    return not literals or any(literal <= said for literal in literals)


def answered_by_text(question: str, result: ToolResult) -> bool:
    """Whether a plain text result is about what is asked."""
    left = open_stems(question, result)
    return len(result.text) <= SHORT or not left or bool(left & set(stems(result.text)))


def open_stems(question: str, result: ToolResult) -> set[str]:
    """What the question asks beyond the record itself: without tool name and arguments."""
    known = set(stems(result.tool.replace("_", " ")))
    known |= {root for value in result.arguments.values() for root in stems(str(value))}
    known |= {root for key in result.arguments for root in stems(key.replace("_", " "))}
    return set(stems(_MEASURE.sub(" ", question))) - known


def _chosen(question: str, result: ToolResult, held: Sequence[Fact]) -> tuple[list[Fact], bool]:
    """The facts to say, and whether they answer the question."""
    asked = open_stems(question, result)
    wanted = expected(question)
    matching = [fact for fact in held if asked & _stems(fact)]
    if not matching and wanted and len(asked) <= 1 and wanted.kind in ("money", "percent", "year"):
        matching = [fact for fact in held if wanted.met(fact.line)]
    if wanted and wanted.kind != "number" and not any(_meets(wanted, fact) for fact in matching):
        matching = []
    several = len({fact.record for fact in held}) > 1
    if not matching and _listed(question, result):
        return list(held[: FIELDS * RECORDS]), True
    if not matching:
        return list(held[: FIELDS * (RECORDS if several else 1)]), not asked - _ASKS_ALL
    if several:
        first = {fact.record: fact for fact in reversed(held)}
        matching = [fact for fact in held if fact in matching or fact == first[fact.record]]
        return matching, True
    return [fact for fact in held if fact in matching or _is_argument(fact, result)], True


def _listed(question: str, result: ToolResult) -> bool:
    """Whether the question asks for the records as such: "which orders", "show the orders"."""
    named = set(stems(result.tool.replace("_", " ")))
    found = re.search(r"\b(?:which|what|list|show|all)\b((?:\s+[\w-]+){1,3})", question.lower())
    return bool(found and named & set(stems(found[1])))


def _meets(wanted: Expectation, fact: Fact) -> bool:
    return wanted.met(fact.line) or (wanted.kind == "count" and fact.value[:1].isdigit())


def _stems(fact: Fact) -> set[str]:
    return set(stems(f"{fact.key.replace('_', ' ')} {fact.value}"))


def _worded(fact: Fact) -> bool:
    return bool(stems(fact.value)) and not any(letter.isdigit() for letter in fact.value[:1])


def _is_argument(fact: Fact, result: ToolResult) -> bool:
    return any(
        str(value).casefold() == fact.value.casefold() for value in result.arguments.values()
    )


def _write_records(text: Text, result: ToolResult, said: Sequence[Fact]) -> None:
    grouped = list(records(said))
    for group in grouped[:RECORDS]:
        text.line()
        text.own("- " if len(grouped) > 1 else "")
        for place, fact in enumerate(group[:FIELDS]):
            text.own(", " if place else "")
            text.say(fact.line, result, fact.start, fact.end)


def _write_text(text: Text, result: ToolResult) -> None:
    """A short value behind its arguments, a short text whole, of a longer one the first lines."""
    end = len(result.text.rstrip())
    if end <= SHORT and "\n" not in result.text.strip() and result.arguments:
        said = ", ".join(str(value) for value in result.arguments.values())
        text.own(f"{said}: ")
    if end <= WHOLE:
        text.say(result.text[:end], result, 0, end)
        return
    room = WHOLE
    for unit in cut(result.text):
        for start, stop in unit.spans:
            if stop - start <= room or room == WHOLE:
                text.space()
                text.say(result.text[start:stop], result, start, stop)
                room -= stop - start
