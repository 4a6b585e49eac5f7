"""Reads peft's `adapter_config.json`: what it asks for, and what of it no server must be given.

A model server reads a few of peft's fields and passes over the rest in silence: vLLM scales every
module by `lora_alpha` over `r` whatever `alpha_pattern` says. So a field that changes what the
adapter computes is refused, a field that nobody here knows is refused unless it is empty, and only
what is known is stored and served.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fairlead.serving.adapters.refusals import Reason, Unsound

NAME: Final = "adapter_config.json"
LIMIT: Final = 1 << 20
"""Bytes of the file."""
SCALE_LIMIT: Final = 64.0
"""Of `lora_alpha / r`; usual are 1 and 2."""

_READ: Final = {
    "peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "target_modules",
    "use_rslora", "bias", "init_lora_weights",
}  # fmt: skip
_HARMLESS: Final = {
    "auto_mapping", "exclude_modules", "inference_mode", "layers_pattern", "layers_to_transform",
    "lora_dropout", "megatron_core", "peft_version", "qalora_group_size", "revision",
    "runtime_config",
}  # fmt: skip
"""What concerns training, or which tensors were trained: the tensors' names say that. Dropped."""
_STARTS: Final = (None, True, False, "gaussian", "eva", "orthogonal")
"""Ways to begin that leave the base as it is. PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA change it."""
_REFUSED: Final = {
    "auto_map": ("code", "'auto_map' names code to run"),
    "modules_to_save": ("modules_to_save", "'modules_to_save' replaces parts of the base"),
    "use_dora": ("unsupported", "'use_dora' is computed by no server we know"),
    "rank_pattern": ("unsupported", "'rank_pattern' is passed over by servers"),
    "alpha_pattern": ("unsupported", "'alpha_pattern' is passed over by servers"),
    "fan_in_fan_out": ("unsupported", "'fan_in_fan_out' is passed over by servers"),
    "lora_bias": ("unsupported", "'lora_bias' adds what servers do not load"),
    "layer_replication": ("unsupported", "'layer_replication' changes the base's layers"),
    "loftq_config": ("base_changed", "'loftq_config' belongs to a changed base"),
    "trainable_token_indices": ("unsupported", "'trainable_token_indices' changes the vocabulary"),
    "chat_template": ("chat_template", "'chat_template' overrides the prompt's form"),
    "tokenizer": ("tokenizer", "'tokenizer' overrides the base's"),
    "tokenizer_class": ("tokenizer", "'tokenizer_class' overrides the base's"),
}


@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """What an adapter's own configuration asks for, as far as it is served."""

    base: str
    rank: int
    alpha: float
    targets: tuple[str, ...]
    """Last parts of the names of the modules that are changed, sorted."""
    rslora: bool = False
    task: str = ""

    @property
    def scale(self) -> float:
        """What B·A is multiplied with (arXiv 2106.09685; with rslora 2312.03732)."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)

    def content(self) -> bytes:
        """The file that is stored and served: these fields alone, in a fixed order."""
        alpha = int(self.alpha) if self.alpha.is_integer() else self.alpha
        fields = {
            "base_model_name_or_path": self.base,
            "bias": "none",
            "inference_mode": True,
            "lora_alpha": alpha,
            "lora_dropout": 0.0,
            "peft_type": "LORA",
            "r": self.rank,
            "target_modules": list(self.targets),
            "task_type": self.task or None,
            "use_rslora": self.rslora,
        }
        return (json.dumps(fields, sort_keys=True, indent=2) + "\n").encode()


def read_config(path: Path) -> tuple[AdapterConfig | None, tuple[Reason, ...]]:
    """The configuration, and every reason against it; None where it cannot even be read."""
    try:
        fields = _fields(path)
    except Unsound as error:
        return None, (error.reason,)
    reasons = [*_unwanted(fields), *_unusable(fields)]
    if any(reason.code == "config" for reason in reasons):
        return None, tuple(reasons)
    config = AdapterConfig(
        base=fields["base_model_name_or_path"],
        rank=fields["r"],
        alpha=float(fields["lora_alpha"]),
        targets=tuple(sorted(set(fields["target_modules"]))),
        rslora=bool(fields.get("use_rslora")),
        task=fields.get("task_type") or "",
    )
    if not 0 < config.scale <= SCALE_LIMIT:
        said = f"lora_alpha {config.alpha:g} with rank {config.rank} scales by {config.scale:.3g}"
        reasons.append(Reason(code="alpha", message=f"{said}, over {SCALE_LIMIT:g} or not above 0"))
    return config, tuple(reasons)


def _fields(path: Path) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a name stands twice")
        return table

    raw = path.read_bytes()
    if len(raw) > LIMIT:
        raise Unsound("config", f"{NAME!r} has {len(raw)} bytes, over {LIMIT}")
    try:
        fields = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Unsound("config", f"{NAME!r} is not sound JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Unsound("config", f"{NAME!r} is no JSON object")
    return fields


def _unwanted(fields: dict[str, Any]) -> Iterator[Reason]:
    """What asks for more than the two matrices of each module."""
    for name, value in fields.items():
        if name == "auto_map" or (value and name in _REFUSED):
            code, message = _REFUSED[name]
            yield Reason(code=code, message=message)
        elif value and name not in _READ | _HARMLESS | _REFUSED.keys():
            message = f"the field {name[:80]!r} is not known and may change what is computed"
            yield Reason(code="unknown_field", message=message)
    if fields.get("bias", "none") not in ("none", None):
        yield Reason(code="unsupported", message="'bias' adds what servers do not load")
    start = fields.get("init_lora_weights", True)
    if not any(start is each or (isinstance(start, str) and start == each) for each in _STARTS):
        said = f"'init_lora_weights' {start!r:.40} belongs to a changed base"
        yield Reason(code="base_changed", message=said)


def _unusable(fields: dict[str, Any]) -> Iterator[Reason]:
    """Fields without which there is no adapter to speak of."""
    if fields.get("peft_type") != "LORA":
        said = f"it is of the type {fields.get('peft_type')!r:.40}, not 'LORA'"
        yield Reason(code="config", message=said)
    base, targets = fields.get("base_model_name_or_path"), fields.get("target_modules")
    if not isinstance(base, str) or not base.strip() or len(base) > 1024:
        message = "'base_model_name_or_path' names no base model"
        yield Reason(code="config", message=message)
    if not _whole(fields.get("r")) or not 1 <= fields["r"] <= 65_536:
        yield Reason(code="config", message=f"'r' is {fields.get('r')!r:.40}, no rank")
    alpha = fields.get("lora_alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not abs(alpha) < 1e9:
        yield Reason(code="config", message=f"'lora_alpha' is {alpha!r:.40}, no number")
    named = isinstance(targets, list) and all(isinstance(each, str) and each for each in targets)
    if not named or not targets:
        said = "'target_modules' is no list of module names (patterns are not taken)"
        yield Reason(code="config", message=said)
    if not isinstance(fields.get("use_rslora", False), bool | None):
        yield Reason(code="config", message="'use_rslora' is neither true nor false")
    if not isinstance(fields.get("task_type"), str | None):
        yield Reason(code="config", message="'task_type' is no text")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
