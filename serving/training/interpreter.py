"""The Python that trains: this one where it has the packages, else another one that has them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Final

from fairlead.errors import SettingsError
from fairlead.serving.launch import environment
from fairlead.serving.training.recipe import TrainingSettings

NEEDED: Final = ("torch", "transformers", "peft", "accelerate")
_SECONDS: Final = 300
"""For looking into a Python; on a cold disk torch alone takes half a minute to import."""
_INSTALL: Final = "pip install 'fairlead[train]', or name a Python that has them: --python PATH."
_PROBE: Final = """
import json, platform, sys
from importlib import metadata
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
device = {"kind": "cpu", "name": platform.machine(), "bf16": False, "memory": 0}
if "torch" in found:
    import torch
    if torch.cuda.is_available():
        one = torch.cuda.get_device_properties(0)
        device = {"kind": "cuda", "name": one.name, "bf16": torch.cuda.is_bf16_supported(),
                  "memory": one.total_memory}
print("fairlead:" + json.dumps({"versions": found, "device": device}))
"""


@dataclass(frozen=True, kw_only=True)
class Device:
    """What the arithmetic runs on."""

    kind: str
    """`cuda` or `cpu`."""
    name: str
    bf16: bool
    memory: int
    """Bytes of the GPU; 0 for a CPU."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python that can train."""

    python: str
    versions: Mapping[str, str]
    device: Device

    def precision(self, settings: TrainingSettings) -> str:
        """The one that `auto` comes to."""
        if settings.precision != "auto":
            return settings.precision
        cuda = self.device.kind == "cuda" and settings.device == "auto"
        return "bf16" if cuda and self.device.bf16 else "fp32"


def find_interpreter(given: str | None = None) -> Interpreter:
    """The Python that is named; else this one, else the one of vLLM that `models install` made.

    Raises `SettingsError` where none of them has.
    """
    if given:
        return _probed(given)
    if all(find_spec(name) for name in NEEDED):
        return _probed(sys.executable)
    if engine := environment.find():  # vLLM's has them all where peft was installed too
        return _probed(str(engine))
    raise SettingsError(
        f"training needs {', '.join(NEEDED)}, which this Python has not", hint=_INSTALL
    )


def check_quantised(found: Interpreter, settings: TrainingSettings) -> None:
    """Raises `SettingsError` where 4 bits are asked for and cannot be had."""
    if settings.quantise == "none":
        return
    lacking = []
    if found.device.kind != "cuda" or settings.device == "cpu":
        lacking.append("an NVIDIA GPU (CUDA)")
    if "bitsandbytes" not in found.versions:
        lacking.append("the package bitsandbytes")
    if lacking:
        raise SettingsError(
            f"training.quantise = {settings.quantise!r} needs {' and '.join(lacking)}",
            hint='Set it to "none": LoRA on the base as it is stored.',
        )


def surroundings(python: str) -> dict[str, str]:
    """The environment to start a Python in: what is meant for this one misleads another one."""
    mine = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV") if python != sys.executable else ()
    return {name: value for name, value in os.environ.items() if name not in mine}


@cache
def _probed(python: str) -> Interpreter:
    """Looked into once a process: importing torch takes seconds."""
    asked = (*NEEDED, "bitsandbytes", "jinja2", "numpy", "safetensors", "tokenizers")
    try:
        said = subprocess.run(
            [python, "-P", "-c", _PROBE, *asked],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            env=surroundings(python),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{python!r} does not run: {error}", hint=_INSTALL) from error
    marked = [line for line in said.stdout.splitlines() if line.startswith("fairlead:")]
    if said.returncode or not marked:
        last = (said.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SettingsError(f"{python!r} cannot train: {last}", hint=_INSTALL)
    found = json.loads(marked[-1].removeprefix("fairlead:"))
    missing = [name for name in NEEDED if name not in found["versions"]]
    if missing:
        raise SettingsError(f"{python!r} has no {', '.join(missing)}", hint=_INSTALL)
    return Interpreter(python=python, versions=found["versions"], device=Device(**found["device"]))
