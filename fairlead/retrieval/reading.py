"""From a file's bytes to a record."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from fairlead.guardrails.text import clean
from fairlead.retrieval.chunkers import first_heading
from fairlead.retrieval.loaders.formats import Format, loader
from fairlead.retrieval.loaders.isolation import ParserProcess
from fairlead.retrieval.loaders.loaded import Limits, Loaded, Remark
from fairlead.retrieval.records import Record, derived_id, encodable
from fairlead.schema import Finding

if TYPE_CHECKING:
    from fairlead.retrieval.web.answers import Page

_REVISION: Final = "1"
"""Raised when a loader makes another text of the same file, so that all files are read again."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A file as it came, from a disk or, with `page`, from a server."""

    source: str
    origin: str
    data: bytes
    form: Format
    fetched_at: str
    page: "Page | None" = None

    def fingerprint(self) -> str:
        """SHA-256 over all that the record is made of."""
        served = (self.page.charset, self.page.validators.url) if self.page else ()
        head = "\n".join((_REVISION, self.form.name, self.source, self.origin, *served))
        return hashlib.sha256(f"{head}\n".encode() + self.data).hexdigest()


class Reader:
    """Makes records; files of some formats are parsed in a child process, which `close` ends."""

    def __init__(self, collection: str, limits: Limits) -> None:
        self._collection = collection
        self._process = ParserProcess(limits)

    def record(self, raw: Raw) -> Record:
        """The document in a file. Raises `Malformed`."""
        name = PurePosixPath(urlsplit(raw.source).path if raw.page else raw.source).name
        charset = raw.page.charset if raw.page else ""
        raw.form.check()
        load = self._process.load if raw.form.isolated else _loaded
        loaded = load(raw.form.name, raw.data, name, charset)
        record = Record(
            id=derived_id(self._collection, raw.source),
            source=raw.source,
            origin=raw.origin,
            title=loaded.title or _heading(loaded) or PurePosixPath(name).stem or raw.source,
            text=loaded.text,
            body=loaded.body,
            markup=loaded.markup,
            url=_url(loaded.url, raw.page),
            published_at=loaded.published_at or (raw.page.last_modified() if raw.page else ""),
            valid_until=loaded.valid_until,
            version=loaded.version,
            language=loaded.language,
            metadata=loaded.metadata,
            acl=loaded.acl,
            findings=tuple(finding for each in loaded.remarks for finding in _findings(each)),
            fetched_at=raw.fetched_at,
            validators=raw.page.validators if raw.page else None,
            fingerprint=raw.fingerprint(),
            place=raw.source,
        )
        said = [record.title, record.text, record.url, record.version, dict(record.metadata)]
        encodable([*said, *record.acl])
        return record

    def close(self) -> None:
        """Ends the child process."""
        self._process.close()


def _loaded(form: str, data: bytes, name: str, charset: str) -> Loaded:
    return loader(form)(data, name, charset)


def _heading(loaded: Loaded) -> str:
    return first_heading(loaded.text, loaded.body) if loaded.markup == "markdown" else ""


def _url(said: str, page: "Page | None") -> str:
    """What a page calls its own address, where it is on the host that it came from."""
    if page is None:
        return said if said.startswith(("https://", "http://")) else ""
    own = page.validators.url
    try:
        named = urljoin(own, said)
        same = urlsplit(named).netloc.lower() == urlsplit(own).netloc.lower()
    except ValueError:
        return own
    return named if said and same and named.startswith(("https://", "http://")) else own


def _findings(remark: Remark) -> Iterator[Finding]:
    """The remark, and the instructions that stand in the hidden text it is about."""
    yield Finding(kind=remark.kind, start=0, end=0, detail=remark.detail)
    if remark.quoted:
        found = [each for each in clean(remark.quoted).findings if each.kind == "instruction_like"]
        rules = ", ".join(dict.fromkeys(each.detail for each in found))
        if rules:
            where = remark.detail.partition(":")[0]
            detail = f"{rules} (in text that nobody sees: {where})"
            yield Finding(kind="instruction_like", start=0, end=0, detail=detail)
