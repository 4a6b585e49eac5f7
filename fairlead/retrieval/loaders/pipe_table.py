"""Rows of cells as a Markdown table."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

Row: TypeAlias = Sequence[str]

_BREAK: Final = re.compile(r"\s+")
_FIGURE: Final = re.compile(r"[\s\d.,:%$€£¥+/()-]*\d[\s\d.,:%$€£¥+/()-]*")
_YEAR: Final = re.compile(r"(?:18|19|20|21)\d\d")
_LONGEST_NAME: Final = 80


def pipe_table(rows: Sequence[Row], *, header: bool) -> str:
    """The rows under their header row; without a `header` the table gets an empty one."""
    width = max(map(len, rows))
    names, body = (rows[0], rows[1:]) if header else ((), rows)
    lines = [_line(names, width), "|" + " --- |" * width]
    lines += [_line(row, width) for row in body]
    return "\n".join(lines)


def looks_like_header(rows: Sequence[Row]) -> bool:
    """Whether the first row names the columns: filled, short, distinct, no figures but years.

    The first cell may be empty, as where row names have no heading of their own.
    """
    names = [name.strip() for name in rows[0]]
    figures = [name for name in names if _FIGURE.fullmatch(name)]
    return (
        len(rows) > 1
        and any(names)
        and all(names[1:])
        and len({name.casefold() for name in names}) == len(names)
        and max(map(len, names)) <= _LONGEST_NAME
        and len(figures) < len(names)
        and all(map(_YEAR.fullmatch, figures))
    )


def _line(row: Row, width: int) -> str:
    return "| " + " | ".join(_cells(row, width)) + " |"


def _cells(row: Row, width: int) -> Iterator[str]:
    for cell in row:
        text = _BREAK.sub(" ", cell).strip()
        yield text.replace("|", "\\|") if "|" in text else text
    for _ in range(width - len(row)):
        yield ""
