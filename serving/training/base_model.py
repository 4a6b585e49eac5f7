"""The base that an adapter is trained for: what of its files training needs to know beforehand."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fairlead.errors import InputError

_HEADER_LIMIT: Final = 100 << 20
_SIZES: Final = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4}
_NO_LINEAR: Final = ("embed", "wte", "wpe", "lm_head", "norm", "ln_")
"""Parts of names of matrices that get no update; the output head is one of them."""


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A base in a folder. `digest` is the registry's, over its configuration and weights."""

    folder: Path
    name: str
    digest: str
    hidden: int
    layers: int
    inner: int
    """Width of the feed-forward part."""
    vocabulary: int
    parameters: int
    size: int
    """Bytes of its weights as they are stored."""
    linear: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Outputs and inputs of each module that can get an update."""
    max_tokens: int = 0
    """Its longest context; 0 where its configuration does not say."""


def read_base_model(folder: Path, *, name: str, digest: str) -> BaseModel:
    """Reads configuration and headers, no weights.

    Raises `InputError` for a folder without configuration, safetensors or a fast tokenizer.
    """
    config = _config(folder)
    text = config.get("text_config", config)  # models of several media keep it inside
    shapes = dict(_shapes(folder))
    if not (folder / "tokenizer.json").is_file():
        raise InputError(
            f"the base {str(folder)!r} has no 'tokenizer.json'",
            hint="Save its tokenizer in the fast form, as the hub has it.",
        )
    linear = {
        module.removesuffix(".weight"): (shape[0], shape[1])
        for module, (_, shape) in shapes.items()
        if module.endswith(".weight") and len(shape) == 2 and not _outside(module)
    }
    return BaseModel(
        folder=folder,
        name=name,
        digest=digest,
        hidden=_number(text, "hidden_size"),
        layers=_number(text, "num_hidden_layers"),
        inner=_number(text, "intermediate_size"),
        vocabulary=_number(text, "vocab_size"),
        parameters=sum(math.prod(shape) for _, shape in shapes.values()),
        size=sum(math.prod(shape) * _SIZES.get(kind, 1) for kind, shape in shapes.values()),
        linear=linear,
        max_tokens=_number(text, "max_position_embeddings"),
    )


def adapter_parameters(base: BaseModel, rank: int, targets: str | tuple[str, ...]) -> int:
    """Numbers that are trained: rank · (inputs + outputs) of each target."""
    return sum(
        rank * (outputs + inputs)
        for module, (outputs, inputs) in base.linear.items()
        if isinstance(targets, str) or module.rpartition(".")[2] in targets or module in targets
    )


def check_targets(base: BaseModel, targets: str | tuple[str, ...]) -> None:
    """Raises `InputError` for a target that the base has no module of."""
    if isinstance(targets, str):
        return
    known = {module.rpartition(".")[2] for module in base.linear} | set(base.linear)
    for target in targets:
        if target not in known:
            short = sorted(each for each in known if "." not in each)
            raise InputError(
                f"the base {base.name!r} has no module {target!r}",
                hint=f"lora.targets may name {', '.join(short)}.",
            )


def _outside(module: str) -> bool:
    return any(part.startswith(_NO_LINEAR) for part in module.split("."))


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{str(folder)!r} is no base model: cannot read 'config.json'",
            hint="Give --base the folder that the model server is started with.",
        ) from error
    if not isinstance(config, dict):
        raise InputError(f"'config.json' of {str(folder)!r} is no JSON object")
    return config


def _number(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    return value if isinstance(value, int) else 0


def _shapes(folder: Path) -> Iterator[tuple[str, tuple[str, list[int]]]]:
    """Type and shape of every tensor, from the headers of the safetensors files."""
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise InputError(
            f"the base {str(folder)!r} has no safetensors files",
            hint="Give --base the folder that the model server is started with.",
        )
    for path in paths:
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if length > _HEADER_LIMIT:
                    raise ValueError("its header is too long")
                header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            for name, each in header.items():
                yield name, (each["dtype"], each["shape"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"cannot read {str(path)!r}: {error}", hint="Fetch the base model again."
            ) from error
