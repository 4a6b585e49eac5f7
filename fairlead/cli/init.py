"""`fairlead init`: a settings file, a document to ask about, and a tool, ready to run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fairlead.cli.options import AsJson
from fairlead.cli.output import document, say
from fairlead.errors import InputError, SettingsError

SCHEMA_FILE = Path(".fairlead") / "settings.schema.json"


class Template(StrEnum):
    """What to start from."""

    rag = "rag"
    tools = "tools"
    minimal = "minimal"


FILES = {
    Template.minimal: {"fairlead.toml": "minimal.toml"},
    Template.rag: {"fairlead.toml": "rag.toml", "docs/returns.md": "returns.md"},
    Template.tools: {
        "fairlead.toml": "tools.toml",
        "docs/returns.md": "returns.md",
        "tools.py": "tools.py",
    },
}
"""Path in the new project by the template file it is a copy of."""
NEXT = {
    Template.minimal: ("fairlead ingest FOLDER", "fairlead ask 'a question on your documents'"),
    Template.rag: ("fairlead ingest docs", "fairlead ask 'How long may I return a mug?' --trace"),
    Template.tools: (
        "fairlead ingest docs",
        "fairlead ask 'What is the status of order 1042?' --tools tools.py --trace",
    ),
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to begin.")] = Path("."),
    template: Annotated[
        Template, typer.Option("--template", help="What to start from.")
    ] = Template.rag,
    as_json: AsJson = False,
) -> None:
    """Write a settings file and an example to start from.

    Nothing is overwritten.
    """
    texts = {folder / path: _template(name) for path, name in FILES[template].items()}
    texts[folder / SCHEMA_FILE] = _schema()
    _refuse_existing([path for path in texts if path != folder / SCHEMA_FILE])
    for path, text in texts.items():
        _write(path, text)
    written = [str(path) for path in texts]
    if as_json:
        document("fairlead.init/1", template=template.value, files=written, next=NEXT[template])
        return
    say(*(f"wrote {path}" for path in written), "", "Next:")
    enter = () if folder == Path(".") else (f"cd {folder}",)
    say(*(f"  {command}" for command in (*enter, *NEXT[template])))


def _template(name: str) -> str:
    from importlib.resources import files

    return (files("fairlead.cli") / "templates" / name).read_text(encoding="utf-8")


def _schema() -> str:
    import json

    from fairlead.settings import Settings

    return json.dumps(Settings.model_json_schema(by_alias=True), indent=2) + "\n"


def _refuse_existing(paths: list[Path]) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise InputError(
                f"{str(path)!r} exists and is not overwritten",
                hint="Move it away, or name another folder: `fairlead init DIR`.",
            )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise SettingsError(
            f"cannot write {str(path)!r}: {error.strerror}", hint="Name a folder you can write to."
        ) from error
