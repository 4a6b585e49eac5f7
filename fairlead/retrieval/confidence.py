"""How likely it is that a search found what was asked: from words covered, scores and cosine."""

import math
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from fairlead.protocols import Embedder
from fairlead.retrieval.analysis import STEMMER, words
from fairlead.retrieval.collection import state
from fairlead.retrieval.matrix import Matrix
from fairlead.retrieval.spelling import document_counts

_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
_PROBES = (
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


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What a cosine means in one collection, whatever the embedder.

    `low`: mean of the best cosines of questions from other fields; `high`: of sentences out of
    the collection, each without the chunk that it stands in.
    """

    low: float = 0.17
    high: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What the gate goes by.

    `coverage`: best share of the question's idf mass found in one of the first ten chunks;
    `strength`: the best BM25 score by that mass; `cosine`: of the best chunk, None without
    vectors; `words`: content words of the question.
    """

    coverage: float
    strength: float
    cosine: float | None
    words: int


def signals(
    connection: sqlite3.Connection,
    terms: Sequence[str],
    texts: Iterable[str],
    lexical: Mapping[int, float],
    dense: Mapping[int, float],
) -> Signals:
    """Of one search; `texts` are the first ten chunks with their titles."""
    stems = [stem for found in STEMMER.stems(terms).values() for stem in found]
    weights = _weights(connection, stems)
    mass = sum(weights.values())
    covered = 0.0
    for text in texts:
        held = {stem for found in STEMMER.stems(words(text)).values() for stem in found}
        covered = max(covered, sum(w for stem, w in weights.items() if stem in held))
    return Signals(
        coverage=covered / mass if mass else 0.0,
        strength=max(lexical.values(), default=0.0) / mass if mass else 0.0,
        cosine=max(dense.values()) if dense else None,
        words=len(weights),
    )


def _weights(connection: sqlite3.Connection, stems: Sequence[str]) -> dict[str, float]:
    """Inverse document frequency of each stem: log(1 + (N − n + ½) / (n + ½))."""
    counts = document_counts(connection, stems)
    total = connection.execute("SELECT count(*) FROM fts_docsize").fetchone()[0]
    return {
        stem: math.log(1 + (total - counts.get(stem, 0) + 0.5) / (counts.get(stem, 0) + 0.5))
        for stem in stems
    }


def confidence(found: Signals, scale: Scale) -> float:
    """0 to 1: near 0 for a question of another field, not a promise that the answer is there.

    The cosine is judged on the collection's own scale. Coverage adds to it from four content
    words on (shorter questions are always covered), and decides alone without vectors. The
    constants are a discriminant between 88 questions and 124 from other fields, softened.
    """
    coverage = found.coverage - 0.4
    if found.cosine is None:
        return _sigmoid(6.0 * coverage)
    standing = (found.cosine - scale.low) / (scale.high - scale.low)
    return _sigmoid(12.0 * (standing - 0.45) + (3.0 * coverage if found.words >= 4 else 0.0))


def measured_scale(connection: sqlite3.Connection, matrix: Matrix, embedder: Embedder) -> Scale:
    """From twenty-four questions of everyday fields and as many sentences of the collection."""
    foreign = [max(matrix.nearest(row, 1).values(), default=0.0) for row in embedder.embed(_PROBES)]
    sentences = _sentences(connection)
    own = [
        max((cosine for row, cosine in matrix.nearest(vector, 2).items() if row != at), default=0.0)
        for at, vector in zip(sentences, embedder.embed(list(sentences.values())), strict=True)
    ]
    low = fmean(sorted(foreign)[: -len(foreign) // 6])  # a collection may well be about baking
    return Scale(low=low, high=max(low + 0.2, fmean(own) if len(own) > 3 else 0.0))


def stored_scale(connection: sqlite3.Connection, identity: str) -> Scale:
    """As measured at the last ingest, else what is typical of the default embedder."""
    held = state(connection, f"scale {identity}")
    if not held:
        return Scale()
    low, high = held.split()
    return Scale(low=float(low), high=float(high))


def store_scale(connection: sqlite3.Connection, identity: str, scale: Scale) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO state VALUES (?, ?)",
        (f"scale {identity}", f"{scale.low:.6f} {scale.high:.6f}"),
    )


def _sentences(connection: sqlite3.Connection) -> dict[int, str]:
    """Chunk → its first sentence of five words or more, for some chunks picked by their ids."""
    rows = connection.execute("SELECT row, body FROM chunk WHERE live = 1 ORDER BY id LIMIT 48")
    found = {}
    for row, body in rows:
        said = (each for each in _SENTENCE.split(body) if not each.startswith("#"))
        sentence = next((each for each in said if len(each.split()) >= 5), "")
        if sentence:
            found[row] = sentence[:300]
    return dict(list(found.items())[: len(_PROBES)])


def _sigmoid(x: float) -> float:
    return round(1 / (1 + math.exp(-x)), 6)
