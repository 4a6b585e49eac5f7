"""What a tool returned, cut into keys and values that can be quoted."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.schema import ToolResult

_SPACE: Final = re.compile(r"[\s,:]*")
_DECODER: Final = json.JSONDecoder()
_WORDED: Final = re.compile(r"[^\W\d_]{2,}(?:[ '’&.-]+[^\W_]+)*")
_APART: Final = frozenset(
    "customer name email mail phone telephone address street iban card payment carrier currency id "
    "url link token key password user".split()
)
"""Keys whose values identify a person or a record and say nothing of a rule's subject."""
_LONGEST: Final = 40
"""Characters of a value that can be a search term."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One scalar of a result; `start` to `end` are code points of the result's text."""

    key: str
    value: str
    start: int
    end: int
    record: int = 0
    """Position of the object it belongs to, among all objects of the result."""

    @property
    def line(self) -> str:
        """As it is said: the same letters as the quoted stretch."""
        return f"{self.key}: {self.value}" if self.key else self.value


def facts(result: ToolResult) -> tuple[Fact, ...]:
    """Every scalar of a JSON result with its key; empty where the text is no JSON."""
    text = result.text
    if text[:1] not in ("{", "["):
        return ()
    try:
        json.loads(text)
    except ValueError:
        return ()
    walk = _Walk(text)
    walk.value(0, "")
    return tuple(walk.found)


def terms(results: Sequence[ToolResult]) -> tuple[tuple[str, str], ...]:
    """Keys and worded values that tell which rule applies: a country, a product, a plan.

    Only of results with one record: a list does not say which of its records is meant.
    """
    found: dict[tuple[str, str], None] = {}
    for result in results:
        held = facts(result)
        if result.error or len({fact.record for fact in held}) > 1:
            continue
        for fact in held:
            apart = _APART & set(re.findall(r"[a-z]+", fact.key.lower()))
            worded = len(fact.value) <= _LONGEST and _WORDED.fullmatch(fact.value)
            if worded and not apart and fact.value not in ("true", "false", "null"):
                found[fact.key, fact.value] = None
    return tuple(found)


class _Walk:
    """Walks JSON text and notes where each scalar stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._records = 0
        self.found: list[Fact] = []

    def value(self, at: int, key: str, start: int | None = None, record: int = 0) -> int:
        """Reads one value at `at`; returns where it ends. `start`: where its key begins."""
        opening = self._text[at]
        if opening == "{":
            return self._object(at + 1)
        if opening == "[":
            return self._array(at + 1, key, record)
        decoded, end = _DECODER.raw_decode(self._text, at)
        raw = self._text[at:end]
        said = decoded if isinstance(decoded, str) and "\\" not in raw else raw
        begin = at if start is None else start
        self.found.append(Fact(key=key, value=str(said), start=begin, end=end, record=record))
        return end

    def _object(self, at: int) -> int:
        record, self._records = self._records, self._records + 1
        at = self._skip(at)
        while self._text[at] != "}":
            start = at
            key, at = _DECODER.raw_decode(self._text, at)
            at = self.value(self._skip(at), key, start, record)
            at = self._skip(at)
        return at + 1

    def _array(self, at: int, key: str, record: int) -> int:
        at = self._skip(at)
        while self._text[at] != "]":
            at = self._skip(self.value(at, "", None, record))
        return at + 1

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at


def letters(text: str) -> str:
    """The text without white space and the marks of JSON: what a line and its quote share."""
    return re.sub(r"[\s\"{}\[\],:]+", "", text)


def records(found: Sequence[Fact]) -> Iterator[list[Fact]]:
    """The facts by record, in order."""
    for number in dict.fromkeys(fact.record for fact in found):
        yield [fact for fact in found if fact.record == number]
