"""How the demo looks: plain lines and a little colour, readable without a terminal too."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fairlead import Answer, Citation
from fairlead.reports import IngestReport
from fairlead.schema import Hop, Passage
from fairlead.tracing import Trace
from fairlead.tracing.tree import render

WIDTH = 100
MARGIN = 7
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
        self._console.print(Text(about))
        self._console.print()

    @contextmanager
    def waiting(self, doing: str) -> Iterator[None]:
        """Something moves on a terminal meanwhile."""
        with self._console.status(doing):
            yield

    def remark(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, "magenta"))

    def question(self, text: str) -> None:
        self._row("you", Text(text, "bold"))

    def hop(self, hop: Hop) -> None:
        """One hop: what the planner chose, why, what came of it and how long it took."""
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(style="dim", width=MARGIN - 1)
        row.add_column(style="cyan", width=8)
        row.add_column(ratio=1)
        row.add_column(style="dim", justify="right", width=8)
        row.add_row(f"hop {hop.index}", hop.kind, Text(hop.reason, "dim"), f"{hop.ms:.0f} ms")
        self._console.print(row)

    def answer(self, answer: Answer, seconds: float) -> None:
        """The text with a number behind what is quoted, then sources and quotes, status, time."""
        quotes = _quotes(answer)
        self._console.print()
        self._row("desk", _marked(answer, list(quotes)))
        for number, (source, quoted) in enumerate(quotes.items(), start=1):
            self._row(f"[{number}]", Text(source, "blue"))
            for line in _lines(source, quoted):
                self._row("", Text(line, "dim", no_wrap=True, overflow="ellipsis"))
        status = Text(answer.status, STATUS.get(answer.status, "bold red"))
        self._row("", Text.assemble(status, (f" in {seconds:.2f} s", "dim")))

    def ingested(self, report: IngestReport, seconds: float) -> None:
        """How much was read."""
        self._row(
            "",
            f"{report.documents['added']} documents, {report.chunks['added']} passages, "
            f"{report.vectors['added']} vectors in {seconds:.1f} s",
        )

    def flagged(self, passage: Passage) -> None:
        """A passage and the guard's findings in it."""
        self._row("", Text(passage.source, "blue"))
        self._row("", Text(_one_line(passage.text), "dim"))
        kinds = Counter(finding.kind.replace("_", " ") for finding in passage.findings)
        self._row("guard", Text(", ".join(f"{n} × {kind}" for kind, n in kinds.items()), "red"))

    def trace(self, trace: Trace) -> None:
        self._console.print(render(trace))

    def _row(self, left: str, right: str | Text) -> None:
        row = Table.grid(padding=(0, 1))
        row.add_column(style="bold", width=MARGIN - 1)
        row.add_column(max_width=self._console.width - MARGIN)
        row.add_row(Text(left), right)
        self._console.print(row)


def _named(citation: Citation) -> str:
    return f"tool {citation.tool}" if citation.kind == "tool" else citation.source


def _quotes(answer: Answer) -> dict[str, list[str]]:
    """Source → its quotes, in the order of the answer."""
    quotes: dict[str, dict[str, None]] = {}
    for citation in answer.citations:
        quotes.setdefault(_named(citation), {})[citation.quote] = None
    return {source: list(quoted) for source, quoted in quotes.items()}


def _lines(source: str, quotes: list[str]) -> list[str]:
    """What was quoted, a line for each; the fields of a tool's result share one."""
    if source.startswith("tool "):
        return [" · ".join(quotes)]
    return [f"“{_one_line(quote)}”" for quote in quotes]


def _marked(answer: Answer, sources: list[str]) -> str:
    """The answer with `[n]` behind what source n carries; neighbours on a line share one mark."""
    marked, ordered = answer.text, sorted(answer.citations, key=lambda c: c.end)
    for here, after in reversed(list(zip_longest(ordered, ordered[1:]))):
        shared = after and _named(after) == _named(here)
        if shared and "\n" not in answer.text[here.end : after.end]:
            continue
        number = sources.index(_named(here)) + 1
        marked = f"{marked[: here.end]} [{number}]{marked[here.end :]}"
    return marked


def _one_line(text: str) -> str:
    return " ".join(text.split())
