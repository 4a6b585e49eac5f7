"""What an ingest was given, as a list of things to read: files, URLs, standard input, values."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from fairlead.errors import InputError
from fairlead.retrieval.loaders.formats import BY_ENDING, FORMATS
from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.records import Reject
from fairlead.retrieval.web.addresses import target
from fairlead.schema import Document

Source: TypeAlias = str | Path | Document

ENDINGS: Final = tuple(ending for form in FORMATS if form.name != "code" for ending in form.endings)
"""What is read of a folder."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to read: a file below a root, a URL, standard input (`-`), or a value."""

    source: str
    path: Path | None = None
    url: str = ""
    document: Document | None = None


class Given:
    """The entries of one ingest in order, each once; `rejects` are what was refused unread.

    `roots` are the files and folders below which something may have vanished. Raises `InputError`
    when `as_name` is given with anything but one file or folder.
    """

    def __init__(
        self,
        given: Sequence[Source],
        as_name: str | None,
        *,
        code: bool,
        allow_hosts: Sequence[str],
    ) -> None:
        self.roots: list[str] = []
        self.rejects: list[Reject] = []
        self._as_name = as_name
        self._code = code
        self._allow_hosts = allow_hosts
        if as_name is not None:
            _check_name(as_name, given)
        self.entries = self._distinct(chain.from_iterable(map(self._expanded, given)))

    def _expanded(self, given: Source) -> Iterator[Entry]:
        if isinstance(given, Document):
            yield Entry(source=given.source or given.id or "document", document=given)
        elif not str(given).strip():
            self._refuse(repr(given), "is no path")
        elif str(given) == "-":
            yield Entry(source=self._as_name or "stdin")
        elif _is_url(given):
            yield from self._page(str(given))
        else:
            yield from self._below(Path(given))

    def _page(self, url: str) -> Iterator[Entry]:
        try:
            url = target(url, self._allow_hosts).url
            yield Entry(source=url, url=url)
        except Malformed as error:
            self._refuse(url, str(error))

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
                elif not any(each.origin.startswith(f"{name}/") for each in self.rejects):
                    self._refuse(name, f"a folder without documents ({', '.join(ENDINGS)})")
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
        form = BY_ENDING.get(path.suffix.lower())
        if not source.isprintable():
            self._refuse(repr(source), "its name has characters that cannot be shown")
        elif form and (form.name != "code" or self._code or explicit):
            yield Entry(source=source, path=path)
        elif explicit:
            ending = path.suffix.lower() or "without an ending"
            self._refuse(source, f"unknown type {ending!r}; known: {', '.join(ENDINGS)}")

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
            elif entry.path and before.path and not _same(entry.path, before.path):
                reason = (
                    f"another file has this source: {str(before.path)!r} and {str(entry.path)!r}"
                )
                self._refuse(entry.source, f"{reason}; rename one with --as")
        return kept

    def _refuse(self, source: str, reason: str) -> None:
        safe = source.encode("utf-8", "backslashreplace").decode("utf-8")
        self.rejects.append(Reject(source=safe, reason=reason, origin=safe))


def _check_name(as_name: str, given: Sequence[Source]) -> None:
    if len(given) != 1 or isinstance(given[0], Document):
        raise InputError(
            f"cannot call {len(given)} sources {as_name!r}",
            hint="--as renames one file or folder; ingest the others separately.",
        )
    if _is_url(given[0]):
        raise InputError(
            f"cannot call a web page {as_name!r}", hint="A page is known by its address."
        )
    if not as_name.strip("/") or "\0" in as_name:
        raise InputError(f"{as_name!r} is no name for a source")


def _is_url(given: Source) -> bool:
    return str(given).lower().startswith(("http://", "https://"))


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
