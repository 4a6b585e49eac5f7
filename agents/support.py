"""Whether a claim is what its sources say, as far as words, names and figures tell.

Numbers, amounts, dates and times of a claim must stand in what it cites; a number of the question
may be repeated beside one of the source. Names must stand in what it cites, links there or in the
question. And it must share content words with its quotes, the more where it only affirms what was
asked.
Does not cover: whether the claim follows. Who leaves out a "not" shares all words; an `Entailment`
can look at that.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.agents.figures import Figure, figures, holds
from fairlead.agents.questions import proper_names
from fairlead.agents.stretches import surroundings
from fairlead.agents.words import STOP_WORDS, fold, stem, stems, word_set, words
from fairlead.schema import Passage, ToolResult

SHARED: Final = 0.4
"""Share of a claim's content words that its quotes (or the question) must hold; two at least."""
AFFIRMED: Final = 0.6
"""The same for a claim that says no word which the question does not; of its quotes alone."""
_CAPITALS: Final = 0.15
"""Share of words with a capital from which a language that is not English writes nouns so."""
_ENGLISH: Final = 0.1
"""Share of common English words from which a source is taken as English."""
_LINK: Final = re.compile(r"\b(?:https?|ftp)://[^\s<>()\[\]\"'`]+|\bwww\.[^\s<>()\[\]\"'`]+", re.I)
_DEMONYM: Final = re.compile(r"(?:ian|ean|an|ish|ese|ch|i)s?$")
_SHOWN: Final = 60
Source = Passage | ToolResult


@dataclass(frozen=True, kw_only=True)
class Backing:
    """What a claim leans on."""

    question: str
    quotes: tuple[str, ...]
    sources: tuple[Source, ...] = ()
    """What the quotes come from."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The quotes, then what each source says with what it stands under."""
        return (*self.quotes, *map(said_by, self.sources))

    @property
    def whole(self) -> str:
        """All of it."""
        return "\n".join(self.parts)


def said_by(source: Source) -> str:
    """A source's text with its title, headings and short metadata, or with a call's arguments."""
    if isinstance(source, Passage):
        return "\n".join([source.text, source.title, *source.headings, *_named(source)])
    return "\n".join([source.text, source.tool, *map(str, source.arguments.values())])


def _named(passage: Passage) -> list[str]:
    values = [value for value in passage.metadata.values() if isinstance(value, str | int | float)]
    dated = [passage.published_at.date().isoformat()] if passage.published_at else []
    return [str(value)[:200] for value in values] + dated


def complaint(claim: str, backing: Backing) -> str:
    """Why the claim is not supported; empty where it is, and where it says nothing."""
    shown = repr(claim[:_SHOWN])
    strange = strange_links(claim, f"{backing.question}\n{backing.whole}")
    if strange:
        return f"the link {strange[0][:_SHOWN]!r} is in none of its sources"
    if not stems(claim):
        return ""
    wrong = unknown_figures(claim, backing)
    if wrong:
        return f"{', '.join(repr(f.said) for f in wrong)} in {shown} is in none of its sources"
    names = unknown_names(claim, backing)
    if names:
        return f"{', '.join(map(repr, names))} in {shown} is in none of its sources"
    return "" if _shares(claim, backing) else f"{shown} is not what its sources say"


def strange_links(claim: str, known: str) -> list[str]:
    """Links of the claim that stand nowhere else."""
    return [link for link in _LINK.findall(claim) if link.rstrip(".,;:!?") not in known]


def unknown_figures(claim: str, backing: Backing) -> list[Figure]:
    """Figures of the claim that none of its quotes holds.

    A number of the question counts as known where the quotes hold no number at all, or where the
    claim also says one of theirs.
    """
    wanted = [f for f in figures(claim) if f.unit or not f.worded]
    if not wanted:
        return []
    held = _figures_of(backing)
    missing = [figure for figure in wanted if not holds(held, figure)]
    asked = figures(backing.question)
    quoted = [figure for quote in backing.quotes for figure in figures(quote)]
    if not quoted or len(missing) < len(wanted):
        missing = [figure for figure in missing if not holds(asked, figure)]
    return missing


def _figures_of(backing: Backing) -> list[Figure]:
    """What the quotes hold, what a call was asked for, and the figures a passage stands under."""
    held = list(backing.quotes)
    for source in backing.sources:
        if isinstance(source, Passage):
            held += [source.title, *source.headings, *_named(source)]
        else:
            held += map(str, source.arguments.values())
    return [figure for each in held for figure in figures(each)]


def unknown_names(claim: str, backing: Backing) -> list[str]:
    """Names of a claim that its sources do not hold, as they are written there.

    A claim's first word counts as one where the question writes it as a name. `EU` is known where
    the words of `European Union` stand, and the other way round; `Norwegian` where `Norway` does.
    """
    names = proper_names(claim) | (proper_names(backing.question) & set(words(claim)[:1]))
    folded = [fold(part) for part in backing.parts] if names else []
    if all(any(stands(name, text) for text in folded) for name in names):
        return []
    known = backing.whole
    if _writes_nouns_with_capitals(known):
        return []
    held = word_set(known)
    roots = {stem(word) for word in held}
    left = names - held - _initials(known) - _spelt_out(claim, known)
    missing = {name for name in left if stem(name) not in roots and not _akin(name, held)}
    return [word for word in re.findall(r"[^\W_]+", claim) if missing & set(words(word))]


def stands(name: str, folded: str) -> bool:
    """Whether a folded word is one of a folded text's, without cutting that into words."""
    at = folded.find(name)
    while at >= 0:
        end = at + len(name)
        if not (at and folded[at - 1].isalnum()) and not folded[end : end + 1].isalnum():
            return True
        at = folded.find(name, at + 1)
    return False


def _writes_nouns_with_capitals(text: str) -> bool:
    """Whether capitals say nothing about names, as in German."""
    said = re.findall(r"[^\W\d_]+", text)
    capitals = sum(word[0].isupper() for word in said)
    common = sum(word.lower() in STOP_WORDS for word in said)
    return capitals >= _CAPITALS * len(said) and common < _ENGLISH * len(said)


def _initials(text: str) -> set[str]:
    """The initials of every run of two to six words."""
    firsts = "".join(word[0] for word in re.findall(r"[^\W\d_]+", text.lower()))
    lengths = range(2, 7)
    return {firsts[at : at + n] for n in lengths for at in range(len(firsts) - n + 1)}


def _spelt_out(claim: str, known: str) -> set[str]:
    """Words of the claim that spell out an abbreviation which is known."""
    said = [word.lower() for word in re.findall(r"[^\W\d_]+", claim)]
    firsts = "".join(word[0] for word in said)
    found: set[str] = set()
    for short in re.findall(r"\b[A-Z]{2,6}\b", known):
        at = firsts.find(short.lower())
        if at >= 0:
            found.update(words(" ".join(said[at : at + len(short)])))
    return found


def _akin(name: str, held: Iterable[str]) -> bool:
    """Whether a country and its people's name are the same: Norway, Norwegian."""
    return any(
        bool(_DEMONYM.search(one)) != bool(_DEMONYM.search(name))
        for one in held
        if len(one) >= 4 and len(name) >= 4 and one[:4] == name[:4]
    )


def _shares(claim: str, backing: Backing) -> bool:
    """Whether the claim has enough content words of its quotes."""
    said = set(stems(claim))
    asked = set(stems(backing.question))
    under = {root for source in backing.sources for root in _under(source)}
    quoted = {root for quote in backing.quotes for root in stems(quote)} | under
    if said <= asked:
        return len(said & quoted) >= AFFIRMED * len(said)
    return len(said & (quoted | asked)) >= max(min(2, len(said)), SHARED * len(said))


def _under(source: Source) -> Iterable[str]:
    """Stems of what a source stands under: title and headings, or the call it came from."""
    if isinstance(source, Passage):
        return surroundings(source)
    return stems(" ".join([source.tool, *map(str, source.arguments.values())]))


def quoted_best(
    claim: str, text: str, spans: Sequence[tuple[int, int]], most: int
) -> list[tuple[int, int]]:
    """The stretch that shares most words with the claim, then those that hold figures it lacks.

    In the order of the text; the first of equals; at most `most`.
    """
    said = set(stems(claim))

    def shared(span: tuple[int, int]) -> tuple[int, int, int]:
        start, end = span
        return len(said & set(stems(text[start:end]))), start - end, -start

    chosen = [max(spans, key=shared)]
    for figure in figures(claim):
        if len(chosen) == most or holds(_said(text, chosen), figure):
            continue
        others = [s for s in spans if s not in chosen and holds(_said(text, [s]), figure)]
        if others:
            chosen.append(max(others, key=shared))
    return sorted(chosen)


def _said(text: str, spans: Iterable[tuple[int, int]]) -> list[Figure]:
    return [figure for start, end in spans for figure in figures(text[start:end])]
