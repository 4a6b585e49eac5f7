"""Reads files, folders, JSON lines and `Document` values, one record or reject at a time."""

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeAlias

from fairlead.errors import InputError
from fairlead.retrieval.chunkers import first_heading
from fairlead.retrieval.frontmatter import FrontMatter, front_matter
from fairlead.retrieval.records import (
    Malformed,
    Record,
    Reject,
    derived_id,
    encodable,
    from_document,
    from_mapping,
)
from fairlead.schema import Document

Source: TypeAlias = str | Path | Document

_TEXT = (".md", ".markdown", ".txt")
_JSON = (".json", ".jsonl")
_NOT_YET = (".rst", ".html", ".htm", ".pdf", ".docx", ".csv")
_BYTES = 64 * 1024 * 1024
"""Of one text file or one JSON line."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to read: a file below a root, standard input (`-`), or a value."""

    source: str
    path: Path | None = None
    document: Document | None = None


class Sources:
    """Everything given to one ingest. `roots` may be pruned; `warnings` grow while reading.

    Raises `InputError` when `as_name` is given with more than one file or folder.
    """

    def __init__(self, given: Sequence[Source], collection: str, as_name: str | None) -> None:
        self.warnings: list[str] = []
        self.roots: list[str] = []
        self._collection = collection
        self._unknown: dict[str, set[str]] = {}
        self._as_name = as_name
        self._rejects: list[Reject] = []
        if as_name is not None and (len(given) != 1 or isinstance(given[0], Document)):
            raise InputError(
                f"cannot call {len(given)} sources {as_name!r}",
                hint="--as renames one file or folder; ingest the others separately.",
            )
        if as_name is not None and (not as_name.strip("/") or "\0" in as_name):
            raise InputError(f"{as_name!r} is no name for a source")
        self.entries = self._distinct(chain.from_iterable(map(self._expanded, given)))

    def read(self, entry: Entry) -> Iterator[Record | Reject]:
        """The documents of one entry; what cannot be used comes as a reject among them."""
        try:
            if entry.document is not None:
                yield from_document(entry.document, self._collection)
            elif entry.path is None:
                yield from self._lines(entry, sys.stdin.buffer)
            elif entry.path.suffix.lower() == ".jsonl":
                with _opened(entry.path) as file:
                    yield from self._lines(entry, file)
            elif entry.path.suffix.lower() == ".json":
                yield from self._whole(entry, _content(entry.path))
            else:
                yield self._file(entry, _content(entry.path))
        except Malformed as error:
            yield Reject(source=entry.source, reason=str(error), origin=entry.source)
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            yield Reject(source=entry.source, reason=reason, origin=entry.source)

    def rejects(self) -> list[Reject]:
        """What was refused before anything was read."""
        return self._rejects

    def unknown_keys(self) -> list[str]:
        """One warning per file with top-level keys that no document has."""
        return [
            f"{source!r}: unknown keys {', '.join(map(repr, sorted(keys)))} went into metadata"
            for source, keys in self._unknown.items()
        ]

    # --- what there is ---------------------------------------------------------------------------

    def _expanded(self, given: Source) -> Iterator[Entry]:
        if isinstance(given, Document):
            yield Entry(source=given.source or given.id or "document", document=given)
        elif not str(given).strip():
            self._refuse(repr(given), "is no path")
        elif str(given) == "-":
            yield Entry(source=self._as_name or "stdin")
        elif str(given).startswith(("http://", "https://")):
            self._refuse(str(given), "web pages are not read by this version; save the page first")
        else:
            yield from self._below(Path(given))

    def _below(self, path: Path) -> Iterator[Entry]:
        try:
            path = path.expanduser()
            name = (self._as_name or os.path.basename(os.path.realpath(path))).strip("/")
            if not name:
                self._refuse(str(path), "has no name of its own; give one with --as")
            elif not path.exists():
                self._refuse(str(path), "no such file or folder")
            elif not path.is_dir():
                self.roots.append(name)
                yield from self._accepted(path, name, explicit=True)
            else:
                found = list(self._walked(path, name))
                if found:
                    self.roots.append(name)
                    yield from found
                elif not any(each.origin.startswith(f"{name}/") for each in self._rejects):
                    self._refuse(name, "a folder without documents (.md, .txt, .json, .jsonl)")
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a user unknown
            self._refuse(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}")

    def _walked(self, root: Path, name: str) -> Iterator[Entry]:
        """Files below a folder in order; hidden ones are left out, links are not followed out."""

        def unreadable(error: OSError) -> None:
            where = Path(name, os.path.relpath(error.filename, root)).as_posix()
            self._refuse(where, f"cannot be read: {error.strerror}")

        inside = Path(os.path.realpath(root))
        for folder, folders, files in os.walk(root, onerror=unreadable):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            for each in sorted(files):
                path = Path(folder, each)
                source = f"{name}/{path.relative_to(root).as_posix()}"
                if each.startswith("."):
                    continue
                if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                    self._refuse(source, "is a link to outside the folder")
                    continue
                yield from self._accepted(path, source, explicit=False)

    def _accepted(self, path: Path, source: str, *, explicit: bool) -> Iterator[Entry]:
        ending = path.suffix.lower()
        if not source.isprintable():
            self._refuse(repr(source), "its name has characters that cannot be shown")
        elif ending in _TEXT or ending in _JSON:
            yield Entry(source=source, path=path)
        elif ending in _NOT_YET:
            self._refuse(source, f"{ending} files are not read by this version; convert it to .md")
        elif explicit:
            known = ", ".join((*_TEXT, *_JSON))
            self._refuse(source, f"unknown type {ending or 'without an ending'!r}; known: {known}")

    def _distinct(self, entries: Iterable[Entry]) -> list[Entry]:
        """Each file once; a second, different file under a source is refused."""
        held: dict[str, Entry] = {}
        kept = []
        for entry in entries:
            before = held.get(entry.source) if entry.document is None else None
            if before is None:
                kept.append(entry)
                if entry.document is None:
                    held[entry.source] = entry
            elif not (entry.path and before.path and _same(entry.path, before.path)):
                reason = (
                    f"another file has this source: {str(before.path)!r} and {str(entry.path)!r}"
                )
                self._refuse(entry.source, f"{reason}; rename one with --as")
        return kept

    def _refuse(self, source: str, reason: str) -> None:
        safe = source.encode("utf-8", "backslashreplace").decode("utf-8")
        self._rejects.append(Reject(source=safe, reason=reason, origin=safe))

    # --- what is in it ---------------------------------------------------------------------------

    def _file(self, entry: Entry, data: bytes) -> Record:
        text = decoded(data)
        if not text.strip():
            raise Malformed("is empty")
        markdown = not entry.source.lower().endswith(".txt")
        matter = front_matter(text) if markdown else FrontMatter()
        if not text[matter.end :].strip():
            raise Malformed("has no text below its front matter")
        heading = first_heading(text, matter.end) if markdown else ""
        record = Record(
            id=derived_id(self._collection, entry.source),
            source=entry.source,
            origin=entry.source,
            title=matter.title or heading or Path(entry.source).stem,
            text=text,
            body=matter.end,
            markdown=markdown,
            url=matter.url,
            published_at=matter.published_at,
            language=matter.language,
            metadata=matter.metadata,
            acl=matter.acl,
        )
        encodable([record.title, dict(record.metadata)])
        return record

    def _lines(self, entry: Entry, file: BinaryIO) -> Iterator[Record | Reject]:
        number = empty = 0
        while line := file.readline(_BYTES + 1):
            number += 1
            place = f"{entry.source}#L{number}"
            if len(line) > _BYTES:
                yield Reject(source=place, reason=_too_long(), origin=entry.source)
                while line and not line.endswith(b"\n"):
                    line = file.readline(_BYTES)
                continue
            if not line.strip():
                empty += 1
                continue
            yield self._value(entry, place, line)
        if number == empty:
            yield Reject(source=entry.source, reason="is empty", origin=entry.source)

    def _value(self, entry: Entry, place: str, line: bytes) -> Record | Reject:
        try:
            return self._record(entry, place, parsed(decoded(line)))
        except Malformed as error:
            return Reject(source=place, reason=str(error), origin=entry.source)

    def _whole(self, entry: Entry, data: bytes) -> Iterator[Record | Reject]:
        text = decoded(data)
        if not text.strip():
            raise Malformed("is empty")
        value = parsed(text)
        if not isinstance(value, list):
            yield self._record(entry, entry.source, value)
            return
        if not value:
            raise Malformed("is an empty list")
        for number, each in enumerate(value, start=1):
            place = f"{entry.source}#{number}"
            try:
                yield self._record(entry, place, each)
            except Malformed as error:
                yield Reject(source=place, reason=str(error), origin=entry.source)

    def _record(self, entry: Entry, place: str, value: object) -> Record:
        record, unknown = from_mapping(
            value, place=place, origin=entry.source, collection=self._collection
        )
        if unknown:
            self._unknown.setdefault(entry.source, set()).update(unknown)
        if not record.title:
            record = replace(record, title=first_heading(record.text) or record.id)
        return record


def decoded(data: bytes) -> str:
    """UTF-8 text exactly as it stands, without a byte order mark. Raises `Malformed`."""
    if b"\0" in data:
        raise Malformed("is a binary file, or not in UTF-8 (it has NUL bytes)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"is not UTF-8 text (byte {error.start})") from None


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


def _content(path: Path) -> bytes:
    with _opened(path) as file:
        data = file.read(_BYTES + 1)
    if len(data) > _BYTES:
        raise Malformed(_too_long())
    return data


def _opened(path: Path) -> BinaryIO:
    """A regular file opened for reading: a pipe with a document's name must not hang."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Malformed("is no regular file")
    return path.open("rb")


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _too_long() -> str:
    return f"is longer than {_BYTES // 1024 // 1024} MB; split it"
