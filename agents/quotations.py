"""What is quoted of the evidence, and how it reads: sentences, lists, tables, code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.agents.blocks import Span
from fairlead.agents.composition import Text
from fairlead.agents.evidence import Evidence, Support
from fairlead.agents.stretches import quotable
from fairlead.agents.units import Unit, introduces
from fairlead.agents.words import stems
from fairlead.schema import Passage

LENGTH: Final = 650
"""Characters quoted for one question, beyond which no further stretch is begun."""
STRETCHES: Final = 6
DOCUMENTS: Final = 3
BEHIND: Final = 0.3
"""A stretch whose score is further behind the best one's is left out."""
FOLLOWING: Final = 400
"""Characters that what a chosen stretch announces may go beyond `LENGTH`."""
LEAD: Final = 200
"""Characters of an introduction that is quoted with what it introduces."""
_REFERS: Final = re.compile(
    r"(?:it|its|this|that|these|those|they|their|such|here|there|then|however|therefore|otherwise|"
    r"instead|also|but|so|in (?:this|that|these|those|such)|for (?:this|that|example)|if so|"
    r"the (?:same|following|above|latter|former))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Quotation:
    """Stretches of one passage in their order."""

    passage: Passage
    units: tuple[Unit, ...]
    headed: bool = False
    """Whether the heading is quoted too."""

    def write(self, text: Text) -> None:
        """Adds the stretches, each with its citation."""
        text.paragraph()
        if self.headed and self.units[0].heading:
            text.quote(self.passage, *self.units[0].heading)
            text.own(":")
        before: Unit | None = None
        for unit in self.units:
            self._write(text, unit, before)
            before = unit

    def _write(self, text: Text, unit: Unit, before: Unit | None) -> None:
        fresh = before is None or before.block != unit.block
        lead = self._lead(unit, before) if fresh else ()
        if fresh and before is not None and (before.kind != unit.kind or unit.kind == "row"):
            text.paragraph()
        for span in lead:
            text.space()
            text.quote(self.passage, *span, folded=unit.kind != "row")
        if unit.kind == "row":
            text.line()
            text.quote(self.passage, *unit.spans[0], folded=False)
        elif unit.kind == "code":
            text.paragraph()
            text.own("```\n")
            text.quote(self.passage, *unit.spans[0], folded=False)
            text.own("\n```")
        else:
            if unit.kind == "item" and fresh and (unit.lead or before is not None):
                text.line()
                text.own("- ")
            for span in unit.spans:
                text.space()
                text.quote(self.passage, *span)

    def _lead(self, unit: Unit, before: Unit | None) -> tuple[Span, ...]:
        length = sum(end - start for start, end in unit.lead)
        known = before is not None and set(unit.lead) <= {*before.spans, *before.lead}
        return () if known or length > LEAD else unit.lead


def quoted(evidence: Evidence, said: Sequence[Quotation] = ()) -> list[Quotation]:
    """The best stretches, each with what it refers back to, by passage as the search ranks them.

    What was `said` already is not said again, unless nothing else is left.
    """
    known = {(q.passage.passage_id, unit.spans) for q in said for unit in q.units}
    fresh = [s for s in evidence.supports if (s.passage.passage_id, s.unit.spans) not in known]
    chosen = _chosen(fresh or evidence.supports)
    by_passage: dict[str, list[Support]] = {}
    for support in sorted(chosen, key=lambda s: -s.passage.score):
        by_passage.setdefault(support.passage.passage_id, []).append(support)
    room = LENGTH - sum(len(support.text) for support in chosen)
    found = []
    for supports in by_passage.values():
        passage = supports[0].passage
        units, room = _widened(passage, [support.unit for support in supports], room)
        found.append(
            Quotation(
                passage=passage,
                units=tuple(units),
                headed=any(support.headed for support in supports),
            )
        )
    return found


def _chosen(supports: Sequence[Support]) -> list[Support]:
    chosen: list[Support] = []
    length = 0
    for support in supports:
        if chosen and support.score < chosen[0].score - BEHIND:
            break
        if chosen and length + len(support.text) > LENGTH:
            continue
        documents = {other.passage.document_id for other in chosen}
        if len(documents | {support.passage.document_id}) > DOCUMENTS:
            continue
        if any(_alike(support.text, other.text) for other in chosen):
            continue
        chosen.append(support)
        length += len(support.text)
        if len(chosen) == STRETCHES:
            break
    return chosen


def _alike(one: str, other: str) -> bool:
    """Whether two stretches say the same in nearly the same words."""
    left, right = set(stems(one)), set(stems(other))
    return len(left & right) > 0.8 * max(1, min(len(left), len(right)))


def _widened(passage: Passage, units: Sequence[Unit], room: int) -> tuple[list[Unit], int]:
    """The units with the sentence they refer to and the list or code they introduce."""
    every = quotable(passage, units[0].passage)
    places = {unit.spans: place for place, unit in enumerate(every)}
    wanted = {places[unit.spans] for unit in units}
    for unit in units:
        place = places[unit.spans]
        announced = _after(passage, every, place)
        for other in (*_before(passage, every, place), *announced):
            length = sum(end - start for start, end in every[other].spans)
            extra = FOLLOWING if other in announced[:1] else 0
            if other not in wanted and length <= max(0, room) + extra:
                wanted.add(other)
                room -= length
    for place in range(1, len(every) - 1):
        blocks = {unit.block for unit in every[place - 1 : place + 2]}
        if len(blocks) == 1 and {place - 1, place + 1} <= wanted:
            wanted.add(place)  # a gap of one sentence would mislead
    return [every[place] for place in sorted(wanted)], room


def _before(passage: Passage, every: Sequence[Unit], place: int) -> list[int]:
    """The sentence before one that begins by referring to it."""
    unit = every[place]
    opening = passage.text[unit.spans[0][0] :].lstrip("*_`\"'“(")[:40]
    if not place or unit.kind not in ("sentence", "item") or not _REFERS.match(opening):
        return []
    previous = every[place - 1]
    return [place - 1] if previous.block == unit.block or previous.kind == "sentence" else []


def _after(passage: Passage, every: Sequence[Unit], place: int) -> list[int]:
    """The list, table or code behind a sentence that ends with a colon."""
    if not introduces(passage.text, every[place]):
        return []
    found: list[int] = []
    for other in range(place + 1, len(every)):
        if every[other].kind == "sentence" or (found and every[other].kind != every[found[0]].kind):
            break
        found.append(other)
    return found
