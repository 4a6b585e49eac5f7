"""What a span says of itself in a word, and why a hop was taken in a line."""

from collections.abc import Iterator, Sequence
from typing import Final

from fairlead.tracing import names
from fairlead.tracing.rows import SpanRow, TraceSummary

NOTE_STYLES: Final = {
    "error": "bold red",
    "running": "cyan",
    "interrupted": "yellow",
    "waiting": "yellow",
    "cancelled": "yellow",
    "block": "bold yellow",
    "transform": "yellow",
    "approve": "yellow",
    "allow": "dim green",
}
"""Styles of notes by their first word. A guard that blocks did its work: that is no red."""
_OUTCOMES: Final = {
    "answered": "green",
    "asking": "cyan",
    "abstained": "yellow",
    "waiting": "yellow",
    "partial": "yellow",
    "refused": "yellow",
    "error": "red",
    "open": "cyan",
    "interrupted": "yellow",
}


def outcome_of(summary: TraceSummary) -> tuple[str, str]:
    """The word for how a run came out, and its colour."""
    word = summary.status if summary.status != "ok" else summary.outcome or "ok"
    style = _OUTCOMES.get(word, "")
    if word == "open":
        word = "running"
    return (f"{word} {summary.error}" if word == "error" else word), style


def note_of(span: SpanRow) -> str:
    """What there is to say of a span beside its name and time."""
    if span.status == "open":
        return "running"
    if span.status == "interrupted":
        return "interrupted"
    if span.status == "error":
        return " ".join(filter(None, ["error", span.error_type, span.message]))
    ended = str(span.attributes.get(names.ENDED, ""))
    if ended:
        return "waiting" if ended == "interrupted" else ended
    for name in (names.GUARD_ACTION, names.STATUS, names.DECISION):
        if said := span.attributes.get(name):
            return str(said)
    return _counted(span)


def _counted(span: SpanRow) -> str:
    passages = span.attributes.get(names.RETRIEVAL_PASSAGES)
    if passages is not None:
        return _number(len(passages), "passage")
    attempt = span.attributes.get(names.ATTEMPT, 1)
    return f"attempt {attempt}" if attempt != 1 else ""


def explained(hop: SpanRow, inside: Sequence[SpanRow], dot: str) -> tuple[str, str]:
    """Why a hop was taken, and what came of it; `inside` are the spans below it."""
    done = [*_done(hop, inside), *_guards(inside)]
    tries = max((int(each.attributes.get(names.ATTEMPT, 1)) for each in inside), default=1)
    if tries > 1:
        done.append(f"{tries} attempts")
    return str(hop.attributes.get(names.DECISION_REASON, "")), dot.join(done)


def _done(hop: SpanRow, inside: Sequence[SpanRow]) -> Iterator[str]:
    """What the hop did, by its own account or by its spans."""
    if detail := str(hop.attributes.get(names.HOP_DETAIL, "")):
        yield detail
        return
    for span in inside:
        if tool := span.attributes.get(names.TOOL):
            yield f"{tool} {'failed' if span.status == 'error' else 'called'}"
        passages = span.attributes.get(names.RETRIEVAL_PASSAGES)
        if passages is not None:
            place = span.attributes.get(names.DATA_SOURCE, "")
            yield f"{_number(len(passages), 'passage')} from {place}"


def _guards(inside: Sequence[SpanRow]) -> Iterator[str]:
    """The verdicts of guards that noticed or did something, findings counted by kind."""
    for span in inside:
        action = span.attributes.get(names.GUARD_ACTION, "")
        kinds = list(span.attributes.get(names.GUARD_FINDINGS, ()))
        if action in ("", "allow") and not kinds:
            continue
        guard = span.attributes.get(names.GUARDRAIL, "guard")
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        reason = span.attributes.get(names.GUARD_REASON, "") if action != "allow" else ""
        told = ", ".join(str(each) for each in (counts, reason) if each)
        yield f"guard {guard}: {action}" + (f" ({told})" if told else "")


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
