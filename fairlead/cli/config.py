"""`fairlead config`: which settings hold, where they came from, and what may be set."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.options import AsJson, loaded
from fairlead.cli.output import document, say
from fairlead.errors import NotFound

if TYPE_CHECKING:
    from fairlead.settings import Loaded

config = typer.Typer(
    no_args_is_help=True, help="Settings: what holds, from where, what may be set."
)

SCHEMA = "fairlead.config/1"
HIDDEN = "(hidden)"
_SECRET = re.compile(r"(key|token|secret|password|passwd|credential)s?$", re.IGNORECASE)
_REFERENCE = {"env", "file", "keyring"}
"""`{ env = "NAME" }` says where a secret is, which is none itself."""
_POLICIES = {"guard.secrets"}
"""What is done about secrets, which is none either."""
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/]*@|(?<=password=)[^&]+")
"""In a URL, before the host or among its parameters."""


@config.command("show")
def show(
    ctx: typer.Context,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say where each value came from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the settings that hold here; the text is a valid settings file."""
    found = loaded(ctx)
    values = dict(visible(found))
    origins = {name: _origin(found.origins, name) for name in values}
    if as_json:
        more: dict[str, object] = {"origins": origins} if origin else {}
        document(SCHEMA, file=_file(found), settings=nested(values), **more)
        return
    lines = {name: f"{name} = {_toml(value)}" for name, value in values.items()}
    width = min(48, max(map(len, lines.values())))
    for name, line in lines.items():
        commented = f"# {line}" if values[name] is None else line
        say(f"{commented:<{width}}  # {origins[name]}" if origin else commented)


@config.command("schema")
def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of the settings file, for editors."""
    from fairlead.settings import Settings

    described = Settings.model_json_schema(by_alias=True)
    if as_json:
        document(SCHEMA, json_schema=described)
    else:
        say(json.dumps(described, indent=2, ensure_ascii=False))


@config.command("path")
def path(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print which settings file is in use."""
    from fairlead.settings import FILE_NAME

    found = loaded(ctx)
    if found.file is None:
        raise NotFound(
            f"no {FILE_NAME!r} in this folder or above it; the defaults hold",
            hint="Run `fairlead init` to write one.",
        )
    if as_json:
        document(SCHEMA, path=str(found.file))
    else:
        say(str(found.file))


def visible(found: "Loaded") -> Iterator[tuple[str, object]]:
    """Dotted names and values, secrets hidden."""
    from fairlead.settings import flatten

    for name, value in flatten(found.settings):
        if not isinstance(value, str) or not value:
            yield name, value
        elif any(_SECRET.search(part) for part in _subject(name)):
            yield name, HIDDEN
        else:
            yield name, _PASSWORD.sub(_without_password, value)


def _without_password(found: re.Match[str]) -> str:
    return HIDDEN if found[1] is None else f"{found[1]}:{HIDDEN}@"


def nested(values: Mapping[str, object]) -> dict[str, object]:
    """Dotted names back into tables."""
    tables: dict[str, object] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        table = tables
        for part in path:
            inner = table.setdefault(part, {})
            table = inner if isinstance(inner, dict) else {}
        table[last] = value
    return tables


def _subject(name: str) -> list[str]:
    parts = name.split(".")
    return [] if parts[-1] in _REFERENCE or name in _POLICIES else parts


def _origin(origins: Mapping[str, str], name: str) -> str:
    """Where the value came from; a list or table may have been set as a whole, further up."""
    parts = name.split(".")
    upwards = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((origins[each] for each in upwards if each in origins), "default")


def _file(found: "Loaded") -> str | None:
    return str(found.file) if found.file else None


def _toml(value: object) -> str:
    """JSON's notation of a scalar or list is TOML's as well; tables are written inline."""
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return json.dumps(value, ensure_ascii=False, default=str)
