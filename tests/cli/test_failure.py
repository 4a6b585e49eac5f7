import errno
import json
from collections.abc import Callable

import pytest
import typer
from typer.testing import Result

from fairlead.cli.failure import asks_json, outcome
from fairlead.errors import (
    FairleadError,
    InputError,
    NotFound,
    Refused,
    SettingsError,
    ThreadBusy,
    Unavailable,
)

Run = Callable[..., Result]


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FairleadError("x"), 1, "internal"),
        (InputError("x"), 2, "bad_input"),
        (NotFound("x"), 2, "not_found"),
        (ThreadBusy("x"), 2, "thread_busy"),
        (SettingsError("x"), 3, "settings"),
        (Refused("x"), 4, "refused"),
        (Unavailable("x"), 5, "unavailable"),
        (OSError(errno.ENOSPC, "No space left on device", "a.db"), 5, "unavailable"),
        (OSError(errno.EFBIG, "File too large"), 5, "unavailable"),
        (typer.BadParameter("x"), 2, "usage"),
        (typer.Abort(), 2, "usage"),
        (ValueError("x"), 1, "unexpected"),
        (OSError("x"), 1, "unexpected"),
    ],
)
def test_each_failure_has_its_status_and_document(
    error: Exception, status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(["ask", "--json"], raising(error)) == status
    streams = capsys.readouterr()
    document = json.loads(streams.out)
    assert document["schema"] == "fairlead.error/1"
    assert document["error"]["code"] == code
    assert set(document["error"]) == {"code", "message", "hint", "trace_id"}
    assert document["error"]["message"] in streams.err
    assert "Traceback" not in streams.err


def test_a_person_gets_message_hint_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    error = Unavailable("'a.db' is in use", hint="Wait for it.", trace_id="abc")
    assert outcome(["ask"], raising(error)) == 5
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == "Error: 'a.db' is in use\n  Wait for it.\n  trace abc\n"


def test_the_unexpected_is_one_line_with_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    error = ValueError("first line\nsecond line")
    error.__cause__ = Unavailable("inner", trace_id="abc")
    assert outcome(["ask"], raising(error)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "unexpected ValueError: first line" in line
    assert "trace abc" in line and "--debug" in line


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["--debug", "ask"], raising(ValueError("x"))) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["ask"], raising(KeyboardInterrupt())) == 130
    assert outcome(["ask"], lambda: 130) == 130  # as Typer returns it
    assert capsys.readouterr().err == "Interrupted.\nInterrupted.\n"


def test_what_a_command_returns_is_no_status() -> None:
    assert outcome([], lambda: None) == 0
    assert outcome([], lambda: 6) == 6


@pytest.mark.parametrize("argument", ["a\x00b", "a\udcffb", "\ud800"])
def test_arguments_that_are_no_text_are_refused_before_the_command(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[int] = []
    assert outcome(["ask", argument, "--json"], lambda: called.append(1)) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"].startswith("argument 2 ") and not called


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["ask", "--json"], True),
        (["ask"], False),
        (["ask", "--", "--json"], False),
        (["ask", "--json", "--", "x"], True),
    ],
)
def test_asks_json(arguments: list[str], asked: bool) -> None:
    assert asks_json(arguments) is asked


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["ask"],
        ["ask", "x", "--nothing"],
        ["search", "x", "-k", "many"],
        ["search", "x", "-k", "0"],
        ["search", "x", "--mode", "fuzzy"],
        ["ask", "x", "--deadline", "soon"],
    ],
)
def test_usage_errors(run: Run, arguments: list[str]) -> None:
    plain = run(*arguments)
    assert (plain.exit_code, plain.stdout) == (2, "")
    assert plain.stderr.startswith("Error: ") and "--help" in plain.stderr
    failed = run(*arguments, "--json")
    assert failed.exit_code == 2
    assert json.loads(failed.stdout)["error"]["code"] == "usage"


def test_help_without_a_command(run: Run) -> None:
    shown = run()
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "Usage: fairlead" in shown.stderr and "ingest" in shown.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["tools", "-h"]])
def test_help(run: Run, arguments: list[str]) -> None:
    shown = run(*arguments)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "Usage: fairlead" in shown.stdout


def test_settings_failures_exit_3(run: Run) -> None:
    missing = run("--config", "nothing.toml", "config", "show", "--json")
    assert missing.exit_code == 3
    error = json.loads(missing.stdout)["error"]
    assert error["code"] == "settings" and "'nothing.toml'" in error["message"]
    assert "fairlead init" in error["hint"]
