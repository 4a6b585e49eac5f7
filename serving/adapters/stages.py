"""The stages of an adapter's version, and which one may follow which."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

from fairlead.errors import InputError

Stage: TypeAlias = Literal["draft", "candidate", "canary", "stable", "retired"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
MOVES: Final[Mapping[Stage, tuple[Stage, ...]]] = {
    "draft": ("candidate", "retired"),
    "candidate": ("canary", "stable", "retired"),
    "canary": ("stable", "retired"),
    "stable": ("retired",),
    "retired": ("candidate",),
}
"""What a person may do. Besides, a rollback makes the retired version before stable again."""
LIVE: Final = ("canary", "stable")
"""Stages that a name has at most one version in."""


def check_move(version: str, stage: Stage, to: Stage) -> None:
    """Raises `InputError` for a move that is not one of `MOVES`."""
    if to in MOVES[stage]:
        return
    if stage == to:
        raise InputError(f"{version!r} is {stage} already")
    allowed = " or ".join(MOVES[stage])
    raise InputError(
        f"{version!r} is {stage} and cannot become {to}", hint=f"From {stage} it goes to {allowed}."
    )


def stage_named(text: str) -> Stage:
    """The stage of that name. Raises `InputError` for another text."""
    for stage in STAGES:
        if text == stage:
            return stage
    raise InputError(f"there is no stage {text!r}", hint=f"Stages are {', '.join(STAGES)}.")
