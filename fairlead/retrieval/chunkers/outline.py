"""Prose as blocks by blank lines and indentation: paragraphs, lists, quotes, tables, code.

Reads Markdown, reStructuredText and plain text as people write them. What is indented deeper
belongs to the line before it: an item's paragraphs, a directive's content, a literal block.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block, headed, tailed
from fairlead.retrieval.chunkers.lines import BLANK, Line, extent, lines, margin
from fairlead.retrieval.chunkers.protocol import Markup
from fairlead.retrieval.chunkers.sections import Fences
from fairlead.retrieval.chunkers.sentences import sentence_blocks
from fairlead.retrieval.chunkers.source_code import code_blocks
from fairlead.retrieval.chunkers.tables import around, find_tables, table_rows

_ITEM: Final = re.compile(r"(?:([-*+•])|\(?(?:\d{1,9}|[a-zA-Z]|#)[.)])(?=\s)")
_FENCE: Final = re.compile(r"(?:`{3,}|~{3,})\s*(\{?)\.?([\w+#-]*)")
_SHOWN: Final = frozenset(("code", "code-block", "code-cell", "sourcecode", ""))
"""Directives in a fence that show code; all others hold prose."""
_DIRECTIVE: Final = re.compile(r"\.\. ()(?:code|code-block|sourcecode)::\s*([\w+#-]*)")
_DEEPEST: Final = 12
_INTRODUCTION: Final = 300
"""Characters of a paragraph that stays with what it announces by a colon."""
_LITERAL: Final = 4
"""Columns from which an indented Markdown paragraph is code."""


Group = Sequence[Line]


class Outline:
    """Reads the blocks of one text."""

    def __init__(self, text: str, markup: Markup) -> None:
        self._text = text
        self._markup = markup

    def blocks(self, start: int, end: int, depth: int = 0) -> Iterator[Block]:
        """The blocks between two places; a list is one block."""
        return self._announced(self._listed(lines(self._text, start, end), depth))

    def _listed(self, given: Group, depth: int) -> Iterator[Block]:
        for mark, groups in groupby(self._groups(given), key=self._mark):
            blocks = [self._block(group, depth) for group in groups]
            if mark and len(blocks) > 1:
                parts = partial(iter, blocks)
                yield Block(start=blocks[0].start, end=blocks[-1].end, parts=parts)
            else:
                yield from blocks

    def _announced(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Each with a short paragraph before it that ends with a colon."""
        before: Block | None = None
        for block in blocks:
            if before:
                block, before = headed(before.start, block), None
            ending = self._text[max(block.start, block.end - 3) : block.end].rstrip("*_")
            short = block.end - block.start <= _INTRODUCTION
            if short and block.kind == "text" and ending.endswith(":"):
                before = block
            else:
                yield block
        if before:
            yield before

    # --- lines to groups -------------------------------------------------------------------------

    def _fenced(self, given: Group) -> Iterator[tuple[Line, bool, bool]]:
        """Each line, and whether a fence is open before it and behind it."""
        fences = Fences()
        for line in given:
            before = fences.open
            if self._markup == "markdown" and self._text[line.body : line.body + 1] in ("`", "~"):
                fences.holds(self._text[line.body : line.end])
            yield line, before, fences.open

    def _groups(self, given: Group) -> Iterator[list[Line]]:
        """Lines up to a blank one, with all that is indented deeper; a fence alone."""
        edge, apart = margin(given), False
        held: list[Line] = []
        for line, within, after in self._fenced(given):
            if line.indent == BLANK:
                apart = apart or not within
                if held:
                    held.append(line)
                continue
            opens = after and not within
            if held and not within and line.indent == edge and (apart or opens):
                yield _filled(held)
                held = []
            held.append(line)
            apart = within and not after and self._opens(held[0]) is not None
        if held:
            yield _filled(held)

    def _units(self, group: Group) -> Iterator[list[Line]]:
        """A group cut before its items, behind what is indented, between paragraphs of a quote."""
        edge = margin(group)
        held: list[Line] = []
        for line, within, _ in self._fenced(group):
            if held and not within and line.indent == edge and self._begins(held[-1], line):
                yield _filled(held)
                held = []
            held.append(line)
        yield _filled(held)

    def _begins(self, before: Line, line: Line) -> bool:
        said = self._text[before.body : before.end]
        return before.indent != line.indent or bool(self._mark([line])) or not said.strip("> ")

    def _mark(self, group: Group) -> str:
        """What kind of list item the lines are; empty for none."""
        found = _ITEM.match(self._text, group[0].body, group[0].end + 1)
        return (found[1] or "1") if found else ""

    def _opens(self, line: Line) -> re.Match[str] | None:
        if self._markup != "markdown":
            return None
        return _FENCE.match(self._text, line.body, line.end)

    # --- groups to blocks ------------------------------------------------------------------------

    def _block(self, group: Group, depth: int) -> Block:
        start, end = extent(group)
        if code := self._code(group):
            return code
        for table in find_tables(self._text, group, self._markup):
            if (table.first, table.stop) == (0, len(group)):
                rows = partial(table_rows, group, table)
                return Block(start=start, end=end, kind="table", parts=rows, whole=True)
        return Block(start=start, end=end, parts=partial(self._parts, group, depth))

    def _parts(self, group: Group, depth: int) -> Iterator[Block]:
        """Tables and what is between them; items; a paragraph and what belongs to it; sentences."""
        tables = find_tables(self._text, group, self._markup)
        pieces = [piece for piece in map(_filled, around(group, tables)) if piece]
        if len(pieces) == 1:
            pieces = list(self._units(group))
        if len(pieces) > 1:
            yield from self._announced(self._block(piece, depth) for piece in pieces)
            return
        below = self._below(group)
        if below == len(group) or depth == _DEEPEST:
            yield from sentence_blocks(self._text, *extent(group))
        else:
            yield from self._announced(self._item(group, below, depth))

    def _below(self, group: Group) -> int:
        """How many lines the first paragraph of an item or directive has."""
        for at, line in enumerate(group):
            if line.indent == BLANK or (at and (self._mark([line]) or self._opens(line))):
                return at
        return len(group)

    def _item(self, group: Group, below: int, depth: int) -> Iterator[Block]:
        first, rest = group[:below], _filled(group[below:])
        start, end = extent(first)
        yield Block(start=start, end=end, parts=partial(sentence_blocks, self._text, start, end))
        if self._literal(group, below, rest[0]):
            parts = partial(code_blocks, self._text, rest[0].start, rest[-1].end)
            yield Block(start=rest[0].start, end=rest[-1].end, kind="code", parts=parts, atom=True)
        else:
            yield from self.blocks(rest[0].start, rest[-1].end, depth + 1)

    def _literal(self, group: Group, below: int, line: Line) -> bool:
        """Whether what a paragraph is followed by is code, as its line is indented."""
        if self._markup == "rst":
            return self._text.endswith("::", 0, group[below - 1].end)
        deep = line.indent >= group[0].indent + _LITERAL and group[below].indent == BLANK
        return self._markup == "markdown" and deep and not self._mark(group)

    # --- code ------------------------------------------------------------------------------------

    def _code(self, group: Group) -> Block | None:
        """A fence or a code directive; a fence that holds prose is text."""
        first, last = group[0], group[-1]
        opened = 1
        closed = False
        if mark := self._opens(first):
            closed = len(group) > 1 and bool(self._closes(first, last))
        elif self._markup == "rst" and (
            mark := _DIRECTIVE.match(self._text, first.body, first.end)
        ):
            while opened < len(group) and self._text.startswith(":", group[opened].body):
                opened += 1
        else:
            return None
        start, end = extent(group)
        if mark[1] and mark[2] not in _SHOWN:
            parts = partial(self._directive, group, closed)
            return Block(start=start, end=end, parts=parts)
        parts = partial(self._code_parts, group, opened, closed, mark[2])
        return Block(start=start, end=end, kind="code", parts=parts, atom=True)

    def _closes(self, first: Line, last: Line) -> bool:
        mark = self._text[first.body : first.body + 3]
        said = self._text[last.body : last.end]
        return said.startswith(mark) and not said.strip(mark[0])

    def _code_parts(
        self, group: Group, opened: int, closed: bool, language: str
    ) -> Iterator[Block]:
        """The statements: the first with the line that opens the code, which the others carry."""
        start, end = extent(group)
        body = _filled(group[opened : len(group) - closed])
        if not body:
            yield Block(start=start, end=end, kind="code")
            return
        lead = ((start, group[opened - 1].end),)
        blocks = code_blocks(self._text, body[0].start, body[-1].end, language, lead)
        blocks[0] = headed(start, blocks[0], "code")
        blocks[-1] = tailed(blocks[-1], end)
        yield from blocks

    def _directive(self, group: Group, closed: bool) -> Iterator[Block]:
        """What stands in a fence that holds prose, with the lines around it."""
        start, end = extent(group)
        body = _filled(group[1 : len(group) - closed])
        blocks = list(self.blocks(body[0].start, body[-1].end, _DEEPEST)) if body else []
        if blocks:
            blocks[0] = headed(start, blocks[0])
            blocks[-1] = tailed(blocks[-1], end)
        yield from blocks or [Block(start=start, end=end)]


def _filled(given: Group) -> list[Line]:
    """Without blank lines at either end."""
    filled = [at for at, line in enumerate(given) if line.indent != BLANK]
    return list(given[filled[0] : filled[-1] + 1]) if filled else []
