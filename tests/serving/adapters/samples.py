"""Adapters and a base model as small as can be, written by hand."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIDDEN, INNER, RANK = 16, 24, 4
MODULES = ("q_proj", "v_proj")
Tensors = dict[str, tuple[str, NDArray[Any]]]
"""Name → its type in the file, and an array of the bytes' type."""


def tensor_file(tensors: Mapping[str, tuple[str, NDArray[Any]]], **metadata: str) -> bytes:
    """A safetensors file, tensors in the order given."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (dtype, array) in tensors.items():
        raw = array.tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def weights(*, seed: int = 0, rank: int = RANK, layers: int = 2, scale: float = 0.1) -> Tensors:
    """A and B of every module, as peft names them."""
    random = np.random.default_rng(seed)
    found: Tensors = {}
    for layer in range(layers):
        for module in MODULES:
            at = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            a = random.normal(0, scale, (rank, HIDDEN)).astype(np.float32)
            b = random.normal(0, scale, (HIDDEN, rank)).astype(np.float32)
            found[f"{at}.lora_A.weight"] = ("F32", a)
            found[f"{at}.lora_B.weight"] = ("F32", b)
    return found


def configuration(**changes: Any) -> dict[str, Any]:
    """As peft 0.21 writes it, with its many fields that say nothing."""
    return {
        "alora_invocation_tokens": None,
        "alpha_pattern": {},
        "arrow_config": None,
        "auto_mapping": None,
        "base_model_name_or_path": "tiny",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_to_transform": None,
        "loftq_config": {},
        "lora_alpha": 8,
        "lora_dropout": 0.05,
        "megatron_core": "megatron.core",
        "modules_to_save": None,
        "peft_type": "LORA",
        "peft_version": "0.21.2",
        "qalora_group_size": 16,
        "r": RANK,
        "rank_pattern": {},
        "target_modules": list(MODULES),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
        **changes,
    }


def write_adapter(folder: Path, tensors: Tensors | None = None, **changes: Any) -> Path:
    """An adapter's folder, with fields of its configuration changed."""
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(configuration(**changes)))
    content = tensor_file(weights() if tensors is None else tensors, format="pt")
    (folder / "adapter_model.safetensors").write_bytes(content)
    return folder


def write_base(folder: Path, *, hidden: int = HIDDEN, value: float = 1.0, **fields: Any) -> Path:
    """A base model that has the modules of `weights`, and one more."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"hidden_size": hidden, **fields}))
    shapes = {"q_proj": (hidden, hidden), "v_proj": (hidden, hidden), "up_proj": (INNER, hidden)}
    tensors: Tensors = {}
    for layer in range(2):
        for module, shape in shapes.items():
            name = f"model.layers.{layer}.self_attn.{module}.weight"
            tensors[name] = ("F32", np.full(shape, value, np.float32))
    (folder / "model.safetensors").write_bytes(tensor_file(tensors))
    return folder
