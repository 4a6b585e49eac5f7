"""How likely it is that a search found what was asked: from words covered, scores and cosine."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from fairlead.retrieval.analysis import STEMMER, words
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Scores

if TYPE_CHECKING:  # 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

FACT = "scale"
"""Under which an index keeps its scale."""
PROBES = (
    "How do I bake sourdough bread?",
    "What is the capital of Mongolia?",
    "Who won the football world cup in 1998?",
    "Which birds fly south in winter?",
    "How tall is Mount Everest?",
    "What medicine helps against malaria?",
    "How do I change the oil of a car?",
    "When was the Peace of Westphalia signed?",
    "Which key is Beethoven's fifth symphony in?",
    "How do vaccines train the immune system?",
    "What is the boiling point of nitrogen?",
    "How often should I water a cactus?",
    "Who painted the Sistine Chapel?",
    "What are the rules of offside in ice hockey?",
    "How does a heat pump work?",
    "Which vitamins are in spinach?",
    "How do I knit a scarf?",
    "What causes earthquakes?",
    "How is cheese made from milk?",
    "Which moons does Jupiter have?",
    "How do I train a puppy to sit?",
    "What is the plot of Hamlet?",
    "How do central banks set interest rates?",
    "What language is spoken in Brazil?",
)
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What a cosine means in one collection, whatever the embedder.

    `low`: mean of the best cosines of questions from other fields; `high`: of sentences out of
    the collection, each without the chunk that it stands in.
    """

    low: float = 0.17
    high: float = 0.6

    @staticmethod
    def parsed(fact: str) -> "Scale":
        """As it was stored; without, what is typical of the default embedder."""
        if not fact:
            return Scale()
        low, high = fact.split()
        return Scale(low=float(low), high=float(high))

    def __str__(self) -> str:
        return f"{self.low:.6f} {self.high:.6f}"


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What the gate goes by.

    `coverage`: best share of the question's idf mass found in one of the first ten chunks;
    `cosine`: of the best chunk, None without vectors.
    """

    coverage: float
    cosine: float | None


async def signals(
    snapshot: Snapshot, terms: Sequence[str], texts: Iterable[str], dense: Scores
) -> Signals:
    """Of one search; `texts` are the first ten chunks with their titles."""
    stems = [stem for found in STEMMER.stems(terms).values() for stem in found]
    weights = await idf(snapshot, stems)
    mass = sum(weights.values())
    covered = 0.0
    for text in texts:
        held = {stem for found in STEMMER.stems(words(text)).values() for stem in found}
        covered = max(covered, sum(w for stem, w in weights.items() if stem in held))
    return Signals(
        coverage=covered / mass if mass else 0.0,
        cosine=max(dense.values()) if dense else None,
    )


async def idf(snapshot: Snapshot, stems: Sequence[str]) -> Mapping[str, float]:
    """Inverse document frequency of each stem: log(1 + (N − n + ½) / (n + ½))."""
    counts = await snapshot.frequencies(stems)
    total = snapshot.chunks
    return {
        stem: math.log(1 + (total - counts.get(stem, 0) + 0.5) / (counts.get(stem, 0) + 0.5))
        for stem in stems
    }


def confidence(found: Signals, scale: Scale) -> float:
    """The probability, 0 to 1, that a passage among the first ten answers.

    A logistic regression of the cosine's standing on the collection's own scale and of coverage,
    without vectors of coverage alone. Fitted on twelve question sets (`benchmarks/confidence.py`):
    462 questions whose answer was found, 353 near misses (most of them made by hiding the answering
    documents) and 240 questions of other fields. With each set judged by coefficients from the
    other eleven: Brier score .178; where it says .08, .31, .51, .69 and .86 on average, .09, .38,
    .50, .67 and .81 were answered; area under the curve .74 against near misses, .99 against other
    fields.
    """
    if found.cosine is None:
        return _sigmoid(4.2 * found.coverage - 2.5)
    standing = (found.cosine - scale.low) / (scale.high - scale.low)
    return _sigmoid(2.1 * min(1.2, max(-0.3, standing)) + 3.0 * found.coverage - 3.5)


async def measured_scale(
    snapshot: Snapshot,
    foreign: "NDArray[float32]",
    own: "Mapping[str, NDArray[float32]]",
) -> Scale:
    """From the vectors of `PROBES` and of sentences of the collection by their passage id."""
    outside = [max((await snapshot.dense(v, 1)).values(), default=0.0) for v in foreign]
    inside = []
    for passage_id, vector in own.items():
        near = await snapshot.dense(vector, 2)
        held = await snapshot.candidates(list(near))
        others = [c for ref, c in near.items() if held[ref].hit.passage_id != passage_id]
        inside.append(max(others, default=0.0))
    low = fmean(sorted(outside)[: -len(outside) // 6])  # a collection may well be about baking
    return Scale(low=low, high=max(low + 0.2, fmean(inside) if len(inside) > 3 else 0.0))


def first_sentence(body: str) -> str:
    """The first sentence of five words or more, empty without one."""
    said = (each for each in _SENTENCE.split(body) if not each.startswith("#"))
    return next((each for each in said if len(each.split()) >= 5), "")[:300]


def _sigmoid(x: float) -> float:
    return round(1 / (1 + math.exp(-x)), 6)
