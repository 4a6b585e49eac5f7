"""What is read of a base before training."""

from pathlib import Path

import pytest

from fairlead.errors import InputError
from fairlead.serving.training.base_model import (
    BaseModel,
    adapter_parameters,
    check_targets,
    read_base_model,
)
from tests.serving.training.tiny import HIDDEN, INNER, LAYERS, write_base, write_json


def test_shapes_and_numbers_are_read_from_the_headers(base: BaseModel) -> None:
    assert (base.hidden, base.layers, base.inner, base.max_tokens) == (HIDDEN, LAYERS, INNER, 1024)
    assert base.size == 4 * base.parameters and len(base.linear) == 7 * LAYERS
    assert base.linear["model.layers.1.mlp.up_proj"] == (INNER, HIDDEN)
    assert adapter_parameters(base, 4, "all-linear") == 8192
    assert adapter_parameters(base, 4, ("up_proj",)) == 2 * 4 * (INNER + HIDDEN)
    one = ("model.layers.0.mlp.up_proj",)
    assert adapter_parameters(base, 4, one) == 4 * (INNER + HIDDEN)


def test_targets_are_modules_of_the_base(base: BaseModel) -> None:
    check_targets(base, "all-linear")
    check_targets(base, ("q_proj", "model.layers.0.mlp.up_proj"))
    with pytest.raises(InputError, match="no module 'lm_head'") as caught:
        check_targets(base, ("q_proj", "lm_head"))
    assert "down_proj, gate_proj, k_proj" in caught.value.hint


def test_a_folder_that_holds_no_base_is_said(tmp_path: Path) -> None:
    def read() -> BaseModel:
        return read_base_model(folder, name="x", digest="")

    folder = tmp_path / "none"
    with pytest.raises(InputError, match=r"cannot read 'config.json'"):
        read()
    folder = write_base(tmp_path / "base")
    (folder / "tokenizer.json").rename(folder / "away")
    with pytest.raises(InputError, match=r"has no 'tokenizer.json'"):
        read()
    (folder / "away").rename(folder / "tokenizer.json")
    weights = folder / "model.safetensors"
    for content in (
        b"\xff" * 20,
        b"\x02\x00\x00\x00\x00\x00\x00\x00[]",
        b"\x05\0\0\0\0\0\0\0{",
        b"",
    ):
        weights.write_bytes(content)
        with pytest.raises(InputError, match=r"cannot read .*model.safetensors"):
            read()
    weights.unlink()
    with pytest.raises(InputError, match="has no safetensors files"):
        read()
    write_json(folder / "config.json", [])
    with pytest.raises(InputError, match="no JSON object"):
        read()


def test_a_base_of_several_media_keeps_its_numbers_inside(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    write_json(folder / "config.json", {"text_config": {"hidden_size": 5}})
    found = read_base_model(folder, name="x", digest="")
    assert (found.hidden, found.layers, found.max_tokens) == (5, 0, 0)
