"""The lines of a PDF page with the size of their type, and which of them are headings."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Final, TypeAlias

from pypdf import PageObject

from fairlead.retrieval.loaders.pdf_paint import Paint
from fairlead.retrieval.loaders.writing import unstructured

_Headings: TypeAlias = dict[int, tuple[int, int]]
"""A heading's first line to its level and number of lines."""

_LARGER: Final = 1.12
"""Times the size of most text, from which a short line is a heading."""
_LONGEST: Final = 120
_MOST: Final = 0.2
"""Share of lines above which large type is no sign of a heading."""
_LEVELS: Final = 4
_LEVEL: Final = 1.0
"""Points by which lines may differ in height and be one."""
_GAP: Final = 1.4
"""Times the usual distance of lines, from which a new paragraph begins."""
_LOOSEST: Final = 2.0
"""Times the size of type by which lines of one paragraph may be apart."""
_WRAPPED: Final = 3
"""Lines over which a heading may run."""
_REPEATED: Final = 3
"""Pages that must begin or end alike, and more than half of all, for a line to be a running one."""
_EDGE: Final = 2
"""Lines at the top and at the foot of a page that may be running ones."""
_CONTROLS: Final = dict.fromkeys((*range(9), *range(14, 32), 127))
_DIGITS: Final = re.compile(r"\d+")
_WORD: Final = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Text of one line, the size of most of it in points, and where on the paper it begins."""

    text: str
    size: float
    left: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Bookmark:
    """An entry of the file's own outline; pages count from 0, levels from 1."""

    page: int
    level: int
    title: str


def lines_of(page: PageObject, paint: Paint) -> list[Line]:
    """The lines that `paint` lets through, in the order of the page's own content.

    What stands beside one another at the same height, as cells of a table do, is one line.
    """
    lines = _Lines()
    page.extract_text(
        visitor_operand_before=paint.before,
        visitor_operand_after=paint.after,
        visitor_text=lines.take,
    )
    return lines.done()


class _Lines:
    """Gathers lines from pypdf's pieces of text."""

    def __init__(self) -> None:
        self._found: list[Line] = []
        self._words: list[str] = []
        self._sizes: Counter[float] = Counter()
        self._place = (0.0, 0.0)

    def take(
        self, text: str, cm: Sequence[float], tm: Sequence[float], font: object, size: float
    ) -> None:
        """One piece, with the matrices of the page and of the text where it begins."""
        for number, part in enumerate(storable(text).split("\n")):
            if number:
                self._end()
            if part.strip():
                if not self._words:
                    self._place = _place(cm, tm)
                self._sizes[_effective(cm, tm, size)] += len(part)
            if part:
                self._words.append(part)

    def done(self) -> list[Line]:
        """All lines."""
        self._end()
        return self._found

    def _end(self) -> None:
        text = " ".join("".join(self._words).split())
        if text:
            line = Line(
                text=text,
                size=self._sizes.most_common(1)[0][0],
                left=self._place[0],
                height=self._place[1],
            )
            before = self._found[-1] if self._found else None
            if before and abs(before.height - line.height) < _LEVEL and before.left < line.left:
                self._found[-1] = replace(before, text=f"{before.text} {line.text}")
            else:
                self._found.append(line)
        self._words.clear()
        self._sizes.clear()


def without_running_lines(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The pages without what is printed at the top or foot of most of them, digits aside.

    The first time such a line says something it stays, as a line like any other.
    """
    counts = Counter(each for page in pages for each in {_pattern(line) for line in _edges(page)})
    enough = max(_REPEATED, len(pages) // 2 + 1)
    running = {pattern: False for pattern, count in counts.items() if count >= enough}
    found = []
    for page in pages:
        end = max(_EDGE, len(page) - _EDGE)
        edges = {*range(_EDGE), *range(end, len(page))}
        kept = [_once(line, running) if at in edges else line for at, line in enumerate(page)]
        found.append([line for line in kept if line])
    return found


def _edges(page: Sequence[Line]) -> Sequence[Line]:
    return [*page[:_EDGE], *page[-_EDGE:]]


def _once(line: Line, running: dict[str, bool]) -> Line | None:
    """The line, unless it runs through the pages and was said before, or says nothing."""
    pattern = _pattern(line)
    said = running.get(pattern)
    if said is None:
        return line
    running[pattern] = True
    return None if said or not _WORD.search(pattern) else replace(line, size=0.0)


def headed(pages: Sequence[Sequence[Line]], bookmarks: Sequence[Bookmark]) -> list[list[str]]:
    """The text of each line, with a heading's marks before it where it is one."""
    by_page: dict[int, list[Bookmark]] = {}
    for each in bookmarks:
        by_page.setdefault(each.page, []).append(each)
    headings = [_by_bookmark(page, by_page.get(at, [])) for at, page in enumerate(pages)]
    if not any(headings):
        headings = _by_size(pages)
    return [_marked(page, found) for page, found in zip(pages, headings, strict=True)]


def storable(text: str) -> str:
    """Without what is no character of a text: halves of pairs, control characters."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\r", "\n").translate(_CONTROLS)


def _effective(cm: Sequence[float], tm: Sequence[float], size: float) -> float:
    """Points of type on the paper, to half a point."""
    try:
        scale = abs(float(tm[3]) or float(tm[1])) * abs(float(cm[3]) or float(cm[1]))
        return round(float(size) * (scale or 1.0) * 2) / 2
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0


def _place(cm: Sequence[float], tm: Sequence[float]) -> tuple[float, float]:
    """Where on the paper a piece begins: from the left, from below."""
    try:
        x, y = float(tm[4]), float(tm[5])
        a, b, c, d, e, f = map(float, cm)
        return a * x + c * y + e, b * x + d * y + f
    except (TypeError, ValueError, IndexError):
        return 0.0, 0.0


def _pattern(line: Line) -> str:
    return _DIGITS.sub("0", line.text)


def _by_size(pages: Sequence[Sequence[Line]]) -> list[_Headings]:
    """Where type is larger than that of most of the text."""
    weights: Counter[float] = Counter()
    for page in pages:
        for line in page:
            weights[line.size] += len(line.text)
    usual = weights.most_common(1)[0][0] if weights else 0.0
    large = Counter(line.size for page in pages for line in page if _is_large(line, usual))
    total = sum(map(len, pages))
    if not usual or sum(large.values()) > total * _MOST:
        return [{} for _ in pages]
    level = {size: at for at, size in enumerate(sorted(large, reverse=True)[:_LEVELS], start=1)}
    return [_runs(page, level, usual) for page in pages]


def _is_large(line: Line, usual: float) -> bool:
    letters = sum(map(str.isalpha, line.text))
    return line.size >= usual * _LARGER and len(line.text) <= _LONGEST and letters > 1


def _runs(page: Sequence[Line], level: dict[float, int], usual: float) -> _Headings:
    """Neighbouring large lines of one size are one heading."""
    found: _Headings = {}
    at = 0
    while at < len(page):
        size, end = page[at].size, at
        while end < len(page) and page[end].size == size and _is_large(page[end], usual):
            end += 1
        if end > at and end - at <= _WRAPPED:
            found[at] = (level.get(size, _LEVELS), end - at)
        at = max(end, at + 1)
    return found


def _by_bookmark(page: Sequence[Line], bookmarks: Sequence[Bookmark]) -> _Headings:
    """Where a bookmark's title stands on its page, be it over several lines."""
    found: _Headings = {}
    bare = [_bare(line.text) for line in page]
    for bookmark in bookmarks:
        wanted = _bare(bookmark.title)
        for at, run in product(range(len(page)), range(1, _WRAPPED + 1)):
            if wanted and "".join(bare[at : at + run]) == wanted:
                found.setdefault(at, (bookmark.level, run))
                break
    return found


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _marked(page: Sequence[Line], headings: _Headings) -> list[str]:
    """The lines as Markdown: headings with their marks, a blank line where paper is left free."""
    drops = [round(one.height - other.height) for one, other in pairwise(page)]
    usual = Counter(drop for drop in drops if drop > 0).most_common(1)
    lead = min(usual[0][0], _LOOSEST * max(line.size for line in page)) if usual else math.inf
    lines: list[str] = []
    at = 0
    while at < len(page):
        level, run = headings.get(at, (0, 1))
        text = " ".join(line.text for line in page[at : at + run])
        if lines and lines[-1] and (level or drops[at - 1] > lead * _GAP):
            lines.append("")
        lines += [f"{'#' * min(level, 6)} {text}", ""] if level else [unstructured(text)]
        at += run
    return lines
