"""Installs vLLM into an environment of its own, whole or not at all.

A virtual environment cannot be built elsewhere and moved, since its scripts hold absolute paths.
So it is built in its place, and the stamp that makes it count is written last: whatever came
before, a folder without it is removed and built anew. Of two that run at once, one waits.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlead.errors import SettingsError, Unavailable
from fairlead.serving.launch.environment import (
    Recipe,
    Variant,
    cache,
    folder,
    interpreter,
    is_ready,
    recipe,
    supported,
)

_SPARE: Final = 1.1
"""Times the expected size must be free before anything is fetched."""
_WHAT_THEN: Final = (
    "The lines above say why. A package index is needed (a mirror: UV_DEFAULT_INDEX, a proxy: "
    "HTTPS_PROXY); what is missing is all that is fetched when you run it again."
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an installation would do."""

    recipe: Recipe
    folder: Path
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What an installation did."""

    recipe: Recipe
    folder: Path
    python: Path
    fresh: bool
    """False where it was there already."""
    seconds: float
    bytes: int


def plan(variant: Variant = "auto") -> Plan:
    """The commands that `install` would run, in order."""
    wanted = recipe(variant)
    place, python = folder(wanted), str(interpreter(wanted))
    uv, venv = _find_uv(), str(place / "venv")
    made: tuple[tuple[str, ...], ...]
    if uv:
        made = ((uv, "venv", "--python", sys.executable, venv),)
    else:  # pip cannot override what a package asks for, but it can bring what can
        uv = str(place / "venv" / "bin" / "uv")
        made = (
            (sys.executable, "-m", "venv", venv),
            (python, "-m", "pip", "install", "uv"),
        )
    # Without bytecode each of the server's processes compiles 25 s of sources at every start where
    # Python may not write it, and uv writes none unless told to.
    fetch: tuple[str, ...] = (uv, "pip", "install", "--python", python, "--compile-bytecode")
    if wanted.overrides:
        fetch += ("--override", str(place / "overrides.txt"))
    fetch += ("--requirement", str(place / "requirements.txt"))
    check = (python, "-c", "import torch, vllm")
    return Plan(recipe=wanted, folder=place, commands=(*made, fetch, check))


def install(variant: Variant = "auto") -> Installed:
    """The environment of a variant, made where it was missing. Says what it does on stderr.

    Raises `SettingsError` where vLLM has no packages for this machine or the cache cannot be
    written, `Unavailable` without enough free space and where the installation failed.
    """
    supported()
    planned = plan(variant)
    wanted, place = planned.recipe, planned.folder
    began = time.monotonic()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with alone(place.with_name(f"{place.name}.lock")):
            if fresh := not is_ready(wanted):
                _make(planned)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise SettingsError(
            f"cannot write {str(place)!r}: {error.strerror}",
            hint="Set FAIRLEAD_CACHE to a folder that can be written.",
        ) from error
    return Installed(
        recipe=wanted,
        folder=place,
        python=interpreter(wanted),
        fresh=fresh,
        seconds=time.monotonic() - began,
        bytes=_size(place),
    )


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Holds a lock file; whoever else wants it waits, and says so."""
    import fcntl  # noqa: PLC0415 - POSIX only, and this module is imported to be refused elsewhere

    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another run is installing; waiting for it …")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _make(planned: Plan) -> None:
    wanted, place = planned.recipe, planned.folder
    _say(f"Installing vLLM {wanted.version} for {wanted.variant} into {place} …")
    (place / ".ready").unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    _check_space(wanted)
    place.mkdir()
    try:
        for name, lines in (
            ("requirements.txt", wanted.requirements),
            ("overrides.txt", wanted.overrides),
        ):
            (place / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for command in planned.commands:
            _run(command, place)
        unfinished = place / ".ready.part"
        unfinished.write_text(wanted.stamp, encoding="utf-8")
        os.replace(unfinished, place / ".ready")
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)  # gigabytes that would count for nothing
        raise


def _run(command: Sequence[str], place: Path) -> None:
    """Runs one command in `place`, so that no project's settings for uv reach it."""
    left = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    variables = {name: value for name, value in os.environ.items() if name not in left}
    try:
        done = subprocess.run(
            command,
            cwd=place,
            env={**variables, "UV_PYTHON_DOWNLOADS": "never"},
            stdin=subprocess.DEVNULL,
            stdout=2,  # what it says is progress
        )
    except OSError as error:
        raise SettingsError(
            f"{command[0]!r} does not run: {error.strerror}", hint="Install uv and run it again."
        ) from error
    if not done.returncode:
        return
    said = " ".join(command)
    if command[1:3] == ("-m", "venv"):
        raise SettingsError(
            f"`{said}` failed", hint="Install uv, or Python's venv (Debian: python3-venv)."
        )
    raise Unavailable(f"vLLM could not be installed: `{said}` failed", hint=_WHAT_THEN)


def _check_space(wanted: Recipe) -> None:
    free, needed = shutil.disk_usage(cache()).free, wanted.gigabytes * _SPARE
    if free < needed * 1e9:
        raise Unavailable(
            f"vLLM needs about {needed:.0f} GB in {str(cache())!r}, and {free / 1e9:.1f} are free",
            hint="Free some disk space, or set FAIRLEAD_CACHE to a folder on a larger disk.",
        )


def _find_uv() -> str | None:
    """The uv beside this Python, else that on the PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")


def _size(place: Path) -> int:
    """Bytes on the disk; a file with several names there counts once."""
    seen: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(place):
        for name in names:
            found = os.lstat(os.path.join(parent, name))
            seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
