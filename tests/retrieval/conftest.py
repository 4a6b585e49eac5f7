"""A library without vectors, and one with a small deterministic embedder that counts its work."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fairlead.retrieval import Library
from fairlead.settings import Settings


class HashEmbedder:
    """Bags of words hashed into 64 places: enough to tell texts apart, no model needed."""

    dimension = 64

    def __init__(self, identity: str = "hash/64") -> None:
        self.identity = identity
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        self.texts += texts
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.01
            for word in text.lower().split():
                place = hashlib.sha256(f"{self.identity} {word}".encode()).digest()[0] % 64
                row[place] += 1.0
            row /= np.linalg.norm(row)
        return rows

    def count_tokens(self, text: str) -> int:
        return len(text.split())


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
async def library(tmp_path: Path, embedder: HashEmbedder) -> AsyncIterator[Library]:
    opened = Library(tmp_path / "knowledge", embedder)
    yield opened
    await opened.close()


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Library]:
    """Without an embedder, on purpose."""
    settings = Settings.model_validate({"retrieval": {"embedder": "none"}})
    opened = Library(tmp_path / "knowledge", None, settings)
    yield opened
    await opened.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "returns.md").write_text(
        "---\ntitle: Returns\ndate: 2026-03-01\ncountry: DE\nyear: 2026\n---\n"
        "# Returns\n\nGoods may be returned within 30 days of delivery.\n\n"
        "## Costs\n\nThe return label costs 4.90 EUR.\n",
        encoding="utf-8",
    )
    (folder / "shipping.txt").write_text("Parcels reach Norway in 4 to 7 days.\n", encoding="utf-8")
    (folder / "notes.jsonl").write_text(
        '{"id": "n1", "text": "The telephone is answered from eight to six.", "acl": ["staff"]}\n'
        '{"id": "n2", "text": "Gift cards last three years.", "metadata": {"year": 2024}}\n',
        encoding="utf-8",
    )
    return folder
