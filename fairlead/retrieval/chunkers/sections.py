"""Sections of a text by its headings, in Markdown and reStructuredText."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from fairlead.retrieval.chunkers.protocol import Markup

_HASHES: Final = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+")
_UNDERLINE: Final = re.compile(r"[ ]{0,3}(=+|-+)\s*$")
_FENCE: Final = re.compile(r"[ ]{0,3}(```+|~~~+)")
_ADORNMENT: Final = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_MARKS: Final = frozenset("#=-`~")
"""What a line of a heading or a fence begins with; most lines do not."""
_SHORTEST_ADORNMENT: Final = 4
_LONGEST_NAME: Final = 300
"""Characters of a heading that are carried on the chunks below it: a heading is a line."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with what stands below it, down to the next one."""

    start: int
    body: int
    """Where the text below the heading begins."""
    end: int
    headings: tuple[str, ...] = ()


class _Heading(NamedTuple):
    start: int
    end: int
    level: int
    name: str


class Fences:
    """Whether a line belongs to fenced code, asked line by line."""

    def __init__(self) -> None:
        self._open = ""

    def holds(self, line: str) -> bool:
        """True for a fence's own lines too."""
        mark = _FENCE.match(line)
        if not mark:
            return bool(self._open)
        if not self._open:
            self._open = mark[1]
        elif mark[1].startswith(self._open) and not line[mark.end() :].strip():
            self._open = ""
        return True

    @property
    def open(self) -> bool:
        return bool(self._open)


def sections(text: str, start: int, markup: Markup) -> list[Section]:
    """One per heading, and one for what stands before the first.

    A heading with nothing below it but deeper headings stands with the first of them.
    """
    plain = [Section(start=start, body=start, end=len(text))]
    find = _FINDERS.get(markup)
    return list(_joined(text, _divided(text, start, find(text, start)))) if find else plain


def first_heading(text: str, start: int = 0, markup: Markup = "markdown") -> str:
    """The words of the first heading, empty without one."""
    find = _FINDERS.get(markup)
    found = next(find(text, start), None) if find else None
    return found.name if found else ""


def _divided(text: str, start: int, found: Iterator[_Heading]) -> Iterator[Section]:
    stack: list[_Heading] = []
    begin = body = start
    for heading in found:
        if heading.start > begin or stack:
            yield Section(start=begin, body=body, end=heading.start, headings=_names(stack))
        stack = [each for each in stack if each.level < heading.level] + [heading]
        begin, body = heading.start, heading.end
    yield Section(start=begin, body=body, end=len(text), headings=_names(stack))


def _joined(text: str, given: Iterator[Section]) -> Iterator[Section]:
    opening: int | None = None
    for section, following in pairwise([*given, None]):
        assert section is not None
        begin = section.start if opening is None else opening
        opening = None
        if following and _deeper(following, section) and _bare(text, section):
            opening = begin
        else:
            yield Section(
                start=begin, body=section.body, end=section.end, headings=section.headings
            )


def _bare(text: str, section: Section) -> bool:
    return not text[section.body : section.end].strip()


def _deeper(inner: Section, outer: Section) -> bool:
    return inner.headings[: len(outer.headings)] == outer.headings


def _names(stack: Sequence[_Heading]) -> tuple[str, ...]:
    return tuple(each.name for each in stack)


# --- where the headings are ----------------------------------------------------------------------


def _markdown(text: str, start: int) -> Iterator[_Heading]:
    """ATX and setext headings outside fenced code."""
    fences = Fences()
    before, before_at = "", start
    at = start
    for line in text[start:].splitlines(keepends=True):
        after = at + len(line)
        if line[:4].lstrip(" ")[:1] in _MARKS and not fences.holds(line):
            if mark := _HASHES.match(line):
                if name := line[mark.end() :].rstrip().rstrip("#").rstrip(" \t"):
                    yield _Heading(at, after, len(mark[1]), name[:_LONGEST_NAME])
            elif _underlined(before) and _UNDERLINE.match(line):
                level = 1 if "=" in line else 2
                yield _Heading(before_at, after, level, before.strip()[:_LONGEST_NAME])
        before, before_at, at = line, at, after


def _underlined(line: str) -> bool:
    """Whether the line may be a heading when a row of `=` or `-` follows it."""
    said = line.strip()
    return bool(said) and said[0] not in "#>|-*+=" and not line.startswith("    ")


def _restructured(text: str, start: int) -> Iterator[_Heading]:
    """Titles with a row of one mark below, or above and below; levels as the rows first appear."""
    styles: list[tuple[str, bool]] = []
    window: list[tuple[int, str]] = [(start, ""), (start, "")]
    at = start
    for line in text[start:].splitlines(keepends=True):
        window = [*window[-2:], (at, line.rstrip())]
        at += len(line)
        (over_at, over), (title_at, title), (_, under) = window
        if not (title and _adorns(under, title)) or _ADORNMENT.match(title):
            continue
        overlined = over == under
        if not overlined and (over or title[0].isspace()):
            continue
        style = (under[0], overlined)
        if style not in styles:
            styles.append(style)
        begin = over_at if overlined else title_at
        yield _Heading(begin, at, styles.index(style) + 1, title.strip()[:_LONGEST_NAME])
        window = [(at, ""), (at, "")]  # the row below one title is not the row above the next


def _adorns(row: str, title: str) -> bool:
    enough = min(len(title), _SHORTEST_ADORNMENT)
    return len(row) >= enough and bool(_ADORNMENT.match(row))


_FINDERS: Final[dict[Markup, Callable[[str, int], Iterator[_Heading]]]] = {
    "markdown": _markdown,
    "rst": _restructured,
}
