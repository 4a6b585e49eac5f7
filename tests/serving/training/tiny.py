"""A base model as small as can be, written by hand: random weights, a tokenizer of bytes, a chat
template in the manner of Qwen's."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

HIDDEN, LAYERS, HEADS, PAIRS, WIDTH, INNER = 64, 2, 4, 2, 16, 128
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = """
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}{{- tool | tojson }}{{- '\\n' }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'developer' %}{{- raise_exception('no developer here') }}{% endif %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
            {{- message.content }}
            {%- for call in message.tool_calls or [] %}
                {{- '<tool_call>' + (call.function | tojson) + '</tool_call>' }}
            {%- endfor %}
            {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- else %}
        {{- message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
"""


def write_base(folder: Path, *, template: str = TEMPLATE, seed: int = 0) -> Path:
    """The base in a folder of its own."""
    folder.mkdir(parents=True)
    tokenizer = make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": PAIRS,
        "head_dim": WIDTH,
        "intermediate_size": INNER,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "tie_word_embeddings": True,
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "dtype": "float32",
    }
    write_json(folder / "config.json", config)
    named: dict[str, Any] = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    named["tokenizer_class"] = "PreTrainedTokenizerFast"
    if template:
        named["chat_template"] = template
    write_json(folder / "tokenizer_config.json", named)
    weights = make_weights(tokenizer.get_vocab_size(), seed)
    (folder / "model.safetensors").write_bytes(tensor_file(weights))
    return folder


def make_tokenizer() -> Tokenizer:
    """One token for each byte, and those of the chat form."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(each, special=True) for each in SPECIAL])
    tokenizer.add_tokens([AddedToken("<tool_call>"), AddedToken("</tool_call>")])
    return tokenizer


def make_weights(vocabulary: int, seed: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)

    def matrix(outputs: int, inputs: int) -> NDArray[np.float32]:
        return random.normal(0, 0.08, (outputs, inputs)).astype(np.float32)

    found = {
        "model.embed_tokens.weight": matrix(vocabulary, HIDDEN),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
    }
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        shapes = {"q": HEADS * WIDTH, "k": PAIRS * WIDTH, "v": PAIRS * WIDTH}
        for name, outputs in shapes.items():
            found[f"{at}.self_attn.{name}_proj.weight"] = matrix(outputs, HIDDEN)
        found[f"{at}.self_attn.o_proj.weight"] = matrix(HIDDEN, HEADS * WIDTH)
        found[f"{at}.mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        found[f"{at}.mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        found[f"{at}.mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
        for name, width in (("input_layernorm", HIDDEN), ("post_attention_layernorm", HIDDEN),
                            ("self_attn.q_norm", WIDTH), ("self_attn.k_norm", WIDTH)):  # fmt: skip
            found[f"{at}.{name}.weight"] = np.ones(width, np.float32)
    return found


def tensor_file(tensors: dict[str, NDArray[np.float32]]) -> bytes:
    """A safetensors file of 32-bit numbers."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, array in tensors.items():
        raw = array.tobytes()
        place = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": place}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def write_adapter(folder: Path, *, rank: int = 4) -> Path:
    """An adapter of the base, of random numbers, as peft saves it."""
    folder.mkdir()
    random = np.random.default_rng(1)
    tensors = {}
    for layer in range(LAYERS):
        at = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{at}.lora_A.weight"] = random.normal(0, 0.1, (rank, HIDDEN)).astype(np.float32)
        tensors[f"{at}.lora_B.weight"] = random.normal(0, 0.1, (HIDDEN, rank)).astype(np.float32)
    (folder / "adapter_model.safetensors").write_bytes(tensor_file(tensors))
    config = {
        "base_model_name_or_path": "tiny",
        "lora_alpha": 8,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
    }
    write_json(folder / "adapter_config.json", config)
    return folder
