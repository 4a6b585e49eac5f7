"""Checks a draft mechanically: what is cited is there, and what is said is cited.

Covers: every quote is verbatim in a passage or result of this run and does not read like an
instruction; an extractive draft says its quotes and nothing else; in a model's draft every sentence
is cited, its numbers stand in what it cites or in the question, and it shares content words with
it.
Does not cover: whether a sentence follows from its quote. A model can still twist words.
"""

import re
from collections.abc import Iterable
from typing import Final

from fairlead.agents import phrases
from fairlead.agents.questions import small_talk
from fairlead.agents.results import letters
from fairlead.agents.units import sentence_spans
from fairlead.agents.words import stems, words
from fairlead.decisions import View
from fairlead.guardrails import clean
from fairlead.schema import Citation, Draft, Verdict

SHARED: Final = 0.4
"""Share of a sentence's content words that its quotes (or the question) must hold."""
_NUMBER: Final = re.compile(r"\d+(?:[.,:/-]\d+)*")
_ALLOWED: Final = Verdict(action="allow")


def verify(draft: Draft, view: View) -> Verdict:
    """Allows the draft, or blocks it with the first thing that is wrong."""
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


def _unsupported(draft: Draft, view: View) -> str:
    """The first sentence of a model's draft that its citations do not carry."""
    if small_talk(view.question):
        return ""
    if not draft.citations:
        return "the answer cites nothing"
    asked = view.question
    for start, end in sentence_spans(draft.text):
        sentence = draft.text[start:end]
        if not stems(sentence):
            continue
        cited = [c for c in draft.citations if c.start < end and start < c.end]
        if not cited:
            return f"{sentence[:60]!r} is not cited"
        held = " ".join([*(citation.quote for citation in cited), asked])
        strange = set(_NUMBER.findall(sentence)) - set(_NUMBER.findall(held))
        if strange:
            return f"{', '.join(sorted(strange))} in {sentence[:60]!r} is in none of its sources"
        said = set(stems(sentence))
        if len(said & set(stems(held))) < SHARED * len(said):
            return f"{sentence[:60]!r} is not what its sources say"
    return ""
