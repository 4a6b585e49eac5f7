"""Markdown in the making, from the blocks of another format."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.retrieval.loaders.loaded import LONGEST, too_long
from fairlead.retrieval.loaders.pipe_table import Row, pipe_table

BREAK: Final = "\0"
"""A line break inside a paragraph; all other white space collapses."""
_MARKUP: Final = re.compile(r"(?:#{1,6}(?:\s|$)|`{3}|~{3}|:{3}|-{3}|<!--|-+\s*$|=+\s*$)")
"""What a line of prose must not begin with: it would read as structure that nobody sees."""
_TICKS: Final = re.compile(r"`{3,}")


@dataclass
class _Level:
    """A list item or a quotation: its first line begins with `marker`, the others with `rest`."""

    marker: str
    rest: str
    item: bool
    fresh: bool = True


class Writer:
    """Takes inline text and the ends of blocks; gives the whole as Markdown."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._inline: list[str] = []
        self._levels: list[_Level] = []
        self._before: list[_Level] = []
        self._began_item = False
        self._size = 0

    def say(self, text: str) -> None:
        """Adds text to the block that is open."""
        self._inline.append(text)

    def end_block(self, heading: int = 0) -> None:
        """Ends the open block, a heading of that level or a paragraph; an empty one is nothing."""
        lines = _visible_lines("".join(self._inline))
        self._inline.clear()
        if not lines:
            return
        if heading and not self._levels:
            self._emit([f"{'#' * min(heading, 6)} {' '.join(lines)}"])
        else:
            self._emit([unstructured(line) for line in lines])

    def open_item(self, marker: str) -> None:
        """What follows stands in a list item, until `close`."""
        self.end_block()
        self._levels.append(_Level(marker=f"{marker} ", rest=" " * (len(marker) + 1), item=True))

    def open_quote(self) -> None:
        """What follows is quoted, until `close`."""
        self.end_block()
        self._levels.append(_Level(marker="> ", rest="> ", item=False))

    def close(self) -> None:
        """Ends the innermost item or quotation."""
        self.end_block()
        self._levels.pop()

    def end_list(self) -> None:
        """Ends a list: what follows begins after a blank line."""
        self.end_block()
        if not any(level.item for level in self._levels):
            self._began_item = False

    def code(self, text: str, language: str = "") -> None:
        """A fenced block of code, as it stands."""
        self.end_block()
        text = text.rstrip()
        if text.strip():
            fence = max(_TICKS.findall(text), key=len, default="``") + "`"
            self._emit([fence + language, *text.lstrip("\n").split("\n"), fence])

    def table(self, rows: Sequence[Row], *, header: bool) -> None:
        """A pipe table."""
        self.end_block()
        self._emit(pipe_table(rows, header=header).split("\n"))

    def mark(self) -> int:
        """Ends the open block; a place for `text`."""
        self.end_block()
        return len(self._lines)

    def text(self, begin: int = 0, end: int | None = None) -> str:
        """Everything so far, or what was written between two marks."""
        self.end_block()
        text = "\n".join(self._lines[begin:end]).strip("\n")
        return f"{text}\n" if text else ""

    def raw(self) -> str:
        """The open block as it was said, white space and all."""
        return "".join(self._inline)

    def flat(self) -> str:
        """Everything so far on one line, for a cell."""
        self.end_block()
        return " ".join(filter(None, map(str.strip, self._lines)))

    def _emit(self, lines: list[str]) -> None:
        begins_item = any(level.item and level.fresh for level in self._levels)
        if self._lines and not (begins_item and self._began_item):
            self._lines.append(self._blank())
        for line in lines:
            self._lines.append((self._prefix() + line).rstrip())
            self._size += len(self._lines[-1]) + 1
        if self._size > LONGEST:
            raise too_long()
        self._began_item = begins_item
        self._before = list(self._levels)

    def _prefix(self) -> str:
        parts = []
        for level in self._levels:
            parts.append(level.marker if level.fresh else level.rest)
            level.fresh = False
        return "".join(parts)

    def _blank(self) -> str:
        """The line between two blocks: quoted where both stand in the same quotation."""
        shared = []
        for one, other in zip(self._before, self._levels, strict=False):
            if one is not other:
                break
            shared.append(one.rest)
        return "".join(shared).rstrip()


def unstructured(line: str) -> str:
    """A line of prose that does not read as Markdown structure."""
    return f"\\{line}" if _MARKUP.match(line) else line


def _visible_lines(text: str) -> list[str]:
    if BREAK not in text:
        line = " ".join(text.split())
        return [line] if line else []
    return [line for part in text.split(BREAK) if (line := " ".join(part.split()))]
