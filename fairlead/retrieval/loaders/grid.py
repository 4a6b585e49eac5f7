"""The cells of an HTML or DOCX table, laid out as rows of equal width."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.retrieval.loaders.pipe_table import looks_like_header

_WIDEST: Final = 1000
_FILLED: Final = 200_000
"""Cells that spans may fill in one table; beyond it a span is one cell."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: its text on one line, how far it reaches, and whether it is a heading."""

    text: str
    columns: int = 1
    rows: int = 1
    heading: bool = False


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row as it was written; `heads`: it stands in the table's own head."""

    cells: Sequence[Cell]
    heads: bool = False


def laid_out(rows: Sequence[TableRow]) -> tuple[list[list[str]], bool]:
    """Rows of equal width, and whether the first of them is a header.

    A cell that reaches over rows stands in each of them; one that reaches over columns stands in
    the first, in the head in all of them. Several header rows become one.
    """
    heads = _head_rows(rows)
    grid = _grid(rows, heads)
    width = max(map(len, grid), default=0)
    lines = [line + [""] * (width - len(line)) for line in grid]
    head = [
        " ".join(dict.fromkeys(filter(None, each))) for each in zip(*lines[:heads], strict=True)
    ]
    body = [line for line in lines[heads:] if any(line)]
    if heads:
        return [head, *body], True
    return body, len(body) > 1 and not _row_headed(rows) and looks_like_header(body)


def _head_rows(rows: Sequence[TableRow]) -> int:
    """How many rows at the top name the columns."""
    declared = 0
    while declared < len(rows) and rows[declared].heads:
        declared += 1
    if declared:
        return declared if declared < len(rows) else 1
    cells = rows[0].cells if rows else ()
    return int(len(rows) > 1 and len(cells) > 1 and all(cell.heading for cell in cells))


def _row_headed(rows: Sequence[TableRow]) -> bool:
    """Whether headings stand at the side, one at the beginning of each row."""
    return all(row.cells and row.cells[0].heading for row in rows)


def _grid(rows: Sequence[TableRow], heads: int) -> list[list[str]]:
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    """Column to how many more rows a cell from above reaches, and its text."""
    filled = 0
    for number, row in enumerate(rows):
        line: list[str] = []
        for cell in row.cells:
            _hang(line, hanging)
            columns = min(max(cell.columns, 1), _WIDEST)
            down = min(max(cell.rows, 1), len(rows) - number)
            if filled + columns * down > _FILLED:
                columns = down = 1
            for column in range(columns):
                text = cell.text if not column or number < heads else ""
                if down > 1:
                    hanging[len(line)] = (down - 1, text)
                line.append(text)
            filled += columns * down
        _hang(line, hanging)
        grid.append(line)
    return grid


def _hang(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Fills in what reaches down from the rows above at this place."""
    while (above := hanging.get(len(line))) is not None:
        more, text = above
        if more > 1:
            hanging[len(line)] = (more - 1, text)
        else:
            del hanging[len(line)]
        line.append(text)
