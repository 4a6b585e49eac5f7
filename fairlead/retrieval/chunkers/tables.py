"""Tables: pipe tables of Markdown, grid and simple tables of reStructuredText."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block
from fairlead.retrieval.chunkers.lines import Line, extent
from fairlead.retrieval.chunkers.protocol import Markup

_PIPE: Final = re.compile(r"(?<!\\)\|")
_DIVIDING: Final = frozenset("|:- \t")
_GRID: Final = re.compile(r"\+[-=+]+\+$")
_BORDER: Final = re.compile(r"=+(?: +=+)+$")

Lines = Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Which of some lines are a table: `first` up to `stop`."""

    first: int
    stop: int
    names: slice
    """The lines of its header, without rules."""
    rows: Sequence[int]
    """The line that each row begins with, at least one."""


def find_tables(text: str, given: Lines, markup: Markup) -> list[Table]:
    """The tables with a header and at least one row among the lines, in order."""
    find = _FINDERS.get(markup)
    if find is None:
        return []
    said = [text[line.body : line.end].strip("> \t") for line in given]
    return list(find(said, given))


def around(given: Lines, tables: Sequence[Table]) -> Iterator[Lines]:
    """The lines before, between and behind the tables, and those of each."""
    at = 0
    for table in tables:
        yield given[at : table.first]
        yield given[table.first : table.stop]
        at = table.stop
    yield given[at:]


def table_rows(given: Lines, table: Table) -> list[Block]:
    """The rows in order: all but the first carry the header.

    Where the header and the first row do not fit together, the rules around it belong to no part.
    """
    names = extent(given[table.names])
    ends = (*table.rows[1:], table.stop)
    rows = [
        Block(start=start, end=end, kind="table", lead=(names,), atom=True)
        for start, end in (extent(given[a:b]) for a, b in zip(table.rows, ends, strict=True))
    ]
    opening = (Block(start=names[0], end=names[1], kind="table"), rows[0])
    start, end = extent(given[table.first : table.rows[0]])[0], rows[0].end
    rows[0] = Block(start=start, end=end, kind="table", atom=True, parts=lambda: opening)
    return rows


def _piped(said: Sequence[str], given: Lines) -> Iterator[Table]:
    """A row of names, a row of dashes with as many cells, and what has a bar in it."""
    at = 1
    while at < len(said) - 1:
        stop = at + 1
        if _divides(said[at]) and _cells(said[at]) == _cells(said[at - 1]):
            while stop < len(said) and "|" in said[stop]:
                stop += 1
            if stop > at + 1:
                yield Table(
                    first=at - 1, stop=stop, names=slice(at - 1, at), rows=range(at + 1, stop)
                )
        at = stop + (stop > at + 1)


def _divides(line: str) -> bool:
    return "-" in line and "|" in line and _DIVIDING.issuperset(line)


def _cells(line: str) -> int:
    return len(_PIPE.findall(line.removeprefix("|"))) + (not line.endswith("|"))


def _grid(said: Sequence[str], given: Lines) -> Iterator[Table]:
    """Rules of `+---+` between rows; the header ends with one of `+===+`."""
    at = 0
    while at < len(said):
        stop = at
        while stop < len(said) and said[stop][:1] in ("+", "|"):
            stop += 1
        rules = [n for n in range(at, stop) if _GRID.match(said[n])]
        double = next((n for n in rules if "=" in said[n]), at)
        starts = [n + 1 for n in rules if n >= double]
        if rules and rules[0] == at and double > at + 1 and len(starts) > 1:
            yield Table(first=at, stop=starts[-1], names=slice(at + 1, double), rows=starts[:-1])
        at = max(stop, at + 1)


def _simple(said: Sequence[str], given: Lines) -> Iterator[Table]:
    """Borders of `===  ===` above and below; a third one between ends the header."""
    borders = [n for n, line in enumerate(said) if line[:1] == "=" and _BORDER.match(line)]
    for first, double, last in zip(borders[::3], borders[1::3], borders[2::3], strict=False):
        edge = given[first].indent
        rows = [n for n in range(double + 1, last) if given[n].indent == edge]
        if rows and rows[0] == double + 1 and double > first + 1:
            yield Table(first=first, stop=last + 1, names=slice(first + 1, double), rows=rows)


def _restructured(said: Sequence[str], given: Lines) -> Iterator[Table]:
    yield from _grid(said, given) if any(each[:1] == "+" for each in said) else _simple(said, given)


_FINDERS: Final[dict[Markup, Callable[[Sequence[str], Lines], Iterator[Table]]]] = {
    "markdown": _piped,
    "rst": _restructured,
}
