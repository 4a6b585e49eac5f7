"""Which texts are source code, and its blocks in any language."""

from pathlib import PurePosixPath
from typing import Final

from fairlead.retrieval.chunkers.blocks import Block
from fairlead.retrieval.chunkers.indentation import Lead, indented
from fairlead.retrieval.chunkers.python_code import python_blocks

_PYTHON: Final = frozenset("py pyi pyw python python3 py3 pycon".split())
_OTHER: Final = frozenset(
    """
    bash bat c cc clj cmake cpp cs css cu cxx dart el erl ex exs f90 fs go gradle groovy h hh hpp hs
    java jl js jsx kt kts lua m mjs ml mm php pl pm proto ps1 psm1 r rb rs s scala sh sol sql swift
    tcl tf ts tsx v vb vue zig zsh
    """.split()
)
"""Endings of source code; of Markdown code blocks any word will do."""


def language_of(source: str) -> str:
    """The ending of a path or URL where it is one of source code, else empty."""
    ending = PurePosixPath(source.partition("?")[0].partition("#")[0]).suffix.lower()[1:]
    return ending if ending in _PYTHON or ending in _OTHER else ""


def code_blocks(
    text: str, start: int, end: int, language: str = "", lead: Lead = ()
) -> list[Block]:
    """Definitions and statements; Python by its syntax, everything else by indentation."""
    cut = python_blocks if language in _PYTHON else indented
    return cut(text, start, end, lead)
