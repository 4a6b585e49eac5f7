"""What the project depends on is locked, and each line of it has a reason."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = {"openai", "torch", "transformers"}


def locked() -> dict[str, str]:
    """Package → the version that constraints.txt holds."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}


def dependencies() -> list[Requirement]:
    return [Requirement(line) for line in PROJECT["dependencies"]]


def extras() -> dict[str, list[Requirement]]:
    found = PROJECT["optional-dependencies"].items()
    return {extra: [Requirement(line) for line in lines] for extra, lines in found}


def test_the_lock_holds_all_that_is_asked_for_within_its_range() -> None:
    development = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    asked = dependencies() + [needed for extra in extras().values() for needed in extra]
    asked += [Requirement(line) for line in development if not line.startswith("#")]
    for requirement in asked:
        if requirement.name != "fairlead":
            assert requirement.specifier.contains(locked()[requirement.name]), requirement


def test_every_dependency_has_a_line_of_reason() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    core, _, optional = page.partition("## Core")[2].partition("## Extras")
    reasons = re.findall(r"^\| ([a-z][\w-]+) \|(?: [^|]+ \|){3}$", core, flags=re.M)
    assert reasons == ["package", *(needed.name for needed in dependencies())]
    lines = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]* \|$", optional, flags=re.M))
    assert lines.keys() == extras().keys()
    for extra, needed in extras().items():
        names = ["every extra above"] if extra == "all" else [each.name for each in needed]
        assert lines[extra].split(", ") == names


def test_the_core_needs_no_torch() -> None:
    seen: set[str] = set()
    waiting = {requirement.name for requirement in dependencies()}
    while waiting:
        seen |= waiting
        waiting = {needed for name in waiting for needed in required(name)} - seen
    assert not seen & HEAVY


def required(package: str) -> set[str]:
    """What an installed package needs here, without its extras."""
    lines = [Requirement(line) for line in requires(package) or []]
    return {line.name for line in lines if not line.marker or line.marker.evaluate({"extra": ""})}
