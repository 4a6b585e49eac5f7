"""A model with random weights that vLLM takes: the smallest Qwen3, with a tokenizer of bytes.

It says nothing sensible, and says it as a real model does: token by token, through chat template,
cache and adapters. The files are written by hand, so that neither torch nor transformers is needed.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

HIDDEN, LAYERS, HEADS, WIDTH, FORWARD = 64, 2, 2, 32, 128
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "head_dim": WIDTH,
    "intermediate_size": FORWARD,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": True,
    "dtype": "float32",
    "torch_dtype": "float32",
}
_PROJECTIONS = {
    "self_attn.q_proj": (HEADS * WIDTH, HIDDEN),
    "self_attn.k_proj": (HEADS * WIDTH, HIDDEN),
    "self_attn.v_proj": (HEADS * WIDTH, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HEADS * WIDTH),
    "mlp.gate_proj": (FORWARD, HIDDEN),
    "mlp.up_proj": (FORWARD, HIDDEN),
    "mlp.down_proj": (HIDDEN, FORWARD),
}
_ADAPTED = ("self_attn.q_proj", "self_attn.v_proj")


def write_model(folder: Path, *, seed: int = 7) -> Path:
    """A folder that vLLM can serve, 0.4 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    words = _write_tokenizer(folder)
    random = np.random.default_rng(seed)
    weights = {"model.embed_tokens.weight": random.normal(0, 0.5, (words, HIDDEN))}
    for layer in range(LAYERS):
        place = f"model.layers.{layer}"
        for name, shape in _PROJECTIONS.items():
            weights[f"{place}.{name}.weight"] = random.normal(0, 0.1, shape)
        for name, size in (
            ("input_layernorm", HIDDEN),
            ("post_attention_layernorm", HIDDEN),
            ("self_attn.q_norm", WIDTH),
            ("self_attn.k_norm", WIDTH),
        ):
            weights[f"{place}.{name}.weight"] = np.ones(size)
    weights["model.norm.weight"] = np.ones(HIDDEN)
    _write_tensors(folder / "model.safetensors", weights)
    config = {**CONFIG, "vocab_size": words, "eos_token_id": words - 1, "bos_token_id": None}
    _write_json(folder / "config.json", config)
    return folder


def write_adapter(folder: Path, *, seed: int, rank: int = 8) -> Path:
    """A LoRA adapter for that model, as peft writes one, strong enough to change what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    weights = {}
    for layer in range(LAYERS):
        for name in _ADAPTED:
            place = f"base_model.model.model.layers.{layer}.{name}"
            wide, narrow = _PROJECTIONS[name]
            weights[f"{place}.lora_A.weight"] = random.normal(0, 0.5, (rank, narrow))
            weights[f"{place}.lora_B.weight"] = random.normal(0, 0.5, (wide, rank))
    _write_tensors(folder / "adapter_model.safetensors", weights)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "random",
        "r": rank,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": [name.rpartition(".")[2] for name in _ADAPTED],
    }
    _write_json(folder / "adapter_config.json", config)
    return folder


def _write_tokenizer(folder: Path) -> int:
    """One token per byte and the control tokens; how many there are."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": SPECIAL[-1],
            "pad_token": SPECIAL[0],
            "model_max_length": 4096,
            "chat_template": TEMPLATE,
        },
    )
    return tokenizer.get_vocab_size()


def _write_tensors(path: Path, tensors: Mapping[str, NDArray[np.float64]]) -> None:
    """The safetensors format: the header's length, the header as JSON, the numbers."""
    header: dict[str, object] = {}
    pieces, at = [], 0
    for name, tensor in tensors.items():
        data = tensor.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": tensor.shape,
            "data_offsets": [at, at + len(data)],
        }
        pieces.append(data)
        at += len(data)
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 8)
    path.write_bytes(struct.pack("<Q", len(said)) + said + b"".join(pieces))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
