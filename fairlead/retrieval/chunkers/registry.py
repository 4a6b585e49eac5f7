"""Chunkers by name: ours with their parameters, and anybody's by module and attribute."""

import importlib
import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from fairlead.errors import InputError
from fairlead.retrieval.chunkers.definitions import CodeChunker
from fairlead.retrieval.chunkers.parameters import configured
from fairlead.retrieval.chunkers.parent import ParentChunker
from fairlead.retrieval.chunkers.protocol import Chunk, Chunker, Count, Markup
from fairlead.retrieval.chunkers.recursive import RecursiveChunker
from fairlead.retrieval.chunkers.structure import StructureChunker
from fairlead.retrieval.chunkers.window import WindowChunker

CHUNKERS: Final = {
    "code": CodeChunker,
    "parent": ParentChunker,
    "recursive": RecursiveChunker,
    "structure": StructureChunker,
    "window": WindowChunker,
}


def open_chunker(name: str) -> Chunker:
    """The chunker of a name: `structure`, `recursive:tokens=128`, or `MODULE:ATTRIBUTE`.

    The identity of one of ours is a name too. An attribute may be a chunker, or a class that makes
    one without arguments. Raises `InputError` for an unknown name, revision or parameter, and for
    what is no chunker.
    """
    known, _, given = name.partition(":")
    plain, _, revision = known.partition("/")
    if kind := CHUNKERS.get(plain):
        chunker: Chunker = configured(kind, plain, given)
        if revision and chunker.identity.partition(":")[0] != known:
            raise InputError(
                f"there is no chunker {known!r} any more; it is {chunker.identity!r} now",
                hint="Run `fairlead index rebuild`.",
            )
        return chunker
    if known and given.isidentifier():
        return _Checked(_imported(name, known, given), name)
    near = get_close_matches(known, CHUNKERS, n=1)
    raise InputError(
        f"unknown chunker {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        hint=f"There are {', '.join(CHUNKERS)}; one of your own is MODULE:ATTRIBUTE.",
    )


def _imported(name: str, module: str, attribute: str) -> Chunker:
    try:
        found = getattr(importlib.import_module(module), attribute)
        chunker = found() if inspect.isclass(found) else found
    except Exception as error:
        raise InputError(
            f"cannot load the chunker {name!r}: {error}",
            hint="Name an importable module and a chunker in it, or a class without arguments.",
        ) from error
    try:
        if not (isinstance(chunker, Chunker) and isinstance(chunker.identity, str)):
            raise TypeError("it has no identity (a string) and chunk()")
        if not chunker.identity.strip():
            raise ValueError("its identity is empty")
        inspect.signature(chunker.chunk).bind("", start=0, markup="plain", count=len, source="")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name!r} is no chunker: {error}",
            hint="See fairlead.retrieval.chunkers.Chunker for what one has to have.",
        ) from error
    return chunker


class _Checked:
    """Somebody else's chunker; what it returns is looked at before it is used."""

    def __init__(self, chunker: Chunker, name: str) -> None:
        self._chunker = chunker
        self._name = name

    @property
    def identity(self) -> str:
        return self._chunker.identity

    def chunk(
        self, text: str, *, start: int, markup: Markup, count: Count, source: str = ""
    ) -> Sequence[Chunk]:
        """Raises `InputError` where it fails or its chunks cannot be chunks of this text."""
        try:
            found = list(
                self._chunker.chunk(text, start=start, markup=markup, count=count, source=source)
            )
            wrong = _wrong(text, start, found)
        except Exception as error:
            said = f"failed: {type(error).__name__}: {error}"
            raise InputError(f"chunker {self._name!r} {said}") from error
        if wrong:
            raise InputError(f"chunker {self._name!r} {wrong}")
        return found


def _wrong(text: str, start: int, found: Sequence[Chunk]) -> str:
    """What chunks of a text may not be, in words; empty where nothing is wrong."""
    at = start
    for number, chunk in enumerate(found, start=1):
        inside = 0 <= chunk.read_start <= chunk.start < chunk.end <= chunk.read_end <= len(text)
        if not inside:
            return f"returned chunk {number} outside its text or outside what is read"
        if chunk.start < at:
            return f"returned chunk {number} over the one before it"
        if any(not 0 <= a < b <= chunk.start for a, b in chunk.lead):
            return f"returned chunk {number} with a lead that is not before it"
        if not text[chunk.start : chunk.end].strip():
            return f"returned chunk {number} with nothing but white space"
        at = chunk.end
    return ""
