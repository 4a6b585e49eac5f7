"""The command line in an empty folder, in this process or in one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fairlead.cli.app import app

ENTRY = "import sys; from fairlead.cli import main; sys.exit(main())"
"""What the installed `fairlead` script does."""
Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder; neither the user's settings nor the environment's reach it."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in [name for name in os.environ if name.startswith(("FAIRLEAD_", "OTEL_"))]:
        monkeypatch.delenv(name)
    return place


@pytest.fixture
def run(home: Path) -> Run:
    """Runs a command in this process."""

    def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return invoke


@pytest.fixture
def start(home: Path) -> Start:
    """Starts a command in a process of its own, its streams piped; `under` goes before it."""

    def begin(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Any:
        return subprocess.Popen(
            [*options.pop("under", ()), sys.executable, "-P", "-c", ENTRY, *arguments],
            env={**os.environ, **(env or {})},
            **{**dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE), **options},
        )

    return begin
