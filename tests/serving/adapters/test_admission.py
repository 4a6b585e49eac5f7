"""Letting adapters in: what is stored, under which digest, and each refusal by its reason."""

import json
import os
import random
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fairlead.errors import CheckFailed, InputError, NotFound, Unavailable
from fairlead.serving.adapters.admission import admit
from fairlead.serving.adapters.bases import Base, find_base
from fairlead.serving.adapters.content import ContentStore
from fairlead.serving.adapters.digest import content_digest, parsed_served_name, served_name
from fairlead.serving.adapters.refusals import AdapterRefused
from fairlead.serving.adapters.weights import Limits, product_norm
from tests.serving.adapters.samples import (
    HIDDEN,
    Tensors,
    configuration,
    tensor_file,
    weights,
    write_adapter,
    write_base,
)

TINY = Base(name="tiny")
FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "adapters")


def refused(folder: Path, base: Base = TINY, **limits: Any) -> dict[str, str]:
    """Codes and messages of the reasons; nothing was stored."""
    store = ContentStore(folder.parent / "adapters")
    with pytest.raises(AdapterRefused) as caught:
        admit(folder, base=base, limits=Limits(**limits), store=store)
    assert not store.digests()
    left = [each.name for each in store.root.iterdir()] if store.root.exists() else []
    assert left in ([], [".lock"])
    return {reason.code: reason.message for reason in caught.value.reasons}


def test_what_is_stored_is_whole_read_only_and_called_by_its_content(
    tmp_path: Path, store: ContentStore
) -> None:
    given = write_adapter(tmp_path / "given")
    (given / "README.md").write_text("made by peft")
    base = find_base(str(write_base(tmp_path / "tiny")))
    admitted = admit(given, base=base, limits=Limits(), store=store)
    folder = store.check(admitted.digest)
    assert sorted(each.name for each in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    modes = {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    assert (modes, stat.S_IMODE(folder.stat().st_mode)) == ({0o444}, 0o555)
    assert admitted.size == (folder / "adapter_model.safetensors").stat().st_size
    assert admitted.examined.modules == 4 and not admitted.examined.flags
    assert 0 < admitted.examined.largest < 1


def test_the_digest_is_that_of_the_content(tmp_path: Path, store: ContentStore) -> None:
    """Neither key order, tensor order, metadata, file times nor fields of training matter."""
    first = write_adapter(tmp_path / "first")
    second = tmp_path / "second"
    second.mkdir()
    fields = dict(reversed(configuration(lora_dropout=0.4, peft_version="9").items()))
    (second / "adapter_config.json").write_text(json.dumps(fields, indent=1))
    turned = dict(reversed(weights().items()))
    (second / "adapter_model.safetensors").write_bytes(tensor_file(turned, note="other"))
    os.utime(second / "adapter_config.json", (0, 0))
    digests = {admit(each, base=TINY, limits=Limits()).digest for each in (first, second)}
    digests.add(admit(first, base=TINY, limits=Limits(), store=store).digest)
    assert len(digests) == 1 and store.digests() == list(digests)
    other = write_adapter(tmp_path / "other", weights(seed=1))
    scaled = write_adapter(tmp_path / "scaled", lora_alpha=16)
    for each in (other, scaled):
        assert admit(each, base=TINY, limits=Limits()).digest not in digests


@hypothesis_settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.dictionaries(st.text(max_size=4), st.text(max_size=4)))
def test_no_order_and_no_metadata_changes_the_digest(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random, metadata: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("order") / "given"
    tensors = list(weights(layers=1).items())
    fields = list(configuration().items())
    write_adapter(folder, dict(tensors))
    digest = admit(folder, base=TINY, limits=Limits()).digest
    chance.shuffle(tensors)
    chance.shuffle(fields)
    (folder / "adapter_config.json").write_text(json.dumps(dict(fields)))
    content = tensor_file(dict(tensors), **{f"m{key}": value for key, value in metadata.items()})
    (folder / "adapter_model.safetensors").write_bytes(content)
    assert admit(folder, base=TINY, limits=Limits()).digest == digest
    name, (kind, array) = tensors[0]
    changed = array.copy()
    changed.flat[chance.randrange(array.size)] += 0.5
    content = tensor_file({**dict(tensors), name: (kind, changed)})
    (folder / "adapter_model.safetensors").write_bytes(content)
    assert admit(folder, base=TINY, limits=Limits()).digest != digest


def test_without_a_store_nothing_is_kept(tmp_path: Path) -> None:
    given = write_adapter(tmp_path / "given")
    before = sorted(tmp_path.rglob("*"))
    admit(given, base=TINY, limits=Limits())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("adapter_model.bin", "pickle"),
        ("training_args.bin", "pickle"),
        ("optimizer.pt", "pickle"),
        ("weights.PKL", "pickle"),
        ("modeling_x.py", "code"),
        ("tokenizer.json", "tokenizer"),
        ("tokenizer_config.json", "tokenizer"),
        ("special_tokens_map.json", "tokenizer"),
        ("chat_template.jinja", "chat_template"),
        ("config.json", "model_config"),
        ("model.safetensors", "unexpected"),
        (".hidden", "unexpected"),
    ],
)
def test_a_file_too_many(tmp_path: Path, name: str, code: str) -> None:
    folder = write_adapter(tmp_path / "given")
    (folder / name).write_bytes(b"x")
    reasons = refused(folder)
    assert list(reasons) == [code] and repr(name) in reasons[code]


def _link(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder.parent / "elsewhere")
    (folder / "adapter_model.safetensors").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda folder: (folder / "nested").mkdir(), "nested"),
        (lambda folder: os.mkfifo(folder / "pipe"), "irregular"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "missing"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "missing"),
        (_link, "link"),
    ],
)
def test_files_that_are_none(tmp_path: Path, change: Callable[[Path], object], code: str) -> None:
    folder = write_adapter(tmp_path / "given")
    change(folder)
    assert code in refused(folder)


def test_absurd_sizes_are_not_even_read(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "given")
    with (folder / "adapter_model.safetensors").open("wb") as file:
        file.truncate(3_000_000_000)
    assert "over rollout.max_megabytes = 2000" in refused(folder)["size"]


def with_tensor(name: str, kind: str, array: Any) -> Tensors:
    return {**weights(), name: (kind, np.asarray(array))}


ZEROS = np.zeros((4, HIDDEN), np.float32)


@pytest.mark.parametrize(
    ("tensors", "code", "said"),
    [
        ({}, "empty", "no tensors"),
        (with_tensor("lm_head.weight", "F32", ZEROS), "tensor_name", "neither lora_A nor lora_B"),
        (with_tensor("../../x.lora_A.weight", "F32", ZEROS), "tensor_name", "'../../x.lora_A"),
        (with_tensor(f"{FIRST}.extra", "F32", ZEROS), "tensor_name", "neither"),
        (
            with_tensor("base_model.model.model.norm.lora_A.weight", "F32", ZEROS),
            "target",
            "'model.norm' is none of 'target_modules'",
        ),
        (
            with_tensor("base_model.model.model.x.q_proj.lora_A.weight", "F32", ZEROS),
            "pair",
            "has no lora_B",
        ),
        (with_tensor(FIRST, "F32", ZEROS[:2]), "shape", "has rank 2, the configuration 4"),
        (with_tensor(FIRST, "F32", ZEROS[:, :0]), "shape", "no matrix's"),
        (with_tensor(FIRST, "F32", ZEROS[0]), "shape", "no matrix's"),
        (with_tensor(FIRST, "I8", ZEROS.astype(np.int8)), "dtype", "of type I8"),
        (with_tensor(FIRST, "F32", ZEROS + np.nan), "not_finite", f"{FIRST!r} holds NaN"),
        (with_tensor(FIRST, "F32", ZEROS - np.inf), "not_finite", "holds NaN or infinity"),
        (
            with_tensor(FIRST, "F16", np.full((4, HIDDEN), np.inf, np.float16)),
            "not_finite",
            "infinity",
        ),
        (with_tensor(FIRST, "F32", ZEROS + 3e38), "norm", "q_proj' has norm"),
        (weights(scale=30.0), "norm", "over rollout.max_norm = 100"),
    ],
)
def test_weights_that_are_wrong(tmp_path: Path, tensors: Tensors, code: str, said: str) -> None:
    reasons = refused(write_adapter(tmp_path / "given", tensors))
    assert said in reasons[code]


def test_a_target_without_tensors_is_left_out_and_said(tmp_path: Path) -> None:
    """Lists of targets are often made for several kinds of models."""
    folder = write_adapter(tmp_path / "given", target_modules=["q_proj", "v_proj", "k_proj"])
    admitted = admit(folder, base=TINY, limits=Limits())
    assert admitted.config.targets == ("q_proj", "v_proj")
    assert admitted.examined.flags == ("'target_modules' names 'k_proj', and no tensor is for it",)


def test_files_of_a_base_may_name_what_is_above_the_layers_differently(tmp_path: Path) -> None:
    base = find_base(str(write_base(tmp_path / "tiny")))
    folder = write_adapter(tmp_path / "given")
    moved = {f"language_model.{name}": shape for name, shape in base.shapes.items()}
    assert admit(folder, base=Base(name="tiny", shapes=moved), limits=Limits()).digest
    twice = {**moved, **{f"vision.{name}": shape for name, shape in base.shapes.items()}}
    assert "no weights for module" in refused(folder, Base(name="tiny", shapes=twice))["base"]


def test_the_servers_rank_is_the_limit(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "given", weights(rank=32), r=32)
    assert "rank 32 is over the servers' limit" in refused(folder)["rank"]
    assert admit(folder, base=TINY, limits=Limits(rank=32)).config.rank == 32


def test_the_wrong_base(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "given")
    assert "not 'other'" in refused(folder, Base(name="other"))["base"]
    wide = find_base(str(write_base(tmp_path / "tiny", hidden=32)))
    assert "of the shape [16, 16], the base 'tiny' has [32, 32]" in refused(folder, wide)["base"]
    deep = write_adapter(tmp_path / "deep", weights(layers=3))
    base = find_base(str(write_base(tmp_path / "tiny2")))
    named = Base(name="tiny", shapes=base.shapes)
    assert "no weights for module 'model.layers.2" in refused(deep, named)["base"]
    packed = Base(name="tiny", shapes=base.shapes, quantised=True)
    assert admit(deep, base=packed, limits=Limits()).digest


def test_every_reason_is_said_at_once(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "given", weights(rank=32, scale=30), r=32, use_dora=True)
    assert set(refused(folder, Base(name="other"))) == {"rank", "unsupported", "base", "norm"}


def test_an_adapter_that_changes_nothing_is_flagged(tmp_path: Path) -> None:
    fresh = {
        name: (kind, array * (0 if "lora_B" in name else 1))
        for name, (kind, array) in weights().items()
    }
    flags = admit(write_adapter(tmp_path / "a", fresh), base=TINY, limits=Limits()).examined.flags
    assert flags == ("every update is zero: it answers exactly as its base does",)
    half = {**weights(), **{n: t for n, t in fresh.items() if "layers.0" in n}}
    flags = admit(write_adapter(tmp_path / "b", half), base=TINY, limits=Limits()).examined.flags
    assert flags == ("the updates of 2 of 4 modules are zero",)


def test_no_such_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path / "file"):
        (tmp_path / "file").write_text("x")
        with pytest.raises(InputError, match="cannot read the folder"):
            admit(path, base=TINY, limits=Limits())


@given(st.data())
def test_no_damage_of_the_weights_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = write_adapter(tmp_path_factory.mktemp("fuzz") / "given", weights(layers=1))
    path = folder / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    place = st.one_of(st.integers(0, 600), st.integers(0, len(content) - 1))
    for at in data.draw(st.sets(place, max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        assert admit(folder, base=TINY, limits=Limits()).examined.modules == 2
    except AdapterRefused as error:
        assert error.reasons and error.hint


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.integers(-30, 30))
def test_the_norm_is_that_of_the_product(rank: int, rows: int, columns: int, power: int) -> None:
    random = np.random.default_rng(rank * 100 + rows * 10 + columns)
    a = random.normal(size=(rank, columns)).astype(np.float32) * np.float32(10.0**power)
    b = random.normal(size=(rows, rank)).astype(np.float32)
    formed = np.linalg.norm(b.astype(np.float64) @ a.astype(np.float64))
    np.testing.assert_allclose(product_norm(a, b), formed, rtol=1e-6)


def test_served_names_carry_the_digest() -> None:
    name = served_name("my-desk_2", 13, "0123456789abcdef" * 4)
    assert name == "my-desk_2-13-0123456789ab"
    assert parsed_served_name(name) == ("my-desk_2", 13, "0123456789ab")
    for other in ("base", "support-3", "support-0-0123456789ab", "Support-1-0123456789ab"):
        assert parsed_served_name(other) is None


def test_changed_content_is_found_out(tmp_path: Path, store: ContentStore) -> None:
    digest = admit(write_adapter(tmp_path / "a"), base=TINY, limits=Limits(), store=store).digest
    file = store.path(digest) / "adapter_model.safetensors"
    sound = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(CheckFailed, match="no longer what was admitted"):
        store.check(digest)
    admit(tmp_path / "a", base=TINY, limits=Limits(), store=store)  # adding it again mends it
    assert (store.check(digest) / "adapter_model.safetensors").read_bytes() == sound
    store.path(digest).chmod(0o755)
    (store.path(digest) / "chat_template.jinja").write_text("x")
    with pytest.raises(CheckFailed):
        store.check(digest)
    store.remove(digest)
    store.remove(digest)
    with pytest.raises(NotFound, match="is not in"):
        store.check(digest)


CRASH = """
import os, sys
from pathlib import Path
from fairlead.serving.adapters import admission, content
from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.weights import Limits
point, folder, root = sys.argv[1:]
module, name = point.split(".")
setattr({"admission": admission, "content": content}[module], name, lambda *a: os._exit(9))
admission.admit(Path(folder), base=Base(name="tiny"), limits=Limits(),
                store=content.ContentStore(Path(root)))
"""


@pytest.mark.parametrize("point", ["admission._copy", "admission._write", "content._flush"])
def test_a_crash_leaves_nothing_half_stored(
    tmp_path: Path, store: ContentStore, point: str
) -> None:
    folder = write_adapter(tmp_path / "given")
    command = [sys.executable, "-c", CRASH, point, str(folder), str(store.root)]
    assert subprocess.run(command, timeout=60).returncode == 9
    assert not store.digests()
    assert [each.name for each in store.root.glob(".unfinished-*")]
    admitted = admit(folder, base=TINY, limits=Limits(), store=store)
    assert content_digest(store.check(admitted.digest)) == admitted.digest
    assert not list(store.root.glob(".unfinished-*"))


def test_one_process_adds_at_a_time(tmp_path: Path, store: ContentStore) -> None:
    with store.staging() as folder, pytest.raises(Unavailable, match="another process is adding"):
        assert folder.is_dir()
        admit(write_adapter(tmp_path / "a"), base=TINY, limits=Limits(), store=store)
    assert not folder.exists()
