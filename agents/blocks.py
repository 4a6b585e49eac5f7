"""A Markdown text cut into paragraphs, list items, tables, code and headings, by lines.

Reads Markdown as people write it, not as a standard defines it: also front matter, HTML comments,
MyST directives, and pieces that begin inside a code block. Plain text is a special case.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Span: TypeAlias = tuple[int, int]
Kind = Literal["text", "item", "table", "code", "heading"]

HEADING: Final = re.compile(r"\s{0,3}#{1,6}\s+(?P<body>\S.*?)\s*#*\s*$")
ITEM: Final = re.compile(r"(?P<indent>\s*)(?:[-*+•]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)])\s+(?=\S)")
DIVIDER: Final = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_QUOTE: Final = re.compile(r"\s{0,3}(?:>\s?)+")
_FENCE: Final = re.compile(r"\s*(?P<mark>`{3,}|~{3,}|:{3,})\s*(?P<info>.*?)\s*$")
_RULE: Final = re.compile(r"\s*(?:[-*_=]\s*){3,}$")
_NOISE: Final = re.compile(
    r"\s*(?:-->|</?[a-zA-Z][^>]*>|\{%.*%\}|\([\w.-]+\)=|:[\w-]+:(?:\s.*)?|!\[.*\]\(.*\)"
    r"|\[[^\]]+\]:\s*\S+|\.\. [\w:-]+::.*)\s*$"
)
"""Lines that are markup and say nothing."""
_DIRECTIVE: Final = re.compile(r"\{([\w:-]+)\}")
_PROSE: Final = frozenset(
    """
    admonition attention caution danger deprecated dropdown error hint important note seealso tip
    versionadded versionchanged versionremoved warning
    """.split()
)
"""Directives whose fenced content is prose."""
_CODE: Final = re.compile(r"^\s{2,}\S|[;{}()=]\s*$|^\s*(?:\$|>>>|\.\.\.|[\w.]+\(|@\w|[\w.]+ = )")


@dataclass
class Block:
    """Lines that belong together."""

    kind: Kind
    lines: list[Span] = field(default_factory=list)


def blocks(text: str, *, opening: bool = False) -> list[Block]:
    """The blocks of a text in order; `opening`: it begins a document, maybe with front matter."""
    return _Reader(text, opening=opening).read()


def quote_marker(line: str) -> int:
    """Length of the block-quote marker at the line's beginning."""
    found = _QUOTE.match(line)
    return found.end() if found else 0


class _Reader:
    """Goes through the lines once and keeps what is open."""

    def __init__(self, text: str, *, opening: bool) -> None:
        self._text = text
        self._done: list[Block] = []
        inside = _begins_in_code(text)
        self._block: Block | None = Block("code") if inside else None
        self._fence = "```" if inside else ""
        self._prose = 0
        """Directives that are open and whose content is read as prose."""
        self._matter = opening and text.startswith("---")
        self._comment = False

    def read(self) -> list[Block]:
        at = 0
        for number, line in enumerate(self._text.splitlines(keepends=True)):
            self._line(line.rstrip(), (at, at + len(line.rstrip())), number)
            at += len(line)
        self._close()
        return self._done

    def _line(self, line: str, span: Span, number: int) -> None:
        if self._matter:
            self._matter = not (number and line.strip() == "---")
        elif self._comment or line.lstrip().startswith("<!--"):
            self._comment = "-->" not in line
            self._close()
        elif self._fence:
            self._fenced(line, span)
        elif opened := _FENCE.match(line):
            self._opened(opened["mark"], opened["info"])
        else:
            self._plain(line, span)

    def _fenced(self, line: str, span: Span) -> None:
        found = _FENCE.match(line)
        if found and found["mark"].startswith(self._fence) and not found["info"]:
            self._fence = ""
            self._close()
        elif self._block:
            self._block.lines.append(span)

    def _opened(self, mark: str, info: str) -> None:
        self._close()
        directive = _DIRECTIVE.match(info)
        if mark[0] == ":":
            return
        if directive and directive[1] in _PROSE:
            self._prose += 1
        elif not info and self._prose:
            self._prose -= 1
        else:
            self._fence, self._block = mark, Block("code")

    def _plain(self, line: str, span: Span) -> None:
        kind = self._kind(line)
        if kind is None:
            self._close()
            return
        goes_on = kind == "more" or (kind == "table" and self._within("table"))
        if self._block is None or not goes_on:
            self._close()
            self._block = Block("text" if kind == "more" else kind)
        self._block.lines.append(span)
        if kind == "heading":
            self._close()

    def _kind(self, line: str) -> Kind | Literal["more"] | None:
        """What a line outside fences is; None where it is blank or noise."""
        if not line.strip():
            return None
        if HEADING.match(line):
            return "heading"
        if "|" in line and (
            line.lstrip().startswith("|") or line.count("|") >= 2 or DIVIDER.match(line)
        ):
            return "table"
        if _RULE.match(line) or _NOISE.match(line):
            return None
        if ITEM.match(line[quote_marker(line) :]):
            return "item"
        if self._block is None and re.match(r"(?: {4}|\t)\S", line):
            return "code"
        return "more"

    def _within(self, kind: Kind) -> bool:
        return self._block is not None and self._block.kind == kind

    def _close(self) -> None:
        if self._block and self._block.lines:
            self._done.append(self._block)
        self._block = None


def _begins_in_code(text: str) -> bool:
    """Whether a fence was already open where the text begins: read as outside, it contradicts."""
    inside = False
    marks = [found for line in text.splitlines() if (found := _FENCE.match(line))]
    marks = [mark for mark in marks if mark["mark"][0] != ":"]
    for mark in marks:
        if inside and mark["info"]:
            return True
        inside = not inside
    if not inside or marks[0]["info"]:
        return False
    before = text[: text.find(marks[0]["mark"])].strip().splitlines()
    return bool(before) and sum(bool(_CODE.search(line)) for line in before) * 2 > len(before)
