"""What goes out: JSON documents and readable text on stdout, progress and messages on stderr."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a stage's name, how much of it is done, and how much there is."""

_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Terminal commands, and characters that reorder or break the line for the reader."""
WIDE = 200
"""Columns of a table that goes to a file or a pipe."""


def prepare() -> None:
    """Makes the standard streams take any text. Call once, before anything is written."""
    if sys.stdout is None:  # closed by the caller (`>&-`)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure:
        reconfigure(encoding="utf-8-sig", errors="surrogateescape")


def document(schema: str, **fields: object) -> None:
    """Prints one JSON document on one line (indented on a terminal), `schema` first."""
    _write(schema, fields, indent=2 if sys.stdout.isatty() else None)


def line(schema: str, **fields: object) -> None:
    """Prints one line of JSON Lines, `schema` first."""
    _write(schema, fields, indent=None)


def _write(schema: str, fields: Mapping[str, object], *, indent: int | None) -> None:
    from pydantic_core import to_jsonable_python

    value = to_jsonable_python({"schema": schema, **fields}, by_alias=True, fallback=str)
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=not unicode, indent=indent) + "\n")
    sys.stdout.flush()


def fields_of(value: object) -> Mapping[str, object]:
    """The fields of a dataclass, to be laid out beside `schema`."""
    from pydantic_core import to_jsonable_python

    fields: Mapping[str, object] = to_jsonable_python(value, by_alias=True, fallback=str)
    return fields


def printable(text: str) -> str:
    """The text without what a terminal would obey: control characters are shown, not sent."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shortened(text: str, limit: int) -> str:
    """The text on one line, cut at a word near `limit` characters with `…`."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    return f"{flat[: limit - 1].rsplit(' ', 1)[0].rstrip(' ,;:')} …"


def console(*, stderr: bool = False) -> "Console":
    """A Rich console that leaves text alone: no markup, no guessing at numbers and paths."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    width = None if terminal or os.environ.get("COLUMNS") else WIDE
    return Plain(file=stream, markup=False, highlight=False, emoji=False, width=width)


def say(*texts: str) -> None:
    """Readable text on stdout, a line each, as it is."""
    for text in texts:
        sys.stdout.write(printable(text) + "\n")


def show(text: str, style: str = "", *, indent: int = 0) -> None:
    """Readable text on stdout: wrapped at words and styled on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty():
        say("\n".join(" " * indent + each if each else "" for each in text.split("\n")))
        return
    from rich.padding import Padding
    from rich.text import Text

    sys.stdout.flush()
    console().print(Padding(Text(printable(text), style=style), (0, 0, 0, indent), expand=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: str = "") -> None:
    """A table on stdout; the columns named in `numbers` (separated by blanks) align right.

    Without names for the columns it has no header.
    """
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    drawn.show_header = any(columns)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in numbers.split() else "left"
        drawn.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    sys.stdout.flush()
    printer = console()
    if sys.stdout.isatty():
        printer.print(drawn)
        return
    with printer.capture() as captured:
        printer.print(drawn)
    for each in captured.get().splitlines():
        sys.stdout.write(each.rstrip() + "\n")


def error_lines(message: str, *more: str) -> None:
    """One message for people on stderr, indented lines after it."""
    for text in (message, *(f"  {each}" for each in more)):
        sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def warn(*messages: str) -> None:
    """Warnings on stderr, one line each."""
    for message in messages:
        error_lines(f"Warning: {message}")


def lively(stream: TextIO | None = None) -> bool:
    """True where moving output is welcome: a terminal, neither CI nor NO_COLOR set."""
    stream = stream or sys.stderr
    return stream.isatty() and not os.environ.get("CI") and not os.environ.get("NO_COLOR")


@contextmanager
def progress() -> Iterator[Progress | None]:
    """A function that draws progress bars on stderr; None where they are not welcome."""
    if not lively():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeRemainingColumn(), console=console(stderr=True)) as bars:
        tasks = {}

        def draw(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield draw
