"""From whatever a command raised to one message for people, one document for programs, one status.

0 done                 3 settings      6 a check failed
1 unexpected failure   4 not allowed   7 waiting for approval
2 usage or bad input   5 unreachable   130 interrupted
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import typer

from fairlead.cli import INTERRUPTED
from fairlead.cli.output import document, error_lines
from fairlead.errors import FairleadError, InputError, Unavailable

CHECK_FAILED = 6
WAITING = 7

UsageFailure: type[Exception] = typer.BadParameter.__mro__[2]
"""Click's exception for a wrong command line, from whichever package Typer carries Click in."""


def outcome(arguments: Sequence[str], command: Callable[[], object]) -> int:
    """Runs `command` and returns the exit status, having told the user what went wrong."""
    try:
        status = _attempted(arguments, command)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        if any(isinstance(each, BrokenPipeError) for each in chain(error)):
            _silence()
            return 0
        raise
    except OSError as error:
        error_lines(f"Error: cannot write the output: {error.strerror}")
        _silence()
        return Unavailable.exit_code
    return status


def _attempted(arguments: Sequence[str], command: Callable[[], object]) -> int:
    try:
        _check(arguments)
        status = command()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        return _reported(error, as_json=asks_json(arguments), debug="--debug" in arguments)
    if status == INTERRUPTED:
        error_lines("Interrupted.")
    return status if isinstance(status, int) else 0


def asks_json(arguments: Sequence[str]) -> bool:
    """True where `--json` stands among the options, even of a command line that does not parse."""
    options = arguments[: list(arguments).index("--")] if "--" in arguments else arguments
    return "--json" in options


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, then what it was raised from or during, outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _check(arguments: Sequence[str]) -> None:
    """Refuses text that could neither be stored nor printed, before anything is read or written."""
    for place, argument in enumerate(arguments, start=1):
        if "\x00" in argument:
            raise InputError(
                f"argument {place} contains a NUL character", hint="Remove it: text never has one."
            )
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise InputError(
                f"argument {place} is not valid UTF-8: {argument!a}",
                hint="Pass UTF-8 text; rename a file whose name is not.",
            )


def _reported(error: Exception, *, as_json: bool, debug: bool) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help page
        error_lines(str(error.args[0] if error.args else error))
        return InputError.exit_code
    if debug:
        traceback.print_exception(error)
    code, message, hint, status = _described(error)
    trace_id = next((t for e in chain(error) if (t := str(getattr(e, "trace_id", "")))), "")
    if as_json:
        said = {"code": code, "message": message, "hint": hint, "trace_id": trace_id}
        document("fairlead.error/1", error=said)
    if code == "unexpected":
        where = f"trace {trace_id}; " if trace_id else ""
        error_lines(f"Error: {message} ({where}run with --debug for the details)")
    else:
        error_lines(f"Error: {message}", *filter(None, [hint]))
        if trace_id:
            error_lines(f"  trace {trace_id}")
    return status


def _described(error: Exception) -> tuple[str, str, str, int]:
    """Code, message, hint and exit status."""
    if isinstance(error, UsageFailure):
        return "usage", _usage(error), _usage_hint(error), InputError.exit_code
    if isinstance(error, typer.Abort):  # the end of the input where an answer was expected
        return "usage", "the input ended too early", "", InputError.exit_code
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        name = f" {str(error.filename)!r}" if error.filename else ""
        error = Unavailable(
            f"no space left to write{name}", hint="Free some disk space and run it again."
        )
    if isinstance(error, FairleadError):
        return error.code, error.message, error.hint, error.exit_code
    first = (str(error).strip().splitlines() or [""])[0]
    said = f"unexpected {type(error).__name__}{': ' if first else ''}{first}"
    return "unexpected", said, "Run with --debug for the details.", FairleadError.exit_code


def _usage(error: Exception) -> str:
    format_message = getattr(error, "format_message", None)
    return str(format_message() if format_message else error).rstrip(".")


def _usage_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None) or "fairlead"
    return f"Try `{path} --help`."


def _silence() -> None:
    """Points stdout nowhere, so that the interpreter's last flush does not complain again."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
