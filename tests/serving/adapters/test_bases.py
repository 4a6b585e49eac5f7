"""Base models by name, folder and digest."""

import json
import shutil
from pathlib import Path

import pytest

from fairlead.errors import InputError
from fairlead.serving.adapters.bases import Base, base_digest, find_base
from tests.serving.adapters.samples import write_base


def test_a_folder_has_a_digest_and_shapes(tmp_path: Path) -> None:
    base = find_base(str(write_base(tmp_path / "tiny")))
    assert (base.name, base.digest) == ("tiny", base_digest(tmp_path / "tiny"))
    assert base.shapes["model.layers.1.self_attn.up_proj.weight"] == (24, 16)
    named = find_base(f"Qwen/Qwen3-tiny={tmp_path / 'tiny'}")
    assert (named.name, named.digest) == ("Qwen/Qwen3-tiny", base.digest)
    assert named.is_called("Qwen/Qwen3-tiny") and named.is_called("/elsewhere/tiny")


def test_the_digest_is_of_the_weights_not_of_the_saving(tmp_path: Path) -> None:
    first = write_base(tmp_path / "a", transformers_version="4.57", torch_dtype="bfloat16")
    second = write_base(tmp_path / "b", dtype="bfloat16", _name_or_path="x/y")
    assert base_digest(first) == base_digest(second)
    assert base_digest(write_base(tmp_path / "c", value=2.0)) != base_digest(first)
    assert base_digest(write_base(tmp_path / "d", rope_theta=1e6)) != base_digest(first)
    shutil.copy(second / "model.safetensors", second / "model-2.safetensors")
    assert base_digest(second) != base_digest(first)


def test_the_hubs_cache_says_whose_it_is(tmp_path: Path) -> None:
    place = tmp_path / "models--Qwen--Qwen3-0.6B" / "snapshots"
    place.mkdir(parents=True)
    base = find_base(str(write_base(place / "0a1b")))
    assert base.name == "Qwen/Qwen3-0.6B"
    assert base.is_called("Qwen/Qwen3-0.6B") and not base.is_called("evil/Qwen3-0.6B")


@pytest.mark.parametrize(
    ("base", "adapter", "same"),
    [
        ("tiny", "tiny", True),
        ("tiny", "/data/models/tiny/", True),
        ("tiny", "owner/tiny", True),
        ("owner/tiny", "./tiny", True),
        ("owner/tiny", "other/tiny", False),
        ("tiny", "tiny-chat", False),
        ("tiny", "C:\\models\\tiny", True),
    ],
)
def test_names_that_mean_the_same(base: str, adapter: str, same: bool) -> None:
    assert Base(name=base).is_called(adapter) is same


@pytest.mark.parametrize("given", ["", " ", "./nowhere", "/nowhere/at/all", "~/nowhere-at-all"])
def test_no_such_folder(given: str) -> None:
    with pytest.raises(InputError, match="no folder"):
        find_base(given)


def test_folders_without_a_base(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    with pytest.raises(InputError, match=r"cannot read 'config\.json'"):
        find_base(str(folder))
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="no JSON object"):
        find_base(str(folder))
    (folder / "config.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="no safetensors"):
        find_base(str(folder))
    (folder / "model.safetensors").write_bytes(b"{}")
    with pytest.raises(InputError, match="too short"):
        find_base(str(folder))
