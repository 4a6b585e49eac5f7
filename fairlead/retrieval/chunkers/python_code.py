"""Python as blocks by its syntax: definitions with their comments, decorators and docstrings."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block, headed, trimmed
from fairlead.retrieval.chunkers.indentation import Lead, Names, indented
from fairlead.retrieval.chunkers.protocol import Span

_LONGEST: Final = 2_000_000
"""Characters that are parsed; a tree takes some fifty bytes for each."""
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_LINE: Final = re.compile(r"\r\n?|\n")

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def python_blocks(text: str, start: int, end: int, lead: Lead = ()) -> list[Block]:
    """One per top-level statement; by indentation where the text is no Python of this version."""
    if end - start > _LONGEST:
        return indented(text, start, end, lead)
    try:
        module = ast.parse(_ESCAPE.sub(_harmless, text[start:end]))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return indented(text, start, end, lead)
    reader = _Reader(text, start, end)
    return list(reader.blocks(module.body, start, end, lead, ()))


def _harmless(escape: re.Match[str]) -> str:
    """Escapes that Python would warn of as something of the same length: only places count."""
    return escape[0] if escape[1] in "\n\r'\"\\" else "__"


class _Reader:
    """Statements of one text, in whole lines."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._text = text
        breaks = (start + mark.end() for mark in _LINE.finditer(text[start:end]))
        self._lines = [start, *breaks, end]

    def blocks(
        self, body: Sequence[ast.stmt], start: int, end: int, lead: Lead, names: Names
    ) -> Iterator[Block]:
        """One per statement, what stands before it included; the rest as one more."""
        at = start
        for statement in body:
            stop = self._lines[statement.end_lineno or statement.lineno]
            for a, b in self._filled(at, min(stop, end)):
                yield self._block(statement, a, b, lead, names)
            at = max(at, stop)
        for a, b in self._filled(at, end):
            yield from indented(self._text, a, b, lead, names)

    def _block(self, statement: ast.stmt, start: int, end: int, lead: Lead, names: Names) -> Block:
        parts: Callable[[], Iterable[Block]]
        parts = partial(indented, self._text, start, end, lead, names)
        if isinstance(statement, _DEFINITIONS):
            names = (*names, statement.name)
            parts = partial(self._definition, statement, start, end, lead, names)
        return Block(start=start, end=end, kind="code", lead=lead, names=names, parts=parts)

    def _definition(
        self,
        statement: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
        start: int,
        end: int,
        lead: Lead,
        names: Names,
    ) -> Iterator[Block]:
        """The statements below the signature, which the first has and the others carry."""
        first = statement.body[0]
        decorators = first.decorator_list if isinstance(first, _DEFINITIONS) else []
        above = self._lines[statement.lineno - 1]
        below = self._lines[min([first.lineno, *(each.lineno for each in decorators)]) - 1]
        signature = list(trimmed(self._text, above, below))
        if not signature:  # all on one line
            yield from indented(self._text, start, end, lead, names)
            return
        inner = self.blocks(statement.body, below, end, (*lead, (above, signature[0][1])), names)
        for at, block in enumerate(inner):
            yield block if at else headed(start, block, "code", lead)

    def _filled(self, start: int, end: int) -> Iterator[Span]:
        """Without blank lines before and behind; the first line keeps its indentation."""
        for a, b in trimmed(self._text, start, end):
            margin = max(self._text.rfind(mark, start, a) for mark in "\n\r")
            yield max(start, margin + 1), b
