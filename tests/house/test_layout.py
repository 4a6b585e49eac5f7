"""The repository is laid out as pyproject.toml says, and stays readable."""

import ast
import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAP = PROJECT["tool"]["setuptools"]
LINKED = ("agents", "graphs", "guardrails", "serving", "tools")
ROOMS = MAP["packages"]
FILE_LIMIT, FUNCTION_LIMIT = 400, 60
LONG: dict[str, int] = {}
"""Files and functions that may be longer, with their length. May only shrink."""


def folder(package: str) -> Path:
    """Where a package lies: its longest mapped parent, then the path below it."""
    known = MAP["package-dir"]
    parent = package
    while parent not in known:
        parent = parent.rpartition(".")[0]
    return ROOT.joinpath(known[parent], *package[len(parent) :].split(".")[1:])


def sources() -> Iterator[Path]:
    for name in ("fairlead", *LINKED, "tests", "examples", "benchmarks", "scripts"):
        for path in (ROOT / name).rglob("*.py"):
            if not any(parent.is_symlink() for parent in path.parents):
                yield path


def test_every_package_is_mapped_and_every_mapped_one_exists() -> None:
    found = {
        path.parent
        for top in {ROOT / "fairlead", *(ROOT / name for name in LINKED)}
        for path in top.rglob("__init__.py")
        if not any(parent.is_symlink() for parent in path.parents)
    }
    assert found == {folder(package) for package in ROOMS}


@pytest.mark.parametrize("name", LINKED)
def test_the_links_are_links(name: str) -> None:
    link = ROOT / "fairlead" / name
    assert link.is_symlink() and link.resolve() == ROOT / name
    if (ROOT / ".git").exists():
        said = subprocess.run(
            ["git", "ls-files", "-s", f"fairlead/{name}"], cwd=ROOT, capture_output=True, text=True
        )
        assert said.stdout.startswith("120000"), "committed as a file, not as a link"


@pytest.mark.parametrize("package", ROOMS)
def test_exports_are_few_sorted_and_real(package: str) -> None:
    room = importlib.import_module(package)
    exported = list(getattr(room, "__all__", []))
    assert exported == sorted(exported, key=_order)
    assert len(exported) <= (20 if package == "fairlead" else 12)
    for name in exported:
        assert hasattr(room, name), f"{package}.{name} is listed but not there"
    if package != "fairlead":
        init = ast.parse((folder(package) / "__init__.py").read_text(encoding="utf-8"))
        bound = {
            alias.asname or alias.name
            for node in init.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert bound <= set(exported), f"imported but not exported: {bound - set(exported)}"


def _order(name: str) -> tuple[int, str]:
    """Constants, then types, then functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_files_and_functions_are_short() -> None:
    found: dict[str, int] = {}
    for path in sources():
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT))
        if (lines := text.count("\n")) > FILE_LIMIT:
            found[name] = lines
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LIMIT:
                    found[f"{name}:{node.name}"] = length
    assert found == LONG


def test_nothing_unfinished_and_no_machines_paths() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|(?<![\w.])/(work|root|tmp)\b")
    pages = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "pyproject.toml")
    bad = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in (*sources(), *pages)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if marks.search(line)
    ]
    assert not bad


def test_module_names_say_what_is_inside() -> None:
    empty = {"base", "common", "helpers", "misc", "util", "utils"}
    assert not [path for path in sources() if path.stem in empty]


def test_the_readme_shows_code_early() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("```") for line in lines[:20])
