"""How an answer reads: the text with its sources numbered, the quotes, one line on the run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fairlead.cli.failure import WAITING
from fairlead.cli.output import shortened, show, warn
from fairlead.errors import Refused, Unavailable

if TYPE_CHECKING:
    from fairlead.schema import Answer, Citation

SCHEMA = "fairlead.answer/1"
QUOTE = 240
"""Characters of a quote that are shown; the document of `--json` has all of it."""
_STYLES = {"answered": "", "refused": "red"}


def exit_status(answer: "Answer") -> int:
    """0 for anything that came to an honest end, else what stands in its way."""
    if answer.missing and answer.status in ("partial", "abstained"):
        return Unavailable.exit_code
    return {"refused": Refused.exit_code, "waiting": WAITING}.get(answer.status, 0)


def show_answer(answer: "Answer", seconds: float, *, told: str = "") -> None:
    """Prints the answer, its sources and a line on the run; warnings go to stderr.

    `told` is what was streamed already: a text that was told is not printed twice.
    """
    warn(*answer.warnings)
    numbers = _numbers(answer)
    if told.strip() != answer.text.strip():
        show(_marked(answer, numbers), _STYLES.get(answer.status, "yellow"))
    if numbers:
        show("")
        _show_sources(answer, numbers)
    show("")
    show(_run_line(answer, seconds), "dim")


def _numbers(answer: "Answer") -> Mapping[str, int]:
    """Sources in the order in which the text leans on them, from 1."""
    in_order = sorted(answer.citations, key=lambda citation: (citation.start, citation.end))
    names = dict.fromkeys(_source(citation) for citation in in_order)
    return {name: number for number, name in enumerate(names, start=1)}


def _source(citation: "Citation") -> str:
    return f"tool {citation.tool}" if citation.kind == "tool" else citation.source


def _marked(answer: "Answer", numbers: Mapping[str, int]) -> str:
    """The text with `[n]` behind every stretch that has a source."""
    marks: dict[int, dict[int, None]] = {}
    for citation in answer.citations:
        marks.setdefault(citation.end, {})[numbers[_source(citation)]] = None
    text = answer.text
    for end in sorted(marks, reverse=True):
        mark = "".join(f"[{number}]" for number in sorted(marks[end]))
        text = f"{text[:end]} {mark}{text[end:]}"
    return text


def _show_sources(answer: "Answer", numbers: Mapping[str, int]) -> None:
    for name, number in numbers.items():
        show(f"[{number}] {name}", "bold")
        quotes = dict.fromkeys(c.quote for c in answer.citations if _source(c) == name)
        for quote in quotes:
            show(f"“{shortened(quote, QUOTE)}”", "italic", indent=4)


def _run_line(answer: "Answer", seconds: float) -> str:
    hops = len(answer.hops)
    parts = [answer.status, f"{hops} hop{'s' if hops != 1 else ''}", f"{seconds:.2f} s"]
    if answer.route.model != "embedded":
        parts.append(answer.route.model)
    if answer.status == "asking":
        parts.append(f"answer with --thread {answer.thread_id}")
    if answer.trace_id:
        parts.append(f"trace {answer.trace_id}")
    return " · ".join(parts)
