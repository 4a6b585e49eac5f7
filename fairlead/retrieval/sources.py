"""Reads files, folders, web pages, JSON lines and values, one record or reject at a time."""

import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fairlead.retrieval.given import Entry, Given, Source
from fairlead.retrieval.json_documents import JsonDocuments
from fairlead.retrieval.loaders.formats import BY_ENDING, Format, served_format
from fairlead.retrieval.loaders.loaded import Limits, Malformed
from fairlead.retrieval.reading import Raw, Reader
from fairlead.retrieval.records import (
    Earlier,
    Record,
    Reject,
    Unchanged,
    Validators,
    derived_id,
    from_document,
)
from fairlead.retrieval.times import utc

if TYPE_CHECKING:
    from fairlead.retrieval.web.answers import Page
    from fairlead.retrieval.web.fetching import Fetcher
    from fairlead.retrieval.web.visits import Site

__all__ = ["Entry", "Source", "Sources"]


class Sources:
    """Everything given to one ingest: `entries` are read one by one, then `close` ends it.

    `code` also takes source code from folders. `allow_hosts` are hosts that may be private.
    `earlier` tells what is stored of a source, so that what has not changed is not parsed again:
    it comes as `Unchanged`. Raises `InputError` when `as_name` is given with anything but one file
    or folder.
    """

    def __init__(
        self,
        given: Sequence[Source],
        collection: str,
        as_name: str | None,
        *,
        code: bool = False,
        allow_hosts: Sequence[str] = (),
        earlier: Callable[[str], Earlier | None] | None = None,
        limits: Limits | None = None,
        fetcher: "Fetcher | None" = None,
    ) -> None:
        self._given = Given(given, as_name, code=code, allow_hosts=allow_hosts)
        self._collection = collection
        self._earlier = earlier or _nothing
        self._limits = limits or Limits()
        self._json = JsonDocuments(collection, self._limits.text)
        self._reader = Reader(collection, self._limits)
        self._allow_hosts, self._fetcher = allow_hosts, fetcher
        self._now = utc(datetime.now(UTC).replace(microsecond=0))

    @property
    def entries(self) -> list[Entry]:
        """What there is to read; a sitemap is one entry with many documents."""
        return self._given.entries

    @property
    def roots(self) -> list[str]:
        """Below these everything was met: what is stored there and was not has vanished."""
        visited = self._site.complete if "_site" in vars(self) else ()
        return [*self._given.roots, *visited]

    def read(self, entry: Entry) -> Iterator[Record | Reject | Unchanged]:
        """The documents of one entry; what cannot be used comes as a reject among them."""
        for found in self._read(entry):
            if isinstance(found, Record) and not found.fetched_at:
                found = replace(found, fetched_at=self._now)
            yield found

    def _read(self, entry: Entry) -> Iterator[Record | Reject | Unchanged]:
        try:
            if entry.document is not None:
                yield from_document(entry.document, self._collection)
            elif entry.url:
                yield from self._visited(entry.url)
            elif entry.path is None:
                yield from self._json.lines(entry.source, sys.stdin.buffer)
            else:
                yield from self._file(entry.source, entry.path)
        except Malformed as error:
            yield Reject(source=entry.source, reason=str(error), origin=entry.source)
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            yield Reject(source=entry.source, reason=reason, origin=entry.source)

    def rejects(self) -> list[Reject]:
        """What was refused before anything was read."""
        return self._given.rejects

    def warnings(self) -> list[str]:
        """What the reader should know of what was read so far."""
        visited = self._site.warnings if "_site" in vars(self) else ()
        return [*self._json.unknown_keys(), *visited]

    def close(self) -> None:
        """Ends what reading needed."""
        self._reader.close()

    def _file(self, source: str, path: Path) -> Iterator[Record | Reject | Unchanged]:
        form = BY_ENDING[path.suffix.lower()]
        if form.name == "jsonl":
            with _opened(path) as file:
                yield from self._json.lines(source, file)
            return
        data = _content(path, form.limit(self._limits))
        if form.name == "json":
            yield from self._json.whole(source, data)
            return
        raw = Raw(source=source, origin=source, data=data, form=form, fetched_at=self._now)
        yield self._document(raw)

    @cached_property
    def _site(self) -> "Site":
        """Pages from the web; made when the first is asked for."""
        from fairlead.retrieval.web.fetching import Fetcher  # noqa: PLC0415 - HTTP and TLS: 40 ms
        from fairlead.retrieval.web.visits import Site  # noqa: PLC0415 - the same

        fetcher = self._fetcher or Fetcher(self._allow_hosts)
        return Site(fetcher, self._allow_hosts, self._validators, self._limits.text)

    def _visited(self, url: str) -> Iterator[Record | Reject | Unchanged]:
        for visit in self._site.visit(url):
            if visit.page is None:
                # What is gone for good is not spared from pruning.
                origin = "" if visit.gone else visit.origin
                yield Reject(source=visit.url, reason=visit.reason, origin=origin)
                continue
            try:
                yield from self._page(visit.url, visit.origin, visit.page)
            except Malformed as error:
                yield Reject(source=visit.url, reason=str(error), origin=visit.origin)

    def _page(self, url: str, origin: str, page: "Page") -> Iterator[Record | Reject | Unchanged]:
        if page.data is None:
            yield Unchanged(id=derived_id(self._collection, url), source=url, origin=origin)
            return
        form = served_format(page.content_type, page.validators.url, page.data)
        _check_size(len(page.data), form, self._limits)
        if form.name == "jsonl":
            yield from self._json.lines(url, BytesIO(page.data))
        elif form.name == "json":
            yield from self._json.whole(url, page.data)
        else:
            yield self._document(
                Raw(
                    source=url,
                    origin=origin,
                    data=page.data,
                    form=form,
                    fetched_at=page.fetched_at,
                    page=page,
                )
            )

    def _document(self, raw: Raw) -> Record | Unchanged:
        earlier = self._earlier(raw.source)
        if earlier is not None and earlier.fingerprint == raw.fingerprint():
            identity = derived_id(self._collection, raw.source)
            return Unchanged(id=identity, source=raw.source, origin=raw.origin)
        return self._reader.record(raw)

    def _validators(self, url: str) -> Validators | None:
        earlier = self._earlier(url)
        return earlier.validators if earlier else None


def _nothing(source: str) -> Earlier | None:
    """Nothing is stored, or nobody looks."""
    return None


def _content(path: Path, limit: int) -> bytes:
    """What is in a file, which is not read where it is too long."""
    with _opened(path) as file:
        size = path.stat().st_size
        data = b"" if size > limit else file.read(limit + 1)
    if max(size, len(data)) > limit:
        raise Malformed(_too_long(limit))
    return data


def _opened(path: Path) -> BinaryIO:
    """A regular file opened for reading: a pipe with a document's name must not hang."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Malformed("is no regular file")
    return path.open("rb")


def _check_size(size: int, form: Format, limits: Limits) -> None:
    limit = form.limit(limits)
    if size > limit:
        raise Malformed(_too_long(limit))


def _too_long(limit: int) -> str:
    return f"is longer than {limit // 2**20} MB; split it"
