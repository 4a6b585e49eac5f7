"""Which stretches of what was found answer a question, and how sure that is.

Three signals rank a stretch: the cosine between it and the question, the share of the question's
words it holds (rare words count more), and the rank of its passage; a stretch that holds the kind
of thing asked for (a time, an amount) goes up. Confidence is a logistic function of four signs.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from fairlead.agents.expectations import Expectation, expected
from fairlead.agents.facets import Facets
from fairlead.agents.memory import embed
from fairlead.agents.questions import proper_names
from fairlead.agents.units import Unit, cut
from fairlead.agents.words import content, near, stem, stems
from fairlead.protocols import Embedder
from fairlead.schema import Passage

EMBEDDED: Final = 24
"""Stretches that are compared by meaning; the others only by their words."""
READ: Final = 240
"""Characters of a stretch that the embedder reads."""
BY_WORDS: Final = 0.3
BY_RANK: Final = 0.4
BY_KIND: Final = 0.1
BY_FACT: Final = 0.15
"""Weights beside the cosine's 1. Chosen on two document sets, checked on two others."""
NEWS: Final = 3
NO_NEWS: Final = 0.15
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
    """Share of the question's words, weighted by rarity, in the stretch and what it stands under."""
    cosine: float
    """With the question; 0 where it was not compared."""
    met: bool
    """Whether it holds the kind of thing asked for; true where the question names none."""
    headed: bool
    """Whether only its heading holds that."""
    score: float


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
    `facts` are keys and values that a tool said of the matter. Blocks: embeds up to 24 stretches.
    """
    facets = Facets(question, passages, facts)
    wanted = expected(focus or question) or expected(question)
    found = _measured(question, passages, wanted, facets, facts)
    if not found:
        return Evidence(missing=tuple(content(question)))
    first = sorted(found, key=lambda s: -_prior(s, wanted))[:EMBEDDED]
    cosines = _cosines(question, first, embedder)
    asked = _stems_of(question)
    supports = sorted(
        (_scored(s, c, asked, wanted, facets) for s, c in zip(first, cosines, strict=True)),
        key=lambda s: (-s.score, s.passage.rank, s.unit.spans),
    )
    return _judged(question, focus or question, supports, wanted, embedder)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Markdown as it reads: link texts without addresses, roles and emphasis without marks."""
    text = re.sub(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[[^\[\]]*\])", r"\1", text)
    text = re.sub(r"\{[\w:+-]+\}`~?([^`<]*?)(?:\s*<[^`]*>)?`", r"\1", text)
    text = re.sub(r"<!--.*?-->|</?[a-zA-Z][^<>\n]{0,200}>", " ", text)
    return re.sub(r"\s+", " ", re.sub(r"[*`#|>]|\\(?=\W)", " ", text)).strip()


def reading(passage: Passage, unit: Unit) -> str:
    """The unit as it reads."""
    return plain(" ".join(passage.text[a:b] for a, b in unit.spans))


def _measured(
    question: str,
    passages: Sequence[Passage],
    wanted: Expectation | None,
    facets: Facets,
    facts: Sequence[tuple[str, str]],
) -> list[Support]:
    """Every quotable stretch with the signals that cost nothing."""
    found: list[tuple[Unit, Passage, str, str]] = []
    for index, passage in enumerate(passages):
        if facets.superseded(passage):
            continue
        for unit in quotable(passage, index):
            lead = plain(" ".join(passage.text[a:b] for a, b in unit.lead))
            found.append((unit, passage, reading(passage, unit), lead))
    bags = [set(stems(text)) for _, _, text, _ in found]
    frequency = Counter(word for bag in bags for word in bag)
    wanted_stems = matched(question, frequency)
    weight = {
        w: math.log(1 + (len(bags) - frequency[w] + 0.5) / (frequency[w] + 0.5))
        for w in wanted_stems
    }
    total = sum(weight.values()) or 1.0
    supports = []
    for (unit, passage, text, lead), bag in zip(found, bags, strict=True):
        whole = bag | set(stems(lead)) | surroundings(passage)
        met = wanted is None or wanted.met(f"{lead} {text}")
        headed = bool(
            wanted and not met and unit.heading and wanted.met(passage.text[slice(*unit.heading)])
        )
        supports.append(
            Support(
                unit=unit,
                passage=passage,
                text=text,
                coverage=sum(weight[w] for w in wanted_stems if w in whole) / total,
                cosine=0.0,
                met=met or headed,
                headed=headed,
                score=0.0,
            )
        )
    return supports


def quotable(passage: Passage, index: int = 0) -> list[Unit]:
    """The units of a passage that say something and carry no instruction to an assistant."""
    flagged = _flagged(passage)
    units = cut(passage.text, index, opening=passage.start == 0)
    tainted = {
        unit.block
        for unit in units
        if any(a < end and start < b for start, end in flagged for a, b in unit.spans)
    }
    return [
        unit
        for unit in units
        if unit.kind != "heading"
        and unit.block not in tainted
        and (unit.kind != "sentence" or len(set(stems(reading(passage, unit)))) >= 2)
    ]


def _flagged(passage: Passage) -> list[tuple[int, int]]:
    """Where instructions stand in the guarded text; findings count the text before the guard."""

    def guarded(position: int) -> int:
        return position - sum(at < position for at in passage.removed)

    return [
        (guarded(finding.start), guarded(finding.end))
        for finding in passage.findings
        if finding.kind == "instruction_like"
    ]


@lru_cache(maxsize=4096)
def _stems_of(text: str) -> frozenset[str]:
    return frozenset(stems(text))


def surroundings(passage: Passage) -> frozenset[str]:
    """Stems of what a passage stands under: title, headings, and metadata that is text."""
    values = [v for v in passage.metadata.values() if isinstance(v, str) and len(v) <= 80]
    return _stems_of(" ".join([passage.title, *passage.headings, *values]))


def matched(question: str, vocabulary: Iterable[str]) -> dict[str, str]:
    """Stems to look for → the question's words: misspelt ones as the vocabulary spells them."""
    known = set(vocabulary)
    found: dict[str, str] = {}
    for word in content(question):
        root = stem(word)
        if root not in known and len(root) >= 4 and root.isalpha():
            root = _related(root, known) or near(root, known) or root
        found.setdefault(root, word)
    return found


def _related(root: str, known: Iterable[str]) -> str | None:
    """A known stem that shares most of its beginning: verify, verification."""
    best = None
    for other in known:
        longest = max(len(root), len(other))
        shared = 0
        for one, its in zip(root, other, strict=False):
            if one != its:
                break
            shared += 1
        if shared >= 5 and shared >= 0.75 * longest and (best is None or (shared, other) > best):
            best = (shared, other)
    return best[1] if best else None


def _prior(support: Support, wanted: Expectation | None) -> float:
    kind = 0.15 if wanted and support.met else 0.0
    return 0.7 * support.coverage + 0.7 * support.passage.score + kind


def _cosines(question: str, supports: Sequence[Support], embedder: Embedder | None) -> list[float]:
    if embedder is None:
        return [s.coverage for s in supports]
    texts = []
    for support in supports:
        lead = plain(" ".join(support.passage.text[a:b] for a, b in support.unit.lead))
        texts.append(f"{lead[:80]} {support.text}".strip()[:READ])
    vectors = embed(embedder, [question, *texts])
    return [float(value) for value in vectors[1:] @ vectors[0]]


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
    score -= NO_NEWS if len(set(stems(support.text)) - asked) < NEWS else 0.0
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
    best = supports[:3]
    held: set[str] = set()
    for support in best:
        held |= _stems_of(plain(support.passage.text)) | surroundings(support.passage)
    missing = [word for root, word in matched(focus, held).items() if root not in held]
    signs = Signs(
        cosine=max(s.cosine for s in supports[:4]),
        met=wanted is None or best[0].met,
        named=any(word in proper_names(focus) for word in missing),
        weight=_weight(question, missing, embedder),
    )
    return Evidence(supports=tuple(supports), confidence=signs.confidence(), missing=tuple(missing))


def _weight(question: str, missing: Sequence[str], embedder: Embedder | None) -> float:
    """How much the question's meaning changes without the weightiest of the missing words."""
    if not missing:
        return 0.0
    if embedder is None:
        return min(1.0, len(missing) / max(1, len(set(content(question)))))
    texts = [question] + [
        re.sub(rf"(?i)\b{re.escape(word)}\b", " ", question) for word in missing[:6]
    ]
    vectors = embed(embedder, texts)
    return float(max(0.0, 1.0 - min(vectors[1:] @ vectors[0])))


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What confidence is made of."""

    cosine: float
    """Of the best of the first four stretches."""
    met: bool
    """The best stretch holds the kind of thing asked for."""
    named: bool
    """A name of the question is missing from what was found."""
    weight: float
    """Change of meaning when the weightiest missing word is left out, 0 to 1."""

    def confidence(self) -> float:
        """Logistic regression over answerable and near-miss questions on four document sets."""
        z = 6.0 * self.cosine - 2.0 * (not self.met) - 0.8 * self.named - 3.0 * self.weight - 2.6
        return 1 / (1 + math.exp(-z))
