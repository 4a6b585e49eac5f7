"""Checks a draft mechanically: what is cited is there, and what is said is cited.

Covers: every quote is verbatim in a passage or result of this run and does not read like an
instruction; an extractive draft says its quotes and nothing else; in a model's draft every claim is
cited and supported as far as `support` can tell.
Does not cover: whether a claim follows from its quote. A model can still twist words; `entailed`
asks another model about that.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import Final

from fairlead.agents import phrases
from fairlead.agents.claims import Claim, claims
from fairlead.agents.questions import small_talk
from fairlead.agents.results import letters
from fairlead.agents.support import Backing, complaint, strange_links
from fairlead.agents.words import stems, words
from fairlead.decisions import View
from fairlead.guardrails import clean
from fairlead.schema import Citation, Draft, Verdict

_SHOWN: Final = 60
_NAMED: Final = 3
"""Claims that are named where a draft is sent back."""
_ALLOWED: Final = Verdict(action="allow")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A stretch of a draft that its sources do not carry, and why."""

    start: int
    end: int
    why: str


def verify(draft: Draft, view: View) -> Verdict:
    """Allows the draft, or blocks it with what is wrong: the first few things of a model's."""
    if draft.status != "answered":
        return _ALLOWED
    wrong = _unfounded(draft, view)
    if not wrong:
        extractive = draft.route.model == "embedded"
        wrong = _unquoted(draft, view) if extractive else _unsupported(draft, view)
    return Verdict(action="block", reason=wrong) if wrong else _ALLOWED


def _unfounded(draft: Draft, view: View) -> str:
    """What is wrong with the first bad citation."""
    passages = {passage.passage_id: passage for passage in view.passages}
    results = {(result.tool, result.call_id): result for result in view.tool_results}
    for citation in draft.citations:
        name = citation.source or citation.tool
        if not 0 <= citation.start < citation.end <= len(draft.text):
            return f"the citation of {name!r} lies outside the answer"
        if citation.kind == "document":
            passage = passages.get(citation.passage_id)
            if passage is None:
                return f"{name!r} is cited, but that passage was not found in this run"
            if (citation.document_id, citation.version) != (passage.document_id, passage.version):
                return f"the citation of {name!r} names another document or version"
            held = passage.text
        else:
            result = results.get((citation.tool, citation.call_id))
            if result is None:
                return f"{name!r} is cited, but that call was not made in this run"
            held = result.text
        if not citation.quote.strip() or citation.quote not in held:
            return f"the quote from {name!r} is not what was found there"
        if any(f.kind == "instruction_like" for f in clean(citation.quote).findings):
            return f"the quote from {name!r} reads like an instruction"
    return ""


def _unquoted(draft: Draft, view: View) -> str:
    """What an extractive draft says beyond its quotes."""
    if not draft.citations:
        talk = small_talk(view.question)
        return "" if talk and draft.text == phrases.TALK[talk] else "the answer cites nothing"
    for citation in draft.citations:
        stretch = draft.text[citation.start : citation.end]
        same = letters if citation.kind == "tool" else _visible
        if same(stretch) != same(citation.quote):
            return f"the answer says {stretch[:60]!r}, its quote says otherwise"
    known = set(words(view.question))
    for result in view.tool_results:
        known |= {word for value in result.arguments.values() for word in words(str(value))}
    rest = phrases.NOT_FOUND.sub(" ", _uncited(draft.text, draft.citations))
    said = [word for word in words(rest) if word not in known]
    return f"{' '.join(said)[:60]!r} is said without a citation" if said else ""


def _visible(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _uncited(text: str, citations: Iterable[Citation]) -> str:
    """The text with every cited stretch taken out."""
    rest, at = [], 0
    for citation in sorted(citations, key=lambda c: (c.start, c.end)):
        rest.append(text[at : max(at, citation.start)])
        at = max(at, citation.end)
    return " ".join([*rest, text[at:]])


def faults(draft: Draft, view: View) -> tuple[Fault, ...]:
    """The claims of a model's draft that their citations do not carry, in order."""
    if small_talk(view.question):
        links = strange_links(draft.text, view.question)
        whole = Fault(start=0, end=len(draft.text), why="a greeting needs no links")
        return (whole,) if links else ()
    found = claims(draft.text)
    return tuple(
        fault
        for number, claim in enumerate(found)
        if (fault := _fault(draft, view, claim, found[number + 1 :]))
    )


def uncited(draft: Draft, view: View) -> tuple[Fault, ...]:
    """Those of the faults that cite nothing."""
    found = claims(draft.text)
    return tuple(
        fault
        for number, claim in enumerate(found)
        if not _cited(draft, claim, found[number + 1 :])
        if (fault := _fault(draft, view, claim, ()))
    )


def _fault(draft: Draft, view: View, claim: Claim, following: Sequence[Claim]) -> Fault | None:
    """Why a claim cannot stay; None where it can."""
    said = draft.text[claim.start : claim.end]
    cited = _cited(draft, claim, following)
    if cited or not (stems(said) or strange_links(said, view.question)):
        why = complaint(said, backing(cited, view))
    else:
        why = f"{said[:_SHOWN]!r} is not cited"
    return Fault(start=claim.start, end=claim.end, why=why) if why else None


def _cited(draft: Draft, claim: Claim, following: Sequence[Claim]) -> list[Citation]:
    """The citations of a claim, or where it only introduces, of what follows it."""
    cited = cited_in(draft, claim)
    if not cited and claim.leads:
        led = takewhile(_tells, dropwhile(lambda after: after.leads, following))
        cited = [citation for after in led for citation in cited_in(draft, after)]
    return cited


def _tells(claim: Claim) -> bool:
    return not claim.leads


def cited_in(draft: Draft, claim: Claim) -> list[Citation]:
    """The citations of a claim."""
    return [c for c in draft.citations if c.start < claim.end and claim.start < c.end]


def backing(cited: Sequence[Citation], view: View) -> Backing:
    """What citations lean on."""
    passages = {c.passage_id for c in cited if c.kind == "document"}
    calls = {(c.tool, c.call_id) for c in cited if c.kind == "tool"}
    return Backing(
        question=view.question,
        quotes=tuple(citation.quote for citation in cited),
        sources=(
            *(passage for passage in view.passages if passage.passage_id in passages),
            *(result for result in view.tool_results if (result.tool, result.call_id) in calls),
        ),
    )


def _unsupported(draft: Draft, view: View) -> str:
    """What is wrong with the first claims of a model's draft that its citations do not carry."""
    if not draft.citations and not small_talk(view.question):
        return "the answer cites nothing"
    return "; ".join(fault.why for fault in faults(draft, view)[:_NAMED])
