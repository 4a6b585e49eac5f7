"""LangChain's embeddings as ours."""

from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from fairlead.errors import SettingsError, Unavailable
from fairlead.serving import LangChainEmbedder


class Small(DeterministicFakeEmbedding):
    size: int = 6


class Given(Embeddings):
    """Returns these rows, or fails; keeps what it was asked."""

    def __init__(self, rows: Any = None) -> None:
        self._rows = rows
        self.asked: list[tuple[str, list[str]]] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(("documents", texts))
        if self._rows is None:
            raise ConnectionError("refused")
        rows: list[list[float]] = self._rows[: len(texts)]
        return rows

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(("query", [text]))
        row: list[float] = self._rows[0]
        return row


def test_unit_rows() -> None:
    embedder = LangChainEmbedder(Small(), name="stand_in:Small")
    assert (embedder.identity, embedder.dimension) == ("stand_in:Small/6", 6)
    rows = embedder.embed(["a", "b"])
    assert rows.shape == (2, 6) and np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert embedder.embed([]).shape == (0, 6) and embedder.count_tokens("x" * 9) == 3
    assert (embedder.embed(["b"], query=True)[0] == rows[1]).all()


def test_questions_go_their_own_way_with_their_own_prefix() -> None:
    inner = Given([[3.0, 4.0], [1.0, 0.0]])
    embedder = LangChainEmbedder(inner, query_prefix="q: ", document_prefix="d: ")
    assert np.allclose(embedder.embed(["why?", "how?"], query=True), [[0.6, 0.8], [0.6, 0.8]])
    embedder.embed(["because"])
    assert inner.asked == [
        ("query", ["q: why?"]),
        ("query", ["q: how?"]),
        ("documents", ["d: because"]),
    ]


def test_the_identity_names_the_model_its_revision_and_the_prefixes() -> None:
    inner = Given([[1.0, 2.0]])
    inner.model = "bge"  # type: ignore[attr-defined]  # as LangChain's classes have one
    assert LangChainEmbedder(inner, name="a:B").identity == "a:B=bge/2"
    assert LangChainEmbedder(inner, name="a:B", revision="r1").identity == "a:B=bge@r1/2"
    prefixed = LangChainEmbedder(inner, name="a:B", query_prefix="q: ").identity
    assert prefixed.startswith("a:B=bge/2+")


def test_failures_are_said() -> None:
    with pytest.raises(Unavailable, match="refused"):
        LangChainEmbedder(Given()).embed(["a"])
    bad: tuple[Any, ...] = ([], [[float("nan")]], [[]], [["a"]], [1.0])
    for rows in bad:
        with pytest.raises(SettingsError, match="one vector of finite numbers"):
            LangChainEmbedder(Given(rows)).embed(["a"])
