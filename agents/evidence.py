"""Which stretches of what was found answer a question, and how sure that is.

Three signals rank a stretch: the cosine between it and the question, the share of the question's
words it holds (rare words count more), and the rank of its passage; a stretch that holds the kind
of thing asked for (a time, an amount) goes up.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fairlead.agents.confidence import Signs, weight
from fairlead.agents.expectations import Expectation, expected
from fairlead.agents.facets import Facets
from fairlead.agents.matching import matched, mended, subject, vocabulary
from fairlead.agents.memory import embed
from fairlead.agents.questions import proper_names
from fairlead.agents.stretches import introduction, quotable, reading, roots, surroundings
from fairlead.agents.units import Unit
from fairlead.protocols import Embedder
from fairlead.schema import Passage

EMBEDDED: Final = 16
"""Stretches that are compared by meaning; the others only by their words."""
READ: Final = 240
"""Characters of a stretch that the embedder reads."""
BY_WORDS: Final = 0.3
BY_RANK: Final = 0.5
BY_KIND: Final = 0.1
BY_FACT: Final = 0.15
"""Weights beside the cosine's 1. The optimum is flat: on five document sets halving or doubling one
of the first three changed the share of answers found by at most .015. Since scores of passages
count words by what they could reach, `BY_RANK` is higher: .3, .5, .7 gave .744, .756, .756 on two.
"""
NEWS: Final = 3
NO_NEWS: Final = 0.2
"""A stretch with fewer content words that the question lacks says nothing new, and loses that."""
CONFLICT: Final = 0.5
"""What a stretch loses when its document is about another country, product or time than asked."""


@dataclass(frozen=True, kw_only=True)
class Support:
    """One stretch and what speaks for it."""

    unit: Unit
    passage: Passage
    text: str
    """As it reads, without markup."""
    coverage: float
    """Share of the question's words, by rarity, in the stretch and what it stands under."""
    met: bool
    """Whether it holds the kind of thing asked for; true where the question names none."""
    headed: bool
    """Whether only its heading holds that."""
    cosine: float = 0.0
    """With the question; 0 where it was not compared."""
    score: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found for one question, best first."""

    supports: tuple[Support, ...] = ()
    confidence: float = 0.0
    """Probability that the best of them answer, 0 to 1."""
    missing: tuple[str, ...] = ()
    """Words of the question that stand nowhere near the best ones."""


def gather(
    question: str,
    passages: Sequence[Passage],
    embedder: Embedder | None,
    *,
    focus: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> Evidence:
    """The evidence for `question` in `passages`.

    `focus` is the part of the question that was asked last, where the rest came from earlier turns;
    `facts` are keys and values that a tool said of the matter. Blocks: embeds up to 16 stretches.
    """
    facets = Facets(question, passages, facts)
    found = _Stretches(passages)
    known = found.vocabulary()
    question = mended(question, known, embedder)
    focus = mended(focus, known, embedder) if focus else question
    wanted = expected(focus) or expected(question)
    measured = found.measured(question, wanted)
    if not measured:
        return Evidence(missing=tuple(subject(question)))
    outdated = facets.outdated([(support.passage, roots(support.text)) for support in measured])
    current = [support for support, old in zip(measured, outdated, strict=True) if not old]
    first = sorted(current, key=lambda s: -_prior(s, wanted))[:EMBEDDED]
    cosines = _cosines(question, focus, first, embedder)
    asked = roots(question)
    supports = sorted(
        (_scored(s, c, asked, wanted, facets) for s, c in zip(first, cosines, strict=True)),
        key=lambda s: (-s.score, s.passage.rank, s.unit.spans),
    )
    return _judged(question, focus, supports, wanted, embedder)


class _Stretches:
    """Every quotable stretch of the passages, with the signals that cost nothing."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._found = [
            (unit, passage, reading(passage, unit), introduction(passage, unit))
            for index, passage in enumerate(passages)
            for unit in quotable(passage, index)
        ]
        self._passages = passages

    def vocabulary(self) -> dict[str, str]:
        """Every word of the passages, by its stem."""
        headings = [" ".join([p.title, *p.headings]) for p in self._passages]
        return vocabulary([*(text for _, _, text, _ in self._found), *headings])

    def measured(self, question: str, wanted: Expectation | None) -> list[Support]:
        bags = [roots(text) for _, _, text, _ in self._found]
        frequency = Counter(root for bag in bags for root in bag)
        rarity = {
            root: math.log(1 + (len(bags) - frequency[root] + 0.5) / (frequency[root] + 0.5))
            for root in matched(question, frequency)
        }
        total = sum(rarity.values()) or 1.0
        supports = []
        for (unit, passage, text, lead), bag in zip(self._found, bags, strict=True):
            held = bag | roots(lead) | surroundings(passage)
            met = wanted is None or wanted.met(f"{lead} {text}")
            headed = not met and wanted is not None and _headed(unit, passage, wanted)
            supports.append(
                Support(
                    unit=unit,
                    passage=passage,
                    text=text,
                    coverage=sum(rarity[root] for root in rarity if root in held) / total,
                    met=met or headed,
                    headed=headed,
                )
            )
        return supports


def _headed(unit: Unit, passage: Passage, wanted: Expectation) -> bool:
    if not wanted.titled or unit.heading is None:
        return False
    return wanted.met(passage.text[slice(*unit.heading)])


def _prior(support: Support, wanted: Expectation | None) -> float:
    kind = 0.15 if wanted and support.met else 0.0
    return 0.7 * support.coverage + 1.1 * support.passage.score + kind


def _cosines(
    question: str, focus: str, supports: Sequence[Support], embedder: Embedder | None
) -> list[float]:
    """With the question; where it leans on an earlier one, the mean with what was asked last."""
    asked = embed(embedder, [question, focus], query=True)
    if asked is None:
        return [support.coverage for support in supports]
    leads = [introduction(support.passage, support.unit)[:80] for support in supports]
    texts = [f"{lead} {s.text}".strip()[:READ] for lead, s in zip(leads, supports, strict=True)]
    told = embed(embedder, texts)
    if told is None:
        return [support.coverage for support in supports]
    return [float(value) for value in (told @ asked.T).mean(axis=1)]


def _scored(
    support: Support,
    cosine: float,
    asked: frozenset[str],
    wanted: Expectation | None,
    facets: Facets,
) -> Support:
    score = cosine + BY_WORDS * support.coverage + BY_RANK * support.passage.score
    score += BY_KIND if wanted and support.met else 0.0
    score += BY_FACT if facets.concerns(surroundings(support.passage)) else 0.0
    if wanted is None or not support.met:
        score -= NO_NEWS if len(roots(support.text) - asked) < NEWS else 0.0
    score -= CONFLICT if facets.conflicts(support.passage) else 0.0
    return replace(support, cosine=cosine, score=score)


def _judged(
    question: str,
    focus: str,
    supports: Sequence[Support],
    wanted: Expectation | None,
    embedder: Embedder | None,
) -> Evidence:
    """The evidence with its confidence and the words it lacks."""
    held: set[str] = set()
    for support in supports[:3]:
        held |= roots(support.passage.text) | surroundings(support.passage)
    if wanted and supports[0].met:
        held |= wanted.asking
    missing = [word for root, word in matched(focus, held).items() if root not in held]
    signs = Signs(
        cosine=max(support.cosine for support in supports[:4]),
        met=wanted is None or supports[0].met,
        named=bool(proper_names(focus).intersection(missing)),
        weight=weight(question, missing, embedder),
        documents=len({support.passage.document_id for support in supports[:4]}),
        words=len(subject(focus)),
    )
    return Evidence(supports=tuple(supports), confidence=signs.confidence(), missing=tuple(missing))
