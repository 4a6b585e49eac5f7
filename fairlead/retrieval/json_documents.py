"""Documents in JSON: one per line, one per file, or a list of them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from fairlead.retrieval.chunkers import first_heading
from fairlead.retrieval.loaders.decoding import decoded
from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.records import Record, Reject, from_mapping


class JsonDocuments:
    """Reads documents of one collection. `limit` is the most bytes of a line."""

    def __init__(self, collection: str, limit: int) -> None:
        self._collection = collection
        self._limit = limit
        self._unknown: dict[str, set[str]] = {}

    def lines(self, source: str, file: BinaryIO) -> Iterator[Record | Reject]:
        """A document per line; what cannot be used comes as a reject that names its line."""
        number = empty = 0
        while line := file.readline(self._limit + 1):
            number += 1
            place = f"{source}#L{number}"
            if len(line) > self._limit:
                yield Reject(source=place, reason=self._too_long(), origin=source)
                while line and not line.endswith(b"\n"):
                    line = file.readline(self._limit)
            elif not line.strip():
                empty += 1
            else:
                yield self._line(source, place, line)
        if number == empty:
            yield Reject(source=source, reason="is empty", origin=source)

    def whole(self, source: str, data: bytes) -> Iterator[Record | Reject]:
        """The document in a file, or each one of its list. Raises `Malformed` for the whole."""
        text = decoded(data)
        if not text.strip():
            raise Malformed("is empty")
        value = parsed(text)
        if not isinstance(value, list):
            yield self._record(source, source, value)
            return
        if not value:
            raise Malformed("is an empty list")
        for number, each in enumerate(value, start=1):
            place = f"{source}#{number}"
            try:
                yield self._record(source, place, each)
            except Malformed as error:
                yield Reject(source=place, reason=str(error), origin=source)

    def unknown_keys(self) -> list[str]:
        """One warning per file with top-level keys that no document has."""
        return [
            f"{source!r}: unknown keys {', '.join(map(repr, sorted(keys)))} went into metadata"
            for source, keys in self._unknown.items()
        ]

    def _line(self, source: str, place: str, line: bytes) -> Record | Reject:
        try:
            return self._record(source, place, parsed(decoded(line)))
        except Malformed as error:
            return Reject(source=place, reason=str(error), origin=source)

    def _record(self, source: str, place: str, value: object) -> Record:
        record, unknown = from_mapping(
            value, place=place, origin=source, collection=self._collection
        )
        if unknown:
            self._unknown.setdefault(source, set()).update(unknown)
        if not record.title:
            record = replace(record, title=first_heading(record.text) or record.id)
        return record

    def _too_long(self) -> str:
        return f"is longer than {self._limit // 2**20} MB; split it"


def parsed(text: str) -> object:
    """The JSON value in a text. Raises `Malformed`, naming the place."""

    def refused(constant: str) -> None:
        raise Malformed(f"is malformed JSON: {constant} is no JSON number")

    try:
        value: object = json.loads(text, parse_constant=refused)
        return value
    except json.JSONDecodeError as error:
        raise Malformed(f"is malformed JSON: {error.msg} (column {error.colno})") from None
    except (RecursionError, ValueError):
        raise Malformed("is malformed JSON: nested too deeply or a number too long") from None
