"""Options that several commands share, and the settings that they lead to."""

import getpass
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.errors import InputError, SettingsError

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


class Personal(StrEnum):
    """What is done about personal data in documents."""

    off = "off"
    flag = "flag"
    mask = "mask"
    block = "block"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose data.")]
Collection = Annotated[
    str, typer.Option("--collection", metavar="NAME", help="Which of the tenant's collections.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it; default: your user name.")
]
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


def actor(by: str | None) -> str:
    """Who does it. Raises `InputError` where nobody said so and the system does not know."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise InputError("nobody knows who you are", hint="Say --by NAME.") from error


def confirm(question: str, *, yes: bool, needed: bool = True) -> None:
    """Asks a person on a terminal. Raises `InputError` for a no, and if `needed` without one."""
    asking = sys.stdin.isatty() and sys.stderr.isatty()
    if yes or not (asking or needed):
        return
    if not asking:
        raise InputError(question, hint="Say --yes to do it.")
    if not typer.confirm(question, err=True):
        raise InputError("nothing was changed")


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
