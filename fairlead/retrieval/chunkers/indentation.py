"""Code of any language as blocks by indentation: definitions with their comments and bodies.

A definition begins at the left margin and holds what is indented below it; a line that begins by
closing (`}`, `end`, `else`) goes on with the one before.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block, headed, tailed
from fairlead.retrieval.chunkers.lines import BLANK, Line, lines, margin
from fairlead.retrieval.chunkers.protocol import Span

_CLOSING: Final = re.compile(
    r"[{})\]>]|(?:end|else|elsif|elif|except|finally|catch|esac|fi|done|then|rescue|ensure)\b|"
    r"(?:public|private|protected)\s*:(?!:)|#\s*(?:el|end)|\"\"\"|'''|\*/"
)
_COMMENT: Final = re.compile(r"[@#*;%]|//|/\*|--|<!--|\[\[?\w")
_DEFINED: Final = re.compile(
    r"\b(?:class|struct|interface|enum|trait|impl|module|namespace|object|record|protocol|"
    r"extension|def|func|fn|function|fun|sub|proc|type|union|package|message|service)\s+"
    r"(?:\([^()]{0,100}\)\s*)?([A-Za-z_$][\w.:$]*)"
)
_CALLED: Final = re.compile(r"([A-Za-z_~$][\w:~$]*)\s*\(")
_NO_NAME: Final = frozenset("if for while switch return catch foreach elif with match".split())
_LONGEST_LINE: Final = 300
"""Characters of a line in which a name is looked for."""
_DEEPEST: Final = 12

Names = tuple[str, ...]
Lead = tuple[Span, ...]


def indented(
    text: str, start: int, end: int, lead: Lead = (), names: Names = (), depth: int = 0
) -> list[Block]:
    """The blocks between blank lines at the left margin; `names` are the symbols around them."""
    given = lines(text, start, end)
    if depth == _DEEPEST:
        return [_statement(text, given, lead, names)]
    return [
        _definition(text, units[0], lead, names, depth)
        if len(units) == 1
        else _together(text, units, lead, names, depth)
        for units in (list(_units(text, group)) for group in _groups(text, given))
    ]


def name_of(text: str, head: Sequence[Line]) -> str:
    """What the first lines of a definition say that it is called; empty where they do not."""
    for line in head:
        said = text[line.body : min(line.end, line.body + _LONGEST_LINE)]
        if _COMMENT.match(said):
            continue
        found = _DEFINED.search(said) or (None if said.endswith(";") else _CALLED.search(said))
        if found and found[1] not in _NO_NAME:
            return found[1].rstrip(":")
    return ""


def _groups(text: str, given: Sequence[Line]) -> Iterator[list[Line]]:
    """Lines up to a blank one with a line at the margin behind it."""
    edge, gap = margin(given), False
    held: list[Line] = []
    for line in given:
        if line.indent == BLANK:
            gap = True
            continue
        if held and gap and line.indent == edge and not _closes(text, line):
            yield held
            held = []
        held.append(line)
        gap = False
    if held:
        yield held


def _units(text: str, group: Sequence[Line]) -> Iterator[list[Line]]:
    """Cut before each line at the margin that something indented or closing stands before."""
    edge = margin(group)
    held: list[Line] = []
    for line in group:
        if held and line.indent == edge and not _closes(text, line):
            if held[-1].indent > edge or _closes(text, held[-1]):
                yield held
                held = []
        held.append(line)
    if held:
        yield held


def _closes(text: str, line: Line) -> bool:
    return _CLOSING.match(text, line.body, line.end) is not None


def _together(
    text: str, units: Sequence[Sequence[Line]], lead: Lead, names: Names, depth: int
) -> Block:
    """Definitions without a blank line between them."""
    parts = [_definition(text, unit, lead, names, depth) for unit in units]
    return Block(
        start=parts[0].start,
        end=parts[-1].end,
        kind="code",
        lead=lead,
        names=names,
        parts=partial(iter, parts),
    )


def _definition(text: str, unit: Sequence[Line], lead: Lead, names: Names, depth: int) -> Block:
    edge = margin(unit)
    inside = next((at for at, line in enumerate(unit) if line.indent > edge), 0)
    if not inside:
        return _statement(text, unit, lead, names)
    name = name_of(text, unit[:inside])
    within = (*names, name) if name else names
    return Block(
        start=unit[0].start,
        end=unit[-1].end,
        kind="code",
        lead=lead,
        names=within,
        parts=partial(_body, text, unit, inside, lead, within, depth),
    )


def _body(
    text: str, unit: Sequence[Line], inside: int, lead: Lead, names: Names, depth: int
) -> Iterator[Block]:
    """What is indented below the head of a definition, with the lines that close it."""
    edge = margin(unit)
    said = next((line for line in reversed(unit[:inside]) if not _closes(text, line)), unit[0])
    below = (*lead, (said.start, said.end))
    begin = unit[0].start
    at = inside
    while at < len(unit):
        stop = next((n for n in range(at, len(unit)) if unit[n].indent <= edge), len(unit))
        after = next((n for n in range(stop, len(unit)) if unit[n].indent > edge), len(unit))
        blocks = indented(text, unit[at].start, unit[stop - 1].end, below, names, depth + 1)
        if at == inside:
            blocks[0] = headed(begin, blocks[0], "code", lead)
        blocks[-1] = tailed(blocks[-1], unit[after - 1].end)
        yield from blocks
        at = after


def _statement(text: str, unit: Sequence[Line], lead: Lead, names: Names) -> Block:
    """Lines at one margin, cut between them."""
    filled = [line for line in unit if line.indent != BLANK]
    rows = [
        Block(start=line.start, end=line.end, kind="code", lead=lead, names=names)
        for line in filled
    ]
    if len(rows) == 1:
        return rows[0]
    return Block(
        start=filled[0].start,
        end=filled[-1].end,
        kind="code",
        lead=lead,
        names=names,
        parts=partial(iter, rows),
    )
