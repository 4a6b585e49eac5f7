"""The formats: by ending, by content type, what reads them and what that needs."""

import importlib
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Final, cast
from urllib.parse import urlsplit

from fairlead.retrieval.loaders.loaded import Limits, Loader, Malformed

_PAGES: Final = "text/html application/xhtml+xml"
_WORD: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(frozen=True, kw_only=True)
class Format:
    """What one kind of file is known by and read with."""

    name: str
    endings: tuple[str, ...]
    types: tuple[str, ...] = ()
    module: str = ""
    """Of this package; empty for JSON, where one file holds several documents."""
    isolated: bool = False
    """Parsed in the child process."""
    package: str = ""
    """Of the extra `files`, without which it cannot be read; `imported` under that name."""
    imported: str = ""

    def limit(self, limits: Limits) -> int:
        """Bytes that a file of this format may have."""
        return {"html": limits.page, "pdf": limits.binary, "docx": limits.binary}.get(
            self.name, limits.text
        )

    def check(self) -> None:
        """Raises `Malformed` where the library that reads it is not installed."""
        if self.imported and find_spec(self.imported) is None:
            raise Malformed(f"needs {self.package!r} to be read: pip install 'fairlead[files]'")


FORMATS: Final = (
    Format(
        name="markdown",
        module="markdown",
        endings=(".md", ".markdown"),
        types=("text/markdown", "text/x-markdown"),
    ),
    Format(name="text", module="text", endings=(".txt",), types=("text/plain",)),
    Format(
        name="rst",
        module="rst",
        endings=(".rst",),
        types=("text/x-rst", "text/prs.fallenstein.rst"),
        isolated=True,
        package="docutils",
        imported="docutils",
    ),
    Format(
        name="html",
        module="html_page",
        endings=(".html", ".htm"),
        types=tuple(_PAGES.split()),
        isolated=True,
    ),
    Format(
        name="pdf",
        module="pdf",
        endings=(".pdf",),
        types=("application/pdf", "application/x-pdf"),
        isolated=True,
        package="pypdf",
        imported="pypdf",
    ),
    Format(
        name="docx",
        module="docx_file",
        endings=(".docx",),
        types=(_WORD,),
        isolated=True,
        package="python-docx",
        imported="docx",
    ),
    Format(name="csv", module="csv_table", endings=(".csv",), types=("text/csv",)),
    Format(name="json", endings=(".json",), types=("application/json",)),
    Format(
        name="jsonl",
        endings=(".jsonl",),
        types=("application/jsonl", "application/x-ndjson", "application/x-jsonlines"),
    ),
    Format(
        name="code",
        module="source_code",
        endings=tuple(".py .js .ts .tsx .go .rs .java .c .h .cpp .cs .rb .php .sh .sql".split()),
    ),
)
BY_ENDING: Final = {ending: form for form in FORMATS for ending in form.endings}
_BY_TYPE: Final = {kind: form for form in FORMATS for kind in form.types}
_BY_NAME: Final = {form.name: form for form in FORMATS}
_VAGUE: Final = frozenset(
    "application/octet-stream application/xml binary/octet-stream text/plain text/xml".split()
)
"""Content types that servers also give to what they do not know."""
_HTML: Final = re.compile(
    rb"\s*(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


def loader(name: str) -> Loader:
    """What reads the format of that name."""
    module = importlib.import_module(f"fairlead.retrieval.loaders.{_BY_NAME[name].module}")
    return cast(Loader, module.load)


def served_format(content_type: str, url: str, data: bytes) -> Format:
    """The format of what a server gave: by its word, else by the URL's ending, else by its look.

    Raises `Malformed` for what is none of these.
    """
    if content_type in _BY_TYPE and content_type not in _VAGUE:
        return _BY_TYPE[content_type]
    if content_type and content_type not in _VAGUE:
        raise Malformed(f"has the type {content_type!r}, which is not read")
    ending = PurePosixPath(urlsplit(url).path).suffix.lower()
    form = BY_ENDING.get(ending)
    if form is not None and form.name != "code":
        return form
    return _looks_like(data)


def _looks_like(data: bytes) -> Format:
    if data.startswith(b"%PDF-"):
        return _BY_NAME["pdf"]
    if data.startswith(b"PK\x03\x04"):
        return _BY_NAME["docx"]
    if _HTML.match(data.removeprefix(b"\xef\xbb\xbf")[:4096]):
        return _BY_NAME["html"]
    if b"\0" in data[:4096]:
        raise Malformed("is of no type that is read, and its server names none")
    return _BY_NAME["text"]
