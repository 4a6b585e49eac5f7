"""`benchmarks/retrieval.py`, whole, on a set of three documents."""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "#returns": "Goods may be returned within thirty days of delivery.",
    "#norway": "Parcels to Norway take four to seven days.",
    "#cards": "Gift cards last three years from the day they are bought.",
}
ASKED = {"#returns": "May I return goods?", "#norway": "How long do parcels to Norway take?"}


class Hashed:
    """Bags of words hashed into 64 places."""

    identity = "hash/64"
    dimension = 64

    def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        rows = np.full((len(texts), 64), 0.01, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[hashlib.sha256(word.encode()).digest()[0] % 64] += 1.0
            row /= np.linalg.norm(row)
        return rows

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def test_it_measures_four_methods(
    benchmark: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "anthropics/anthropic-cookbook/skills/retrieval_augmented_generation"
    (folder / "data").mkdir(parents=True)
    (folder / "evaluation").mkdir()
    chunks = [{"chunk_link": k, "chunk_heading": "", "text": t} for k, t in SECTIONS.items()]
    asked = [{"id": k, "question": q, "correct_chunks": [k]} for k, q in ASKED.items()]
    (folder / "data/anthropic_docs.json").write_text(json.dumps(chunks))
    (folder / "evaluation/docs_evaluation_dataset.json").write_text(json.dumps(asked))
    monkeypatch.syspath_prepend(str(ROOT))
    retrieval = benchmark("retrieval")
    monkeypatch.setattr(retrieval, "open_embedder", lambda _: Hashed())
    figures = tmp_path / "figures.json"
    line = ["retrieval", str(tmp_path), "--sets", "documentation", "faq", "--json", str(figures)]
    monkeypatch.setattr(sys, "argv", line)
    retrieval.main()
    found = json.loads(figures.read_text())["sets"]
    assert set(found) == {"documentation"}
    assert found["documentation"]["documents"] == 3
    assert set(found["documentation"]["methods"]) == {"bm25", "dense", "hybrid", "full"}
    assert all(m["nDCG@10"] == 1.0 for m in found["documentation"]["methods"].values())
