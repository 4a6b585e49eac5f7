import gc
import json
import os
import sys
from collections.abc import Callable, Iterator

import pytest
from typer.testing import Result

from fairlead import __version__
from fairlead.cli import failure, main

Run = Callable[..., Result]


@pytest.fixture
def arguments(home: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The process's arguments; the garbage collector is as before afterwards."""
    held = gc.get_threshold()
    given = ["fairlead"]
    monkeypatch.setattr(sys, "argv", given)
    yield given
    gc.unfreeze()
    gc.set_threshold(*held)


def test_the_status_is_returned(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments += ["version"]
    assert main() == 0
    assert capsys.readouterr().out.startswith(f"fairlead {__version__} (Python ")
    arguments[1:] = ["nothing"]
    assert main() == 2


def test_an_interrupt_while_starting(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fairlead.cli.app.app", interrupted)
    assert main() == 130


def test_version_as_json(run: Run) -> None:
    document = json.loads(run("version", "--json").stdout)
    assert (document["schema"], document["version"]) == ("fairlead.version/1", __version__)


def test_help_lists_every_command(run: Run) -> None:
    shown = run("--help").stdout
    for name in ("ask", "chat", "ingest", "search", "index", "tools", "trace", "init", "config"):
        assert f"\n  {name} " in shown
    for name in ("doctor", "version"):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BrokenPipeError(), 0, ""),
        (OSError(28, "No space left on device"), 5, "Error: cannot write the output: No space"),
    ],
)
def test_output_that_cannot_be_flushed(
    error: OSError, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def failing() -> None:
        raise error

    monkeypatch.setattr(failure, "error_lines", told.append)
    monkeypatch.setattr("sys.stdout.flush", failing, raising=False)
    stdout = os.dup(1)
    try:
        assert failure.outcome([], lambda: None) == status
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
    assert "".join(told).startswith(said)


def test_an_exit_that_nobody_expected_stays_one() -> None:
    def leave() -> object:
        raise SystemExit(9)

    with pytest.raises(SystemExit):
        failure.outcome([], leave)
