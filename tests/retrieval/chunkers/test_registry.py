"""Chunkers by name, with parameters, and from anybody's module."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from fairlead.errors import InputError
from fairlead.retrieval.chunkers import CHUNKERS, Chunk, estimate_tokens, open_chunker
from tests.retrieval.chunkers.conftest import cut

Made = Callable[..., str]


class Lines:
    """One chunk for each line."""

    identity = "lines/1"

    def chunk(self, text: str, *, start: int, markup: str, count: Any, source: str = "") -> Any:
        at, found = start, []
        for line in text[start:].splitlines(keepends=True):
            if line.strip():
                found.append(Chunk(start=at, end=at + len(line.rstrip())))
            at += len(line)
        return found


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Puts something into a module and names it."""

    def made(value: object, name: str = "cutter") -> str:
        module = ModuleType("somebodys")
        setattr(module, name, value)
        monkeypatch.setitem(sys.modules, "somebodys", module)
        return f"somebodys:{name}"

    yield made


@pytest.mark.parametrize("name", CHUNKERS)
def test_a_chunker_is_opened_by_its_name_and_by_its_identity(name: str) -> None:
    chunker = open_chunker(name)
    assert chunker.identity.startswith(f"{name}/")
    assert open_chunker(chunker.identity) == chunker


@pytest.mark.parametrize("name", ["parent:tokens=50,parent=200", "window:around=0,short=5"])
def test_parameters_are_part_of_the_identity(name: str) -> None:
    chunker = open_chunker(name)
    assert chunker.identity.endswith(f"/1:{name.partition(':')[2]}")
    assert open_chunker(chunker.identity) == chunker != open_chunker(name.partition(":")[0])


def test_a_default_that_is_given_is_no_other_chunker() -> None:
    assert open_chunker("recursive:tokens=256").identity == open_chunker("recursive").identity


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("recusive", "did you mean 'recursive'?", "MODULE:ATTRIBUTE"),
        ("", "unknown chunker ''", "recursive"),
        ("nothing-like-it", "unknown chunker", "window"),
        ("recursive:token=5", "has no parameter 'token'", "It has tokens;"),
        ("recursive:tokens=", "'' is no value for 'tokens'", "from 16 to 8192"),
        ("recursive:tokens=15", "'15' is no value", "from 16 to 8192"),
        ("recursive:tokens=8193", "'8193' is no value", "from 16 to 8192"),
        ("recursive:tokens=²0", "'²0' is no value", "from 16 to 8192"),
        ("recursive:tokens=-20", "'-20' is no value", "from 16 to 8192"),
        ("structure:tokens=20,tables=4", "has no parameter 'tables'", "tokens, table;"),
        ("recursive/1", "no chunker 'recursive/1' any more", "index rebuild"),
        ("no_such_module_x:cutter", "No module named", "importable module"),
        ("json:no_such_thing", "no attribute 'no_such_thing'", "importable module"),
        ("json:dumps", "is no chunker", "Chunker"),
        ("json:JSONDecoder", "is no chunker", "Chunker"),
    ],
)
def test_what_cannot_be_opened_is_said(name: str, said: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        open_chunker(name)
    assert said in caught.value.message and hint in caught.value.hint


@pytest.mark.parametrize("value", [Lines, Lines()])
def test_a_chunker_of_ones_own(own: Made, value: object) -> None:
    chunker = open_chunker(own(value))
    assert chunker.identity == "lines/1"
    chunks = chunker.chunk("a\n\n  b\n", start=0, markup="plain", count=estimate_tokens)
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(0, 1), (3, 6)]


def test_one_without_an_identity_or_with_other_arguments_is_refused(own: Made) -> None:
    class Nameless(Lines):
        identity = " "

    class Numbered(Lines):
        identity = 5  # type: ignore[assignment]  # that is the point

    class Narrow(Lines):
        def chunk(self, text: str) -> Any:  # type: ignore[override]  # that is the point
            return []

    class Demanding(Lines):
        def __init__(self, size: int) -> None:
            self.size = size

    for value, said in (
        (Nameless, "its identity is empty"),
        (Numbered, "no identity"),
        (Narrow, "is no chunker"),
        (Demanding, "size"),
    ):
        with pytest.raises(InputError, match=said):
            open_chunker(own(value))


WHOLE = Chunk(start=0, end=10)


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([replace(WHOLE, end=11, read_end=11)], "chunk 1 outside its text"),
        ([replace(WHOLE, start=4, end=4)], "chunk 1 outside its text"),
        ([replace(WHOLE, read_start=2)], "outside what is read"),
        ([WHOLE, Chunk(start=9, end=10)], "chunk 2 over the one before it"),
        ([Chunk(start=3, end=9, lead=((2, 4),))], "chunk 1 with a lead that is not before it"),
        ([Chunk(start=5, end=6)], "chunk 1 with nothing but white space"),
        (None, "failed: TypeError"),
        (["text"], "failed: AttributeError"),
    ],
)
def test_what_cannot_be_chunks_of_the_text_is_refused(own: Made, chunks: Any, said: str) -> None:
    class Wrong(Lines):
        def chunk(self, *_: object, **__: object) -> Any:
            return chunks

    with pytest.raises(InputError, match="'somebodys:cutter'") as caught:
        cut(own(Wrong), "Some  text")
    assert said in caught.value.message


def test_chunks_may_come_one_by_one(own: Made) -> None:
    class Lazy(Lines):
        def chunk(self, *given: Any, **named: Any) -> Any:
            yield from super().chunk(*given, **named)

    assert len(cut(own(Lazy), "a\nb\n")) == 2


def test_a_chunker_that_fails_says_how(own: Made) -> None:
    class Failing(Lines):
        def chunk(self, *_: object, **__: object) -> Any:
            raise ZeroDivisionError("division by zero")

    with pytest.raises(InputError, match="failed: ZeroDivisionError: division by zero"):
        cut(own(Failing), "text")
