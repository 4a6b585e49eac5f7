"""Passages cut into what can be quoted: sentences, list items, table rows, code with its lead-in.

Reads Markdown as people write it, not as a standard defines it; plain text is a special case.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["sentence", "item", "row", "code", "heading"]
Span = tuple[int, int]

_HEADING: Final = re.compile(r"\s{0,3}#{1,6}\s+(?P<body>\S.*?)\s*#*\s*$")
_FENCE: Final = re.compile(r"\s*(?P<mark>`{3,}|~{3,}|:{3,})\s*(?P<info>.*?)\s*$")
_ITEM: Final = re.compile(r"(?P<indent>\s*)(?:[-*+•]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)])\s+(?=\S)")
_QUOTE: Final = re.compile(r"\s{0,3}(?:>\s?)+")
_RULE: Final = re.compile(r"\s*(?:[-*_=]\s*){3,}$")
_DIVIDER: Final = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_NOISE: Final = re.compile(
    r"\s*(?:<!--.*|-->|</?[a-zA-Z][^>]*>|\{%.*%\}|\([\w.-]+\)=|:[\w-]+:(?:\s.*)?|!\[.*\]\(.*\)"
    r"|\[[^\]]+\]:\s*\S+|\.\. [\w:-]+::.*)\s*$"
)
_PROSE: Final = frozenset(
    "admonition attention caution danger deprecated dropdown error hint important note seealso tip "
    "versionadded versionchanged versionremoved warning".split()
)
"""Directives whose fenced content is prose."""
_END: Final = re.compile(r"[.!?]['\"”’)\]*_`]*(?=\s+[\"'“‘\[*_`{<]*[A-Z0-9À-Þ*`{\[]|\s*$)")
"""A bracket that opens a sentence keeps it with the one before."""
_SHORT: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|inc|ltd|corp|co|no|nos|mr|mrs|ms|dr|prof|st|fig|sec|art|"
    r"ver|dept|est|incl|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)|\b[A-Za-z])\.$",
    re.IGNORECASE,
)


_CODE: Final = re.compile(r"^\s{2,}\S|[;{}()=]\s*$|^\s*(?:\$|>>>|\.\.\.|[\w.]+\(|@\w|[\w.]+ = )")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A stretch of one passage that can be quoted alone."""

    kind: Kind
    passage: int
    """Position of the passage in the sequence that was cut."""
    spans: tuple[Span, ...]
    """Code points of the passage's text, in order; markers of lists and quotes lie between them."""
    lead: tuple[Span, ...] = ()
    """What it cannot be read without: a table's header, the sentence before a list or code."""
    block: int = 0
    """Units of one paragraph, list, table or code block share it."""
    heading: Span | None = None
    """The nearest heading above it in the same passage."""


@dataclass
class _Block:
    kind: Literal["text", "item", "table", "code", "heading", "skip"]
    lines: list[Span] = field(default_factory=list)


def cut(text: str, passage: int = 0, *, opening: bool = False) -> tuple[Unit, ...]:
    """The units of a passage's text in order; `opening`: it begins its document."""
    units: list[Unit] = []
    heading: Span | None = None
    lead: tuple[Span, ...] = ()
    for number, block in enumerate(_blocks(text, opening=opening)):
        if block.kind == "heading":
            heading, lead = _body(text, block.lines[0]), ()
            units.append(Unit(kind="heading", passage=passage, spans=(heading,), block=number))
            continue
        made = [
            Unit(
                kind=kind,
                passage=passage,
                spans=spans,
                lead=own or (lead if kind != "sentence" else ()),
                block=number,
                heading=heading,
            )
            for kind, spans, own in _units(text, block)
        ]
        units += made
        if block.kind == "text":
            lead = made[-1].spans if made and _introduces(text, made[-1].spans) else ()
        elif block.kind != "item":
            lead = lead if block.kind == "code" else ()
    return tuple(units)


def _body(text: str, line: Span) -> Span:
    """The words of a heading line."""
    found = _HEADING.match(text[line[0] : line[1]])
    assert found, "the line was read as a heading"
    return line[0] + found.start("body"), line[0] + found.end("body")


def _introduces(text: str, spans: Sequence[Span]) -> bool:
    return text[: spans[-1][1]].rstrip("*_ ").endswith(":")


def _blocks(text: str, *, opening: bool) -> Iterator[_Block]:
    """Runs of lines that belong together."""
    block = _Block("code") if _begins_in_code(text) else None
    fence = "```" if block else ""
    matter = opening and text.startswith("---")
    comment = False
    for number, (start, end) in enumerate(_lines(text)):
        line = text[start:end]
        if matter:
            matter = not (number and line.strip() == "---")
            continue
        if comment or line.lstrip().startswith("<!--"):
            comment = "-->" not in line
            block = yield from _closed(block)
            continue
        opened = _FENCE.match(line)
        if fence:
            if opened and opened["mark"].startswith(fence) and not opened["info"]:
                fence = ""
                block = yield from _closed(block)
            elif block:
                block.lines.append((start, end))
            continue
        if opened:
            block = yield from _closed(block)
            directive = re.match(r"\{([\w:-]+)\}", opened["info"])
            if opened["mark"][0] != ":" and not (directive and directive[1] in _PROSE):
                if opened["info"] or not _closes_prose(text, start):
                    fence, block = opened["mark"], _Block("code")
            continue
        kind = _kind(line, block)
        if kind == "blank":
            block = yield from _closed(block)
            continue
        if block is None or kind != "more":
            if not (block and kind == block.kind == "table"):
                block = yield from _closed(block)
                block = _Block("text" if kind == "more" else kind)
        block.lines.append((start, end))
        if kind in ("heading", "skip"):
            block = yield from _closed(block)
    yield from _closed(block)


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


def _closes_prose(text: str, start: int) -> bool:
    """Whether the bare fence at `start` ends a directive whose content was read as prose."""
    depth: list[bool] = []
    for line in text[:start].splitlines():
        found = _FENCE.match(line)
        if not found or found["mark"][0] == ":":
            continue
        directive = re.match(r"\{([\w:-]+)\}", found["info"])
        if found["info"]:
            depth.append(bool(directive and directive[1] in _PROSE))
        elif depth:
            depth.pop()
        else:
            depth.append(False)
    return bool(depth and depth[-1])


def _closed(block: _Block | None) -> Iterator[_Block]:
    if block and block.lines and block.kind != "skip":
        yield block
    return None


def _lines(text: str) -> Iterator[Span]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, start + len(line.rstrip())
        start += len(line)


def _kind(line: str, block: _Block | None) -> str:
    """What a line outside fences is, given the block it may go on."""
    if not line.strip():
        return "blank"
    if _HEADING.match(line):
        return "heading"
    if "|" in line and (
        line.lstrip().startswith("|") or line.count("|") >= 2 or _DIVIDER.match(line)
    ):
        return "table"
    if _RULE.match(line) or _NOISE.match(line):
        return "skip"
    bare = line[_quoted(line) :]
    if _ITEM.match(bare):
        return "item"
    if block is None and re.match(r"(?: {4}|\t)\S", line):
        return "code"
    return "more"


def _quoted(line: str) -> int:
    """Length of the block-quote marker at the line's beginning."""
    found = _QUOTE.match(line)
    return found.end() if found else 0


def _units(text: str, block: _Block) -> Iterator[tuple[Kind, tuple[Span, ...], tuple[Span, ...]]]:
    if block.kind == "table":
        yield from _rows(text, block)
    elif block.kind == "code":
        lines = [span for span in block.lines if text[span[0] : span[1]].strip()]
        if lines:
            yield "code", ((lines[0][0], lines[-1][1]),), ()
    else:
        stretches = [
            _bare(text, span, block.kind == "item" and i == 0) for i, span in enumerate(block.lines)
        ]
        kind: Kind = "item" if block.kind == "item" else "sentence"
        for spans in sentences(text, [s for s in stretches if s[0] < s[1]]):
            yield kind, spans, ()


def _bare(text: str, span: Span, item: bool) -> Span:
    """The line without block-quote and list markers, surrounding space or a trailing break."""
    start, end = span
    start += _quoted(text[start:end])
    if item and (found := _ITEM.match(text[start:end])):
        start += found.end()
    while start < end and text[start].isspace():
        start += 1
    return start, end


def _rows(text: str, block: _Block) -> Iterator[tuple[Kind, tuple[Span, ...], tuple[Span, ...]]]:
    rows = [span for span in block.lines if text[span[0] : span[1]].strip()]
    divider = next((i for i, (a, b) in enumerate(rows) if _DIVIDER.match(text[a:b])), None)
    header = ((rows[divider - 1][0], rows[divider][1]),) if divider else ()
    for i, span in enumerate(rows):
        if divider is None or i > divider:
            yield "row", (span,), header


def sentences(text: str, lines: Sequence[Span]) -> Iterator[tuple[Span, ...]]:
    """The sentences of consecutive lines.

    A sentence over several lines is one span where only white space lies between them.
    """
    current: list[Span] = []
    for start, end in lines:
        if current and not text[current[-1][1] : start].strip():
            current[-1] = (current[-1][0], end)
        else:
            current.append((start, end))
    pending: list[Span] = []
    for start, end in current:
        at = start
        for found in _END.finditer(text, start, end):
            stop = found.end()
            if stop < end and _SHORT.search(text[max(at, found.start() - 8) : found.start() + 1]):
                continue
            yield (*pending, (at, stop))
            pending = []
            at = stop
            while at < end and text[at].isspace():
                at += 1
        if at < end:
            pending.append((at, end))
    if pending:
        yield tuple(pending)


def sentence_spans(text: str) -> list[Span]:
    """Every sentence of a plain text, line by line."""
    found, at = [], 0
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if bare:
            begin = at + line.index(bare)
            pieces = sentences(text, [(begin, begin + len(bare))])
            found += [(spans[0][0], spans[-1][1]) for spans in pieces]
        at += len(line)
    return found
