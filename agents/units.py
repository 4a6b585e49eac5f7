"""Texts cut into what can be quoted: sentences, list items, table rows, code with its lead-in."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from fairlead.agents.blocks import DIVIDER, HEADING, ITEM, Block, Span, blocks, quote_marker

Kind = Literal["sentence", "item", "row", "code", "heading"]

_END: Final = re.compile(r"[.!?]['\"”’)\]*_`]*(?=\s+[\"'“‘\[*_`{<]*[A-Z0-9À-Þ*`{\[]|\s*$)")
"""Where a sentence ends; an opening bracket keeps what follows with it."""
_SHORT: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|inc|ltd|corp|co|no|nos|mr|mrs|ms|dr|prof|st|fig|sec|art|"
    r"ver|dept|est|incl|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)|\b[A-Za-z])\.$",
    re.IGNORECASE,
)
"""Abbreviations whose full stop ends no sentence."""
_OPTION: Final = re.compile(r"\s*(?:\.\. [\w:-]+::.*|:[\w-]+:.*)?$")
"""Lines that tell a documentation tool how to show the code below them."""


class Unit(NamedTuple):
    """A stretch of one passage that can be quoted alone."""

    kind: Kind
    passage: int
    """Position of the passage in the sequence that was cut."""
    spans: tuple[Span, ...]
    """Code points of the passage's text; markers of lists and quotes lie between them."""
    lead: tuple[Span, ...] = ()
    """What it cannot be read without: a table's header, the sentence before a list or code."""
    block: int = 0
    """Units of one paragraph, list, table or code block share it."""
    heading: Span | None = None
    """The nearest heading above it in the same passage, without its marks."""


def cut(text: str, passage: int = 0, *, opening: bool = False) -> tuple[Unit, ...]:
    """The units of a passage's text in order; `opening`: it begins its document."""
    units: list[Unit] = []
    heading: Span | None = None
    lead: tuple[Span, ...] = ()
    for number, block in enumerate(blocks(text, opening=opening)):
        if block.kind == "heading":
            heading, lead = _body(text, block.lines[0]), ()
            units.append(Unit(kind="heading", passage=passage, spans=(heading,), block=number))
            continue
        made = [
            Unit(
                kind=kind,
                passage=passage,
                spans=spans,
                lead=header or (() if kind == "sentence" else lead),
                block=number,
                heading=heading,
            )
            for kind, spans, header in _stretches(text, block)
        ]
        units += made
        if block.kind == "text":
            lead = made[-1].spans if made and introduces(text, made[-1]) else ()
        elif block.kind == "table":
            lead = ()
    return tuple(units)


def introduces(text: str, unit: Unit) -> bool:
    """Whether the unit ends with a colon, so that what it announces follows."""
    return text[: unit.spans[-1][1]].rstrip("*_ ").endswith(":")


def sentences(text: str, lines: Sequence[Span]) -> Iterator[tuple[Span, ...]]:
    """The sentences of consecutive lines.

    A sentence over several lines is one span where only white space lies between them.
    """
    stretches: list[Span] = []
    for start, end in lines:
        if stretches and not text[stretches[-1][1] : start].strip():
            stretches[-1] = (stretches[-1][0], end)
        else:
            stretches.append((start, end))
    pending: list[Span] = []
    for start, end in stretches:
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
    found: list[Span] = []
    at = 0
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if bare:
            begin = at + line.index(bare)
            pieces = sentences(text, [(begin, begin + len(bare))])
            found += [(spans[0][0], spans[-1][1]) for spans in pieces]
        at += len(line)
    return found


def _body(text: str, line: Span) -> Span:
    """The words of a heading line."""
    found = HEADING.match(text[line[0] : line[1]])
    assert found, "the line was read as a heading"
    return line[0] + found.start("body"), line[0] + found.end("body")


def _stretches(
    text: str, block: Block
) -> Iterator[tuple[Kind, tuple[Span, ...], tuple[Span, ...]]]:
    """Kind, spans and table header of each unit of a block."""
    if block.kind == "table":
        yield from _rows(text, block)
    elif block.kind == "code":
        lines = list(block.lines)
        while lines and _OPTION.match(text[slice(*lines[0])]):
            lines.pop(0)
        if lines:
            yield "code", ((lines[0][0], lines[-1][1]),), ()
    else:
        item = block.kind == "item"
        bare = [_bare(text, span, item=item and not i) for i, span in enumerate(block.lines)]
        kind: Kind = "item" if item else "sentence"
        for spans in sentences(text, [span for span in bare if span[0] < span[1]]):
            yield kind, spans, ()


def _bare(text: str, span: Span, *, item: bool) -> Span:
    """The line without block-quote and list markers and surrounding space."""
    start, end = span
    start += quote_marker(text[start:end])
    if item and (found := ITEM.match(text[start:end])):
        start += found.end()
    while start < end and text[start].isspace():
        start += 1
    return start, end


def _rows(text: str, block: Block) -> Iterator[tuple[Kind, tuple[Span, ...], tuple[Span, ...]]]:
    divider = next(
        (i for i, line in enumerate(block.lines) if DIVIDER.match(text[slice(*line)])), 0
    )
    header: tuple[Span, ...] = ()
    if divider and re.search(r"\w", text[slice(*block.lines[divider - 1])]):
        header = ((block.lines[divider - 1][0], block.lines[divider][1]),)
    for line in block.lines[divider + 1 if divider else 0 :]:
        yield "row", (line,), header
