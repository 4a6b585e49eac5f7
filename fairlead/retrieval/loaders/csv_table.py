"""CSV as one pipe table: separator and header row are found out, every row has to fit.

A row with too few cells, or with more than the header has, is a reject that names its line: one
lost separator moves every value after it under a wrong name, and an answer would quote it. Only
surplus cells that are empty are dropped, with a remark: they cannot move anything.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final

from fairlead.retrieval.loaders.decoding import decoded
from fairlead.retrieval.loaders.loaded import Loaded, Malformed, Remark
from fairlead.retrieval.loaders.pipe_table import looks_like_header, pipe_table

_SEPARATORS: Final = (",", ";", "\t", "|")
_SAMPLE: Final = 64
"""Rows by which the separator is chosen."""
_CELLS: Final = 2_000_000


def load(data: bytes, name: str, charset: str = "") -> Loaded:
    """The table. Raises `Malformed`, naming the line, where it cannot be read without guessing."""
    text = decoded(data, charset)
    separator, text, skipped = _declared(text)
    if not text.strip():
        raise Malformed("is empty")
    separator = separator or _separator(text)
    rows, trimmed = _rectangle(text, separator, skipped)
    remarks: tuple[Remark, ...] = ()
    if trimmed:
        lines = "line" if trimmed == 1 else "lines"
        remarks = (Remark(kind="repaired", detail=f"{trimmed} {lines} with surplus empty cells"),)
    table = pipe_table(rows, header=looks_like_header(rows))
    return Loaded(text=table + "\n", markup="markdown", remarks=remarks)


def _declared(text: str) -> tuple[str, str, int]:
    """Excel's first line `sep=;`: the separator, the text below it, and how many lines went."""
    first, _, rest = text.partition("\n")
    first = first.strip("\r")
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4], rest, 1
    return "", text, 0


def _separator(text: str) -> str:
    """The one that cuts the first rows into the most cells, as many in each row as in the first."""
    best, most = ",", (0.0, 0)
    for separator in _SEPARATORS:
        counts = [len(row) for row in _sample(text, separator)]
        if not counts or counts[0] < 2:
            continue
        agreeing = counts.count(counts[0]) / len(counts)
        if (round(agreeing, 1), counts[0]) > most:
            best, most = separator, (round(agreeing, 1), counts[0])
    return best


def _sample(text: str, separator: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for number, row in enumerate(reader):
            if number == _SAMPLE:
                return
            if row:
                yield row
    except csv.Error:
        return


def _rectangle(text: str, separator: str, skipped: int) -> tuple[list[list[str]], int]:
    """Rows of one width, and how many of them lost surplus empty cells.

    Blank lines and columns at the end that are empty in every row are left out.
    """
    rows: list[list[str]] = []
    trimmed = cells = width = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begin = skipped + 1
    try:
        for row in reader:
            line, begin = begin, reader.line_num + skipped + 1
            if not any(cell.strip() for cell in row):
                continue
            width = width or len(row)
            if len(row) > width >= _filled(row):
                trimmed += 1
                row = row[:width]
            if len(row) != width:
                raise Malformed(_ragged(line, len(row), width))
            rows.append(row)
            cells += width
            if cells > _CELLS:
                raise Malformed(f"has more than {_CELLS:,} cells; split it")
    except csv.Error as error:
        raise Malformed(f"is malformed CSV in line {begin}: {error}") from None
    if not rows:
        raise Malformed("has no rows with text")
    used = max(map(_filled, rows))
    return [row[:used] for row in rows], trimmed


def _filled(row: list[str]) -> int:
    """How many cells a row has without the empty ones at its end."""
    return next((at for at in range(len(row), 0, -1) if row[at - 1].strip()), 0)


def _ragged(line: int, cells: int, width: int) -> str:
    return (
        f"has a ragged row: line {line} has {cells} cell{'' if cells == 1 else 's'} where the first"
        f" row has {width}; mend the line"
    )
