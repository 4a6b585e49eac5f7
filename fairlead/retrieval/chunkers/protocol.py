"""What a chunker is, and what it makes of a text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

Markup: TypeAlias = Literal["markdown", "rst", "plain", "code"]
"""How a text is marked up; HTML, PDF, DOCX and CSV are stored as Markdown."""
Kind: TypeAlias = Literal["text", "table", "code"]
Span: TypeAlias = tuple[int, int]
"""Start and end in code points of the stored text."""
Count: TypeAlias = Callable[[str], int]
"""How many tokens a text has."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One stretch of a stored text: what is embedded and indexed, and what is read when found."""

    start: int
    end: int
    headings: tuple[str, ...] = ()
    """The path it stands under: headings, for code its source and symbols."""
    kind: Kind = "text"
    """`table` and `code` where nothing else is in it."""
    lead: tuple[Span, ...] = ()
    """Earlier stretches of the same text that it is embedded and read with: a table's header row,
    the signature of the class around a method, the line that opens a fence."""
    read_start: int = -1
    """Where reading begins; `start` unless given, as `end` for `read_end`."""
    read_end: int = -1

    def __post_init__(self) -> None:
        if self.read_start < 0:
            object.__setattr__(self, "read_start", self.start)
        if self.read_end < 0:
            object.__setattr__(self, "read_end", self.end)

    def embedded(self, text: str) -> str:
        """The chunk of its text with its lead before it, a line each."""
        return "\n".join(text[a:b] for a, b in (*self.lead, (self.start, self.end)))


@runtime_checkable
class Chunker(Protocol):
    """Cuts texts. Deterministic: the same text, count and identity give the same chunks."""

    @property
    def identity(self) -> str:
        """Name, revision and parameters, recorded on every chunk: `recursive/2`."""
        ...

    def chunk(
        self, text: str, *, start: int, markup: Markup, count: Count, source: str = ""
    ) -> Sequence[Chunk]:
        """The chunks of `text[start:]` in order, none overlapping, only white space between them.

        `source` is where the text is from, a path or URL; its ending may tell the language.
        """
        ...
