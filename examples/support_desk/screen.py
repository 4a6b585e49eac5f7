"""How the demo looks: plain lines and a little colour, readable without a terminal too."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fairlead import Answer, Citation
from fairlead.schema import Hop, IngestReport

WIDTH = 100
INDENT = 7
STATUS = {"answered": "bold green", "abstained": "bold yellow"}


class Screen:
    """Prints the parts of the demo, at most 100 columns wide."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        self._console = Console(highlight=False, width=width)

    def heading(self, title: str, about: str) -> None:
        """A title and what a newcomer should know before the part begins."""
        self._console.print()
        self._console.rule(Text(title, "bold cyan"), align="left", style="cyan")
        self._console.print(Text(about, "italic"))
        self._console.print()

    def remark(self, text: str) -> None:
        self._row("", Text(text, "magenta"))

    def question(self, text: str) -> None:
        self._row("you", Text(text, "bold"))

    def hop(self, hop: Hop) -> None:
        """One hop with its reason and how long it took."""
        row = Table.grid(padding=(0, 1))
        for style, width in (("dim", INDENT - 1), ("cyan", 8)):
            row.add_column(style=style, width=width)
        row.add_column(ratio=1)
        row.add_column(style="dim", justify="right", width=8)
        row.add_row(f"hop {hop.index}", hop.kind, Text(hop.reason, "dim"), f"{hop.ms:.0f} ms")
        self._console.print(row)

    def answer(self, answer: Answer, seconds: float) -> None:
        """The text with a number behind each quoted stretch, its sources, status and time."""
        numbers = _numbers(answer.citations)
        self._row("desk", _marked(answer, numbers))
        for (source, quote), number in numbers.items():
            quoted = Text.assemble((source, "blue"), "  ", (f"“{_one_line(quote)}”", "dim"))
            self._row(f"[{number}]", quoted)
        status = Text(answer.status, STATUS.get(answer.status, "bold red"))
        self._row("", Text.assemble(status, (f" in {seconds * 1000:.0f} ms", "dim")))

    def ingested(self, report: IngestReport, seconds: float) -> None:
        """How much was read, and what the guard noticed on the way."""
        self._row(
            "",
            f"{report.documents['added']} documents, {report.chunks['added']} passages, "
            f"{report.vectors['added']} vectors in {seconds:.1f} s",
        )
        for source, kinds in _flags(report).items():
            self._row("flag", Text.assemble((source, "blue"), f": {kinds}"))

    def lines(self, text: str | Text) -> None:
        self._console.print(text)

    def _row(self, left: str, right: str | Text) -> None:
        row = Table.grid(padding=(0, 1))
        row.add_column(style="bold", width=INDENT - 1)
        row.add_column(ratio=1)
        row.add_row(Text(left), right)
        self._console.print(row)


def _numbers(citations: Iterable[Citation]) -> dict[tuple[str, str], int]:
    """A number for each source and quote, in the order of the answer."""
    keys = dict.fromkeys((c.source or f"tool {c.tool}", c.quote) for c in citations)
    return {key: number for number, key in enumerate(keys, start=1)}


def _marked(answer: Answer, numbers: dict[tuple[str, str], int]) -> Text:
    """The answer with `[n]` behind each stretch that citation n supports."""
    marked = Text(answer.text)
    shown = answer.text
    for citation in sorted(answer.citations, key=lambda c: -c.end):
        number = numbers[citation.source or f"tool {citation.tool}", citation.quote]
        shown = f"{shown[: citation.end]} [{number}]{shown[citation.end :]}"
    return Text(shown) if answer.citations else marked


def _flags(report: IngestReport) -> dict[str, str]:
    """Source → what the guard noticed in it, in words."""
    kinds: dict[str, list[str]] = {}
    for finding in report.findings:
        kinds.setdefault(str(finding.get("source")), []).append(str(finding.get("kind")))
    return {
        source: ", ".join(dict.fromkeys(kind.replace("_", " ") for kind in found))
        for source, found in kinds.items()
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


__all__: Sequence[str] = ["Screen"]
