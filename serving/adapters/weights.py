"""Examines the weights of an adapter: names, ranks, shapes, numbers, and the base they are for."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.configuration import NAME, AdapterConfig, read_config
from fairlead.serving.adapters.folder import WEIGHTS
from fairlead.serving.adapters.refusals import Reason, Unsound
from fairlead.serving.adapters.tensors import FLOATS, Tensor, TensorFile

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

_NAMED: Final = re.compile(r"base_model\.model\.((?:\w+\.)*\w+)\.lora_(A|B)\.weight", re.ASCII)
MOST: Final = 100_000
"""Tensors of one adapter."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the servers can take, and what is too much to be an adapter."""

    rank: int = 16
    """The servers' own limit: vLLM's `--max-lora-rank`, which is 16 by default."""
    norm: float = 100.0
    """Of scale·B·A per module, in units of √outputs: the Frobenius norm of a matrix of the same
    shape as it is initialised (entries of variance 1/inputs). An update a hundred times as large
    as the weights that it changes is a training that diverged, or an attack."""
    megabytes: int = 2000


@dataclass(frozen=True, kw_only=True)
class Examined:
    """An adapter whose every check held, or else the reasons against it."""

    config: AdapterConfig | None
    reasons: tuple[Reason, ...] = ()
    flags: tuple[str, ...] = ()
    """What is odd but no reason to refuse it."""
    modules: int = 0
    largest: float = 0.0
    """The greatest norm of an update, in the units of `Limits.norm`."""
    largest_in: str = ""
    """The module that has it."""


def examine(folder: Path, *, limits: Limits, base: Base | None = None) -> Examined:
    """Looks at the two files of an adapter; whatever is wrong with them ends in `reasons`."""
    config, against = read_config(folder / NAME)
    reasons = list(against)
    if config is None:
        return Examined(config=None, reasons=tuple(reasons))
    if config.rank > limits.rank:
        said = f"rank {config.rank} is over the servers' limit, rollout.max_rank = {limits.rank}"
        reasons.append(Reason(code="rank", message=said))
    if base and not base.is_called(config.base):
        said = f"it was trained for the base {config.base!r:.200}, not {base.name!r}"
        reasons.append(Reason(code="base", message=said))
    try:
        file = TensorFile(folder / WEIGHTS)
    except Unsound as error:
        return Examined(config=config, reasons=(*reasons, error.reason))
    with file:
        pairs, odd = _pairs(file.tensors)
        reasons += [*odd, *_mismatched(pairs, config)]
        idle = [each for each in config.targets if not any(_is_target(m, each) for m in pairs)]
        config = replace(config, targets=tuple(t for t in config.targets if t not in idle))
        if base and base.shapes:
            reasons += _unlike_base(pairs, base)
        if any(reason.code in {"shape", "dtype"} for reason in reasons):
            return Examined(config=config, reasons=tuple(reasons), modules=len(pairs))
        found = _measured(file, pairs, config, limits, reasons)
        named = tuple(f"'target_modules' names {t!r:.80}, and no tensor is for it" for t in idle)
        return replace(found, flags=(*found.flags, *named))


_Pair = dict[str, Tensor]
"""The tensors A and B of one module."""


def _pairs(tensors: Mapping[str, Tensor]) -> tuple[dict[str, _Pair], list[Reason]]:
    """Modules with their tensors, and what is wrong with the names or types of tensors."""
    pairs: dict[str, _Pair] = {}
    odd: list[Reason] = []
    if len(tensors) > MOST:
        odd.append(Reason(code="tensors", message=f"{len(tensors)} tensors are over {MOST}"))
    for tensor in tensors.values():
        named = _NAMED.fullmatch(tensor.name)
        if not named:
            said = f"tensor {tensor.name!r} is neither lora_A nor lora_B of a module"
            odd.append(Reason(code="tensor_name", message=said))
            continue
        if tensor.dtype not in FLOATS:
            said = f"tensor {tensor.name!r} is of type {tensor.dtype}, not F16, BF16 or F32"
            odd.append(Reason(code="dtype", message=said))
        pairs.setdefault(named[1], {})[named[2]] = tensor
    if not tensors:
        odd.append(Reason(code="empty", message="it holds no tensors"))
    return pairs, odd


def _mismatched(pairs: Mapping[str, _Pair], config: AdapterConfig) -> Iterator[Reason]:
    """What does not fit the configuration, or A does not fit B."""
    for module, pair in pairs.items():
        if not any(_is_target(module, each) for each in config.targets):
            said = f"module {module!r} is none of 'target_modules'"
            yield Reason(code="target", message=said)
        if len(pair) < 2:
            missing = "B" if "A" in pair else "A"
            yield Reason(code="pair", message=f"module {module!r} has no lora_{missing}")
        for side, tensor in pair.items():
            if len(tensor.shape) != 2 or 0 in tensor.shape:
                said = f"tensor {tensor.name!r} has the shape {list(tensor.shape)}, no matrix's"
                yield Reason(code="shape", message=said)
            elif (rank := tensor.shape["AB".index(side)]) != config.rank:
                said = f"tensor {tensor.name!r} has rank {rank}, the configuration {config.rank}"
                yield Reason(code="shape", message=said)


def _is_target(module: str, target: str) -> bool:
    return module == target or module.endswith(f".{target}")


def _unlike_base(pairs: Mapping[str, _Pair], base: Base) -> Iterator[Reason]:
    """Modules that the base does not have, or has in another shape."""
    for module, pair in pairs.items():
        shape = _shape_in(base, module)
        if shape is None:
            if not base.quantised:
                said = f"the base {base.name!r} has no weights for module {module!r}"
                yield Reason(code="base", message=said)
            continue
        if base.quantised or any(len(tensor.shape) != 2 for tensor in pair.values()):
            continue
        inputs = pair["A"].shape[1] if "A" in pair else shape[-1]
        outputs = pair["B"].shape[0] if "B" in pair else shape[0]
        if (outputs, inputs) != shape:
            said = (
                f"module {module!r} is for weights of the shape [{outputs}, {inputs}],"
                f" the base {base.name!r} has {list(shape)}"
            )
            yield Reason(code="base", message=said)


def _shape_in(base: Base, module: str) -> tuple[int, ...] | None:
    """Of a module's weights; also where the files name what is above the layers differently."""
    exact = base.shapes.get(f"{module}.weight")
    _, layers, below = module.partition(".layers.")
    if exact is not None or not layers:
        return exact
    ending = f".layers.{below}.weight"
    found = [shape for name, shape in base.shapes.items() if name.endswith(ending)]
    return found[0] if len(found) == 1 else None


def _measured(
    file: TensorFile,
    pairs: Mapping[str, _Pair],
    config: AdapterConfig,
    limits: Limits,
    reasons: list[Reason],
) -> Examined:
    """Looks at the numbers themselves, a module at a time."""
    largest, largest_in, zeros = 0.0, "", 0
    for module, pair in sorted(pairs.items()):
        arrays = {side: file.array(tensor) for side, tensor in pair.items()}
        bad = [side for side, array in arrays.items() if not _finite(array)]
        for side in bad:
            said = f"tensor {pair[side].name!r} holds NaN or infinity"
            reasons.append(Reason(code="not_finite", message=said))
        if bad or len(arrays) < 2:
            continue
        norm = config.scale * product_norm(arrays["A"], arrays["B"])
        norm /= math.sqrt(len(arrays["B"]))
        zeros += norm == 0
        if not norm <= limits.norm:
            said = f"the update of module {module!r} has norm {norm:.3g} · √outputs"
            said += f", over rollout.max_norm = {limits.norm:g}"
            reasons.append(Reason(code="norm", message=said))
        if norm > largest:
            largest, largest_in = norm, module
    return Examined(
        config=config,
        reasons=tuple(reasons),
        flags=tuple(_flags(zeros, len(pairs))),
        modules=len(pairs),
        largest=largest,
        largest_in=largest_in,
    )


def _flags(zeros: int, modules: int) -> Iterator[str]:
    if zeros == modules:
        yield "every update is zero: it answers exactly as its base does"
    elif zeros:
        yield f"the updates of {zeros} of {modules} modules are zero"


def _finite(array: "NDArray[float32]") -> bool:
    import numpy as np  # noqa: PLC0415 - 60 ms that only examining needs

    return bool(np.isfinite(array).all())


def product_norm(a: "NDArray[float32]", b: "NDArray[float32]") -> float:
    """The Frobenius norm of B·A, which is never formed: ‖BA‖² is the sum of (BᵀB)∘(AAᵀ)."""
    import numpy as np  # noqa: PLC0415 - 60 ms that only examining needs

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    scale_a, scale_b = np.abs(a).max(), np.abs(b).max()
    if scale_a == 0 or scale_b == 0:
        return 0.0
    a, b = a / scale_a, b / scale_b  # so that no square overflows
    square = float(((b.T @ b) * (a @ a.T)).sum())
    return math.sqrt(max(square, 0.0)) * float(scale_a) * float(scale_b)
