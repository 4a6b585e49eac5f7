"""Options that several commands share, and the settings that they lead to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.errors import SettingsError

if TYPE_CHECKING:
    from fairlead.settings import Loaded, Settings

DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class Common:
    """What stands before the command."""

    config: str | None = None
    debug: bool = False


class Mode(StrEnum):
    """How a search compares texts."""

    hybrid = "hybrid"
    dense = "dense"
    sparse = "sparse"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose data.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="EXPR",
        help="Only where key=value, !=, >=, <=, 'key in a,b' or 'key exists'. Repeatable.",
    ),
]
Modules = Annotated[
    list[str] | None,
    typer.Option(
        "--tools", metavar="MODULE[:ATTR]", help="A module or .py file with tools. Repeatable."
    ),
]


def loaded(ctx: typer.Context) -> "Loaded":
    """The settings that `--config` and the surroundings give, with their origins."""
    from fairlead.settings import load

    common = ctx.find_object(Common) or Common()
    return load(common.config)


def settings(ctx: typer.Context) -> "Settings":
    """The settings that `--config` and the surroundings give.

    Raises `SettingsError` also where the storage folder cannot be one: a file has its place.
    """
    given = loaded(ctx).settings
    folder = given.storage.path
    nearest = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if nearest.exists() and not nearest.is_dir():
        raise SettingsError(
            f"{str(nearest)!r} is a file, not a folder to store in",
            hint="Move it away, or set storage.path to another folder.",
        )
    return given
