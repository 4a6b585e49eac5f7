"""What every loader gives back, and how it says that it cannot.

Nothing here or in the loaders that run in the child process imports pydantic: the child starts in
a fifth of the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

Markup: TypeAlias = Literal["markdown", "rst", "plain", "code"]
RemarkKind: TypeAlias = Literal[
    "hidden_text", "instruction_like", "reduced_assurance", "repaired", "truncated"
]


class Malformed(Exception):
    """One document cannot be used; the message says why, for the report."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What a loader noticed of a whole document: it becomes a `Finding` without a place."""

    kind: RemarkKind
    detail: str
    quoted: str = ""
    """The hidden text itself, up to a length: looked at for instructions, never stored."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The text that a reader of the document sees, and what the format says of it.

    Text, Markdown, reStructuredText and code are verbatim, so that a citation quotes the file. The
    other formats become Markdown: headings, lists, fenced code, tables with their header row.
    """

    text: str
    markup: Markup
    body: int = 0
    """Code point where the text below the front matter begins."""
    title: str = ""
    url: str = ""
    published_at: str = ""
    """RFC 3339 in UTC or empty, like `valid_until`."""
    valid_until: str = ""
    version: str = ""
    language: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON values."""
    acl: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


class Loader(Protocol):
    """What each module of a format has as `load`."""

    def __call__(self, data: bytes, name: str, charset: str = "") -> Loaded:
        """The document in `data`; `name` is its file's name.

        `charset` is what a server declared, empty for files. Raises `Malformed`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one document may cost to read; beyond any of them it is a reject.

    What a format has to count itself (pages, cells, what it unpacks to) stands in its module.
    """

    text: int = 64 * 2**20
    """Bytes of a text file or JSON line."""
    page: int = 16 * 2**20
    """Bytes of an HTML file."""
    binary: int = 128 * 2**20
    """Bytes of a PDF or DOCX file."""
    seconds: float = 60.0
    """For parsing one document in the child process."""
    memory: int = 1024 * 2**20
    """Bytes of the child process, with Python itself."""


LONGEST: Final = 64 * 2**20
"""Characters of text that a document of any format may come to."""


def too_long() -> Malformed:
    """The reject of a document whose text is longer than that."""
    return Malformed(f"comes to more than {LONGEST:,} characters; split it")
