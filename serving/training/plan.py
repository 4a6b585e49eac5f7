"""What a training would do: steps, tokens, and about how much memory and disk it takes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fairlead.serving.training.base_model import BaseModel, adapter_parameters
from fairlead.serving.training.recipe import Recipe

_ADAPTER: Final = 16
"""Bytes of each trained number: itself, its gradient and Adam's two moments, four each."""
_NF4: Final = 0.52
"""Bytes of a number in NF4 with double quantisation: 4.127 bits (QLoRA, section 3)."""
_LAYER: Final = 34
"""Bytes that a layer keeps of each token and each of its hidden numbers in 16 bits, without those
of attention scores, which are not kept (Korthikanti and others 2022, arXiv 2205.05198)."""
_SCRATCH: Final = 2
"""Checkpoints that are on the disk at once, besides the best one: the last, and one being made."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`memory` is an estimate from formulas, in bytes: base, adapter, activations, logits."""

    train: int
    """Sequences that are trained in each epoch, and that validation looks at."""
    validation: int
    tokens: int
    answer_tokens: int
    """Of one epoch."""
    longest: int
    rows: int
    """Sequences, or packed rows of them."""
    steps_per_epoch: int
    steps: int
    evaluate_every: int
    parameters: int
    """Numbers that are trained."""
    memory: Mapping[str, int]
    disk: int


def make_plan(
    recipe: Recipe,
    base: BaseModel,
    precision: str,
    *,
    train: list[tuple[int, int]],
    validation: int,
    rows: int,
    room: int,
) -> Plan:
    """`train` holds tokens and answer tokens of each sequence; `rows` counts what holds them, of
    `room` tokens each where they are packed."""
    settings = recipe.training
    batches = math.ceil(rows / settings.batch_size)
    per_epoch = math.ceil(batches / settings.accumulation)
    steps = settings.max_steps or math.ceil(per_epoch * settings.epochs)
    numbers = adapter_parameters(base, recipe.lora.rank, recipe.lora.targets)
    longest = max(length for length, _ in train)
    return Plan(
        train=len(train),
        validation=validation,
        tokens=sum(length for length, _ in train),
        answer_tokens=sum(answered for _, answered in train),
        longest=longest,
        rows=rows,
        steps_per_epoch=per_epoch,
        steps=steps,
        evaluate_every=settings.evaluate_every or max(1, math.ceil(steps / 10)),
        parameters=numbers,
        memory=_memory(recipe, base, precision, numbers, room if settings.packing else longest),
        disk=(_SCRATCH + 1) * numbers * 12,  # weights and Adam's moments
    )


def packed(lengths: list[int], room: int) -> list[list[int]]:
    """Numbers of sequences that share a row of at most `room` tokens: the longest first, each into
    the first row that has room for it among the last hundred."""
    rows: list[list[int]] = []
    left: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda each: (-lengths[each], each)):
        for at in range(max(0, len(rows) - 100), len(rows)):
            if lengths[number] <= left[at]:
                rows[at].append(number)
                left[at] -= lengths[number]
                break
        else:
            rows.append([number])
            left.append(room - lengths[number])
    return rows


def _memory(
    recipe: Recipe, base: BaseModel, precision: str, numbers: int, length: int
) -> dict[str, int]:
    settings = recipe.training
    wide = 4 if precision == "fp32" else 2
    tokens = settings.batch_size * length
    layer = tokens * base.hidden * _LAYER * wide // 2
    kept = tokens * base.hidden * wide * base.layers
    return {
        "base": int(base.parameters * (_NF4 if settings.quantise == "nf4" else wide)),
        "adapter": numbers * _ADAPTER,
        "activations": kept + layer if settings.gradient_checkpointing else layer * base.layers,
        "logits": tokens * base.vocabulary * (wide + 8),  # as they come, in fp32, and a gradient
    }
