"""A trace as a tree for people: what happened, for how long, and why each hop was taken.

    from rich.console import Console
    Console().print(render(TraceReader(path).trace("last")))

Rich is imported when something is rendered, not before.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Final

from fairlead.tracing import names
from fairlead.tracing.explanation import NOTE_STYLES, explained, note_of, outcome_of
from fairlead.tracing.rows import SpanRow, Trace

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

SVG_COLUMNS: Final = 100
_BAR_FROM: Final = 72
"""Columns of a terminal from which there is room for duration bars."""
_NOTE_FROM: Final = 36
"""Columns from which there is room for the word beside the time."""
_STYLES: Final = {
    "invoke_agent": "bold",
    "fairlead.hop": "bold cyan",
    "plan": "magenta",
    "retrieval": "blue",
    "execute_tool": "green",
    "apply_guardrail": "yellow",
    "chat": "magenta",
}
"""Colours by the first word of a span's name; each line says in words what they say."""


@dataclass(frozen=True)
class _Glyphs:
    """What the tree is drawn with."""

    branch: str
    last: str
    pipe: str
    why: str
    bar: str
    open: str
    dot: str


_UNICODE: Final = _Glyphs("├─ ", "└─ ", "│  ", "↳ ", "━", "╌", " · ")
_ASCII: Final = _Glyphs("|- ", "`- ", "|  ", "> ", "=", ".", " - ")


@dataclass(frozen=True)
class _Line:
    """One span with its place in the tree."""

    span: SpanRow
    lead: str
    """The branches before its name."""
    under: str
    """The branches before a line that belongs to it."""
    inside: Sequence[SpanRow]
    """Everything below it."""


def render(trace: Trace) -> "TraceTree":
    """What a Rich console prints as the tree of `trace`."""
    return TraceTree(trace)


def render_svg(trace: Trace, *, title: str = "", columns: int = SVG_COLUMNS) -> str:
    """The tree as an SVG picture of a terminal."""
    from rich.console import Console  # noqa: PLC0415 - only for pictures

    console = Console(
        record=True, width=columns, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(TraceTree(trace))
    return console.export_svg(title=title or f"fairlead trace show {trace.trace_id[:8]}")


class TraceTree:
    """A Rich renderable: a heading, then a line per span and one of reasons per hop."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        glyphs = _ASCII if options.ascii_only else _UNICODE
        yield from _Drawing(self._trace, glyphs, options.max_width).lines()


class _Drawing:
    """One rendering, for one width."""

    def __init__(self, trace: Trace, glyphs: _Glyphs, width: int) -> None:
        self._trace, self._glyphs, self._width = trace, glyphs, width
        spans = trace.spans
        self._from = min((span.start_ns for span in spans), default=0)
        self._to = max((span.end_ns or span.start_ns for span in spans), default=0)
        self._lines = list(_tree(spans, glyphs))
        # columns: name | bar | ms | note
        self._ms = max(7, len(_milliseconds(self._to - self._from)))
        self._bar = min(28, width // 4) if width >= _BAR_FROM else 0
        note = max((len(note_of(line.span)) for line in self._lines), default=0)
        self._note = min(note, width // 5) if width >= _NOTE_FROM else 0
        widest = max((len(line.lead) + len(line.span.name) for line in self._lines), default=0)
        gaps = 2 * (bool(self._bar) + 1 + bool(self._note))
        room = width - self._bar - self._ms - self._note - gaps
        self._name = max(8, min(widest, room))

    def lines(self) -> "Iterator[Text]":
        """The heading and the tree, as unwrapped lines."""
        yield from self._heading()
        for line in self._lines:
            yield self._span(line)
            if line.span.name.startswith(f"{names.SCOPE}.hop"):
                yield from self._why(line)

    def _heading(self) -> "Iterator[Text]":
        summary, dot = self._trace.summary, self._glyphs.dot
        outcome, style = outcome_of(summary)
        facts = [f"{summary.hops} hop{'' if summary.hops == 1 else 's'}"]
        if summary.ms is not None:
            facts.append(_milliseconds(round(summary.ms * 1e6)))
        facts.append(f"{summary.start:%Y-%m-%d %H:%M:%S} UTC")
        for number, part in enumerate(_packed([outcome, *facts], dot, self._width)):
            told = len(outcome) if number == 0 else 0
            yield self._text((part[:told], f"bold {style}"), (part[told:], ""))
        if summary.question:
            for part in _wrapped(_clean(summary.question), self._width):
                yield self._text((part, "italic"))
        known = [("trace", summary.trace_id), ("tenant", summary.tenant), ("run", summary.run_id)]
        for part in _packed(
            [f"{name} {value}" for name, value in known if value], dot, self._width
        ):
            yield self._text((part, "dim"))
        for link in self._links():
            yield self._text((f"continues trace {link}", "dim"))
        yield self._text(("", ""))

    def _links(self) -> Sequence[str]:
        return [link.trace_id for span in self._trace.spans if span.root for link in span.links]

    def _span(self, line: _Line) -> "Text":
        span = line.span
        style = _style(span)
        room = self._name - len(line.lead)
        name = _fitted(_clean(span.name), room, self._glyphs)
        parts = [(line.lead, "dim"), (name.ljust(max(0, room)), style)]
        if self._bar:
            parts += [("  ", ""), *self._timeline(span)]
        elapsed = "" if span.end_ns is None else _milliseconds(span.end_ns - span.start_ns)
        parts += [("  ", ""), (elapsed.rjust(self._ms), "")]
        if self._note:
            note = note_of(span)
            style = NOTE_STYLES.get(note.partition(" ")[0], "dim")
            parts += [("  ", ""), (_fitted(_clean(note), self._note, self._glyphs), style)]
        return self._text(*parts)

    def _timeline(self, span: SpanRow) -> "list[tuple[str, str]]":
        """The span's bar, at its place on the run's time."""
        scale = self._bar / max(1, self._to - self._from)
        start = (span.start_ns - self._from) * scale
        end = ((span.end_ns or self._to) - self._from) * scale
        style = "bold red" if span.status == "error" else _style(span)
        if span.end_ns is None:
            return self._block(start, end, self._glyphs.open, "dim cyan")
        if self._glyphs is _ASCII:
            return self._block(start, end, self._glyphs.bar, style)
        return self._fine(start, end, style)

    def _block(self, start: float, end: float, glyph: str, style: str) -> "list[tuple[str, str]]":
        first = min(self._bar - 1, int(start))
        last = min(self._bar, max(first + 1, round(end)))
        rest = " " * (self._bar - last)
        return [(" " * first, ""), (glyph * (last - first), style), (rest, "")]

    def _fine(self, start: float, end: float, style: str) -> "list[tuple[str, str]]":
        """A bar to half a column, and at least that."""
        left = min(round(start * 2), self._bar * 2 - 1)
        right = max(left + 1, min(round(end * 2), self._bar * 2))
        bar = "╺" * (left % 2) + "━" * (right // 2 - (left + 1) // 2) + "╸" * (right % 2)
        before = left // 2
        return [(" " * before, ""), (bar, style), (" " * (self._bar - before - len(bar)), "")]

    def _why(self, line: _Line) -> "Iterator[Text]":
        """Why the hop was taken and what came of it: one line if it fits, else one for each."""
        mark, dot = self._glyphs.why, self._glyphs.dot
        said = [_clean(part) for part in explained(line.span, line.inside, dot) if part]
        room = max(20, self._width - len(line.under) - len(mark))
        together = dot.join(said)
        parts = [together] if len(together) <= room else said
        for part in (each for whole in parts for each in _wrapped(whole, room)):
            yield self._text((line.under, "dim"), (mark, "dim"), (part, "italic"))
            mark = " " * len(mark)

    def _text(self, *parts: tuple[str, str]) -> "Text":
        from rich.text import Text  # noqa: PLC0415 - see the module's docstring

        made = Text(no_wrap=True, overflow="ignore")
        for text, style in parts:
            made.append(_shown(text), style or None)
        made.rstrip()
        made.truncate(self._width)
        return made


def _tree(spans: Sequence[SpanRow], glyphs: _Glyphs) -> Iterator[_Line]:
    """Depth first; a span whose parent is not here stands at the top."""
    here = {span.span_id for span in spans}
    below: dict[str, list[SpanRow]] = {}
    for span in spans:
        below.setdefault(span.parent_span_id if span.parent_span_id in here else "", []).append(
            span
        )

    def inside(span: SpanRow) -> list[SpanRow]:
        direct = below.get(span.span_id, [])
        return [each for child in direct for each in (child, *inside(child))]

    def lines(span: SpanRow, lead: str, under: str) -> Iterator[_Line]:
        children = below.get(span.span_id, [])
        first = under + (glyphs.pipe if children else " " * len(glyphs.pipe))
        yield _Line(span, lead, first, inside(span))
        for number, child in enumerate(children, start=1):
            last = number == len(children)
            turn = glyphs.last if last else glyphs.branch
            rest = " " * len(glyphs.pipe) if last else glyphs.pipe
            yield from lines(child, under + turn, under + rest)

    for root in below.get("", []):
        yield from lines(root, "", "")


def _style(span: SpanRow) -> str:
    return _STYLES.get(span.name.partition(" ")[0], "")


def _milliseconds(ns: int) -> str:
    ms = ns / 1e6
    return f"{ms:,.0f} ms" if ms >= 10_000 else f"{ms:,.1f} ms" if ms >= 1 else f"{ms:.2f} ms"


def _clean(text: str) -> str:
    """On one line, and harmless."""
    return _shown(" ".join(text.split()))


def _shown(text: str) -> str:
    """What a terminal would obey is shown instead of sent."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _fitted(text: str, room: int, glyphs: _Glyphs) -> str:
    if len(text) <= room:
        return text
    mark = "~" if glyphs is _ASCII else "…"
    return text[: max(0, room - 1)] + mark


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, room, break_long_words=True, break_on_hyphens=False)


def _packed(parts: Sequence[str], dot: str, width: int) -> list[str]:
    """The parts on as few lines as hold them whole."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(dot) + len(part) <= width:
            lines[-1] += dot + part
        else:
            lines.append(part)
    return lines
