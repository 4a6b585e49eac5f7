"""A model's draft without what its sources do not carry; and a judge of whether they do."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

from fairlead.agents.blocks import ITEM, Span
from fairlead.agents.claims import Claim, claims
from fairlead.agents.prompts import dated
from fairlead.agents.questions import small_talk
from fairlead.agents.verifier import Fault, backing, cited_in, faults, uncited
from fairlead.agents.words import stems
from fairlead.decisions import View
from fairlead.schema import Citation, Draft, Passage, ToolResult, Usage

ENTAILED: Final = 0.5
"""How sure a judge must be that a claim follows."""


class Entailment(Protocol):
    """Judges whether a sentence follows from a passage: a model, a cross-encoder."""

    async def supports(self, sentence: str, passage: str) -> float:
        """From 0 (it does not follow) to 1 (it does). Raises `Unavailable` where nobody can say."""
        ...


class Heard(Entailment, Protocol):
    """Judges one draft, and tells what that took."""

    @property
    def usage(self) -> Usage: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def prompt(self) -> str:
        """Version of the prompt that a model was given; empty where none was."""
        ...


@runtime_checkable
class Judge(Protocol):
    """An entailment that is told for which view each draft was written."""

    @property
    def required(self) -> bool:
        """Whether a draft that could not be judged is kept back."""
        ...

    def hear(self, view: View) -> Heard: ...


async def entailed(draft: Draft, view: View, judge: Entailment) -> tuple[Fault, ...]:
    """The claims of a model's draft of which the judge does not find that they follow.

    A claim that cites several sources needs one that carries it, or all of them together. Claims
    are judged side by side. Raises `Unavailable` as the judge does.
    """
    if small_talk(view.question):
        return ()
    asked = [claim for claim in claims(draft.text) if not claim.leads and cited_in(draft, claim)]
    scores = await _together([_judged(draft, view, claim, judge) for claim in asked])
    return tuple(
        Fault(
            start=claim.start,
            end=claim.end,
            why=f"{draft.text[claim.start : claim.end][:60]!r} does not follow from its sources",
        )
        for claim, score in zip(asked, scores, strict=True)
        if score < ENTAILED
    )


async def _judged(draft: Draft, view: View, claim: Claim, judge: Entailment) -> float:
    said = draft.text[claim.start : claim.end]
    sources = backing(cited_in(draft, claim), view).sources
    told = [_told(source) for source in sources]
    best = max(await _together([judge.supports(said, each) for each in told]), default=0.0)
    if best < ENTAILED and len(told) > 1:  # half of it may stand in each
        best = await judge.supports(said, "\n\n".join(told))
    return best


def _told(source: Passage | ToolResult) -> str:
    """A source as a judge reads it: a passage often leans on its title and date."""
    if isinstance(source, ToolResult):
        return source.text
    about = ", ".join(filter(None, (source.title, dated(source))))
    return f"{about}\n\n{source.text}" if about else source.text


async def _together(works: Sequence[Awaitable[float]]) -> list[float]:
    """All of them side by side; where one fails the others are ended, and nobody goes on unseen."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def mended(draft: Draft, view: View, found: Iterable[Fault] = ()) -> Draft | None:
    """The draft without its faults and those of `found`, each named in a warning.

    None where nothing that is cited is left.
    """
    draft = _left_out(draft, [*faults(draft, view), *found])
    while bad := faults(draft, view):  # a heading is left without what it introduced
        draft = _left_out(draft, bad)
    return draft if draft.citations and stems(draft.text) else None


def cited_only(draft: Draft, view: View) -> Draft:
    """The draft without the claims that cite nothing, as the prompt announces to the model.

    The same draft where nothing in it is cited at all.
    """
    if draft.citations and not small_talk(view.question):
        while bad := uncited(draft, view):
            draft = _left_out(draft, bad)
    return draft


def _left_out(draft: Draft, bad: Sequence[Fault]) -> Draft:
    said = [f"left out: {fault.why}" for fault in bad]
    draft = without(draft, [(fault.start, fault.end) for fault in bad])
    return replace(draft, warnings=tuple(dict.fromkeys((*draft.warnings, *said))))


def without(draft: Draft, spans: Sequence[Span]) -> Draft:
    """The draft with stretches of its text taken out, and the citations that are left, moved."""
    text = draft.text
    gone = [False] * len(text)
    for start, end in spans:
        for at in range(*_with_marks(text, start, end)):
            gone[at] = True
    kept = [at for at in range(len(text)) if not gone[at]]
    kept = _trimmed(text, kept)
    moved = {at: new for new, at in enumerate(kept)}
    return replace(
        draft,
        text="".join(text[at] for at in kept),
        citations=tuple(filter(None, (_moved(c, moved) for c in draft.citations))),
    )


def _with_marks(text: str, start: int, end: int) -> Span:
    """The stretch with the space behind it, and with its line where nothing else stands on it."""
    while end < len(text) and text[end] in " \t":
        end += 1
    line = text.rfind("\n", 0, start) + 1
    before = text[line:start]
    item = ITEM.match(f"{before}x")
    bare = not before.strip() or (item is not None and item.end() == len(before))
    if bare and (end == len(text) or text[end] == "\n"):
        return line, min(end + 1, len(text))
    return start, end


def _trimmed(text: str, kept: list[int]) -> list[int]:
    """The places without white space at both ends."""
    words = [number for number, at in enumerate(kept) if not text[at].isspace()]
    return kept[words[0] : words[-1] + 1] if words else []


def _moved(citation: Citation, moved: dict[int, int]) -> Citation | None:
    """The citation where its stretch stands now; None where nothing of it is left."""
    places = [moved[at] for at in range(citation.start, citation.end) if at in moved]
    return replace(citation, start=places[0], end=places[-1] + 1) if places else None
