"""Embeddings and reranking by a real vLLM server with a pooling model.

The tiny model was not trained for it, but the mean over its tokens still tells texts of the same
words from others: enough to see that vectors and scores are those of the right texts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead import Document, Principal
from fairlead.errors import SettingsError
from fairlead.retrieval import Library
from fairlead.serving import ServedEmbedder, open_embedder, open_reranker
from fairlead.settings import load
from scripts.tiny_world import FOLDERS
from tests.servers.vllm import Vllm

pytestmark = pytest.mark.vllm
BASE = FOLDERS[0]
POOLING = (
    "--runner",
    "pooling",
    "--convert",
    "embed",
    "--pooler-config",
    '{"pooling_type":"MEAN"}',
)
WARRANTY = "The warranty of the Zorvex is 17 months."
LONGER = "The warranty of the Zorvex is 46 months."
ORDER = "Where is order 4711?"
DOCUMENTS = [Document(id="warranty", text=WARRANTY), Document(id="order", text=ORDER)]


@pytest.fixture(scope="module")
def pooling(vllm_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    with Vllm(tmp_path_factory.mktemp("pooling"), BASE, options=("--", *POOLING)) as server:
        yield server


def test_vectors_are_those_of_their_texts(pooling: Vllm) -> None:
    embedder = ServedEmbedder(pooling.url, pooling.name, api_key=pooling.key, batch=2)
    texts = [WARRANTY, ORDER, WARRANTY, LONGER, "x" * 300]
    rows = embedder.embed(texts)
    embedder.close()
    assert rows.shape == (5, embedder.dimension) and embedder.last_tokens > 0
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    assert rows[0] @ rows[2] > 0.999 and rows[0] @ rows[3] > rows[0] @ rows[1]


@pytest.mark.parametrize("form", ["rerank", "score"])
async def test_a_collection_embedded_and_reranked_by_it(
    pooling: Vllm, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLING_KEY", pooling.key)
    values: Any = {
        "storage": {"path": str(tmp_path)},
        "models": {
            "pool": {
                "provider": "vllm",
                "url": pooling.url,
                "name": pooling.name,
                "api_key": {"env": "POOLING_KEY"},
            }
        },
        "retrieval": {
            "embedder": "vllm:pool",
            "reranker": "vllm:pool",
            "reranking": {"form": form},
        },
    }
    settings = load(values).settings
    reranker = open_reranker(settings)
    assert reranker is not None
    scores = await reranker.scores(WARRANTY, [ORDER, WARRANTY, LONGER])
    assert scores[1] == max(scores) and scores[0] == min(scores)
    embedder = open_embedder(settings)
    library = Library(tmp_path / "knowledge", embedder, settings, reranker=reranker)
    await library.ingest(DOCUMENTS, tenant="acme")
    result = await library.search(LONGER, principal=Principal(tenant="acme"))
    dense = await library.search(LONGER, principal=Principal(tenant="acme"), mode="dense")
    await library.close()
    await reranker.close()
    assert result.hits[0].document_id == dense.hits[0].document_id == "warranty"
    assert not result.warnings


def test_a_model_that_it_has_not(pooling: Vllm) -> None:
    embedder = ServedEmbedder(pooling.url, "other", api_key=pooling.key)
    with pytest.raises(SettingsError, match="404"):
        embedder.embed(["x"])
    embedder.close()
