"""The reference pages name all that there is, and nothing that there is not."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typing_extensions import TypeIs

from fairlead.cli.app import app
from fairlead.errors import FairleadError
from fairlead.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SHARED = CLI.partition("## Options of every command")[2].partition("\n## ")[0]
"""The section of the options that every command, or most, have."""
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names with their defaults as TOML; `NAME` stands for what the user names."""
    for name, field in model.model_fields.items():
        dotted, kind = f"{prefix}{field.alias or name}", field.annotation
        named = get_args(kind)[1] if get_origin(kind) is Mapping else None
        if _is_section(named):
            if named in (field.annotation for field in model.model_fields.values()):
                continue  # [models.NAME] is what [model] is
            yield from settings_of(named, f"{dotted}.NAME.")
        elif _is_section(kind):
            yield from settings_of(kind, f"{dotted}.")
        else:
            yield dotted, _shown(field.get_default(call_default_factory=True))


def _is_section(kind: object) -> TypeIs[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _shown(default: Any) -> str:
    return "required" if default is PydanticUndefined else f"`{json.dumps(default, default=str)}`"


def commands(command: Any = None, path: str = "fairlead") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name, each in (inner or {}).items():
        yield from commands(each, f"{path} {name}")


COMMANDS = dict(commands())


def options(command: Any) -> set[str]:
    return {
        option
        for parameter in command.params
        if parameter.param_type_name == "option"
        for option in parameter.opts
    }


def section(command: str) -> str:
    """What the page says under a command's own heading."""
    found = re.search(rf"^### `{command}(?: [^`a-z]+)?`\n(.*?)(?=^##|\Z)", CLI, re.M | re.S)
    assert found, f"docs/cli.md has no section on {command!r}"
    return found[1]


def test_every_setting_stands_on_the_page_with_its_default() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", SETTINGS, re.M)
    assert dict(rows) == dict(settings_of(Settings))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_stands_on_the_page(name: str) -> None:
    assert options(COMMANDS[name]) <= set(_OPTION.findall(section(name) + SHARED))


def test_the_options_before_the_command_stand_on_the_page() -> None:
    assert options(typer.main.get_command(app)) <= set(_OPTION.findall(SHARED))


def test_the_page_names_no_option_that_is_not_there() -> None:
    known = {"-h", "--help"} | options(typer.main.get_command(app))
    known |= {option for command in COMMANDS.values() for option in options(command)}
    rows = "\n".join(re.findall(r"^\| (`-[^|]+) \|", CLI, re.M))
    assert set(_OPTION.findall(rows)) <= known


def test_every_document_and_error_code_stands_on_the_page() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "fairlead/cli").glob("*.py")]
    schemas = {name for text in sources for name in re.findall(r"fairlead\.[a-z]+/\d+", text)}
    rows = set(re.findall(r"^\| `(fairlead\.[a-z]+/\d+)` \|", CLI, re.M))
    assert rows == schemas
    for kind in _kinds(FairleadError):
        row = re.search(rf"^\| {kind.exit_code} \|.*`{kind.code}`", CLI, re.M)
        assert row, f"{kind.code!r} does not stand beside its exit status {kind.exit_code}"


def _kinds(kind: type[FairleadError]) -> Iterator[type[FairleadError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == FairleadError.__module__:
            yield from _kinds(each)


def test_every_link_between_pages_leads_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8"))
        if not _leads(page, link)
    ]
    assert not dead


def _leads(page: Path, link: str) -> bool:
    """Whether the file is there, and the heading in it where the link names one."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
    return anchor in {re.sub(r"[^\w\- ]", "", each).lower().replace(" ", "-") for each in headings}
