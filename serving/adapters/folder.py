"""Which files an adapter's folder may hold: two, and a README that is left behind."""

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from fairlead.errors import InputError
from fairlead.serving.adapters import configuration
from fairlead.serving.adapters.refusals import Reason

WEIGHTS: Final = "adapter_model.safetensors"
REQUIRED: Final = (configuration.NAME, WEIGHTS)
_LEFT: Final = {"README.md"}
"""peft writes one; it is neither read nor stored."""
_PICKLES: Final = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
_CODE: Final = (".py", ".pyc", ".pyd", ".so", ".dll", ".sh", ".ipynb")
_TOKENIZER: Final = (
    "tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "spiece", "sentencepiece",
)  # fmt: skip
_MODEL: Final = {"config.json", "generation_config.json", "preprocessor_config.json"}
_MOST: Final = 1000
"""Entries of a folder that are looked at."""


def unwanted(folder: Path, *, megabytes: int) -> Iterator[Reason]:
    """Everything in the folder that must not be there, and everything that is missing.

    Raises `InputError` where there is no such folder.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(islice(found, _MOST), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"cannot read the folder {str(folder)!r}: {error.strerror}",
            hint=f"Give a folder that holds {REQUIRED[0]} and {REQUIRED[1]}.",
        ) from error
    for entry in entries:
        yield from _against(entry, megabytes)
    names = {entry.name for entry in entries}
    for name in REQUIRED:
        if name not in names:
            yield Reason(code="missing", message=f"there is no {name!r}")


def _against(entry: "os.DirEntry[str]", megabytes: int) -> Iterator[Reason]:
    name, mode = entry.name, entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        yield Reason(code="link", message=f"{name!r} is a symbolic link")
    elif stat.S_ISDIR(mode):
        yield Reason(code="nested", message=f"{name!r} is a folder")
    elif not stat.S_ISREG(mode):
        yield Reason(code="irregular", message=f"{name!r} is no regular file")
    elif name in REQUIRED:
        size = entry.stat(follow_symlinks=False).st_size
        if size > megabytes * 1_000_000:
            said = f"{name!r} has {size / 1e6:,.0f} MB, over rollout.max_megabytes = {megabytes}"
            yield Reason(code="size", message=said)
    elif name not in _LEFT:
        yield _stranger(name)


def _stranger(name: str) -> Reason:
    low = name.lower()
    if low.endswith(_PICKLES):
        return Reason(code="pickle", message=f"{name!r} is a pickle, which runs code when read")
    if low.endswith(_CODE):
        return Reason(code="code", message=f"{name!r} is code")
    if low.startswith("chat_template") or low.endswith((".jinja", ".jinja2", ".j2")):
        return Reason(code="chat_template", message=f"{name!r} overrides the prompt's form")
    if low.startswith(_TOKENIZER):
        return Reason(code="tokenizer", message=f"{name!r} overrides the base's tokenizer")
    if low in _MODEL:
        return Reason(code="model_config", message=f"{name!r} overrides the base's configuration")
    return Reason(code="unexpected", message=f"{name!r} is no part of an adapter")
