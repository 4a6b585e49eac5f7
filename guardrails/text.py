"""One text from outside, cleaned and described.

Covers what `hygiene`, `tokens` and `instructions` say. Does not cover active Markdown or HTML,
personal data, secrets, or whether what the text says is true or meant well.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from fairlead.guardrails import hygiene, instructions, tokens
from fairlead.guardrails.findings import MOST, Span, limited
from fairlead.guardrails.shadow import Origin, folded
from fairlead.schema import Finding

Result = TypeVar("Result")
_SHOWN: Final = 80
"""Characters of the text that a finding's detail quotes."""
_REMEMBERED: Final = 4000
"""Characters of the longest text that is remembered."""
_marker: Final = re.compile(r"\n\[cut: \d+ of \d+ characters\]\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaned:
    """A text after the guard. `removed` are the code points of the original that were taken out,
    in rising order; an array, where there are any."""

    text: str
    findings: tuple[Finding, ...] = ()
    removed: Sequence[int] = ()


def clean(text: str) -> Cleaned:
    """`text` without hidden characters and with control tokens overwritten in place.

    Idempotent, never longer, identical for clean ASCII, linear in time. Findings count code points
    of the text as given. Raises `SettingsError` where RE2 is missing, nothing else.
    """
    return _remembering_clean(text)


def _clean(text: str) -> Cleaned:
    if text.isascii() and not instructions.scanner().rules(text.lower()):
        return Cleaned(text=text, findings=_truncation(text))
    gone: Sequence[int] = hygiene.hidden(text) if instructions.scanner().hides(text) else ()
    visible = hygiene.without(text, gone)
    whole, overwritten = tokens.broken(visible)
    origin = _Original(gone)
    findings = (
        *limited("hidden_text", _hidden(text, gone), len(text)),
        *limited("control_token", origin.spans(_quoted(whole, overwritten)), len(text)),
        *limited("instruction_like", origin.spans(_instructed(whole)), len(text)),
        *_truncation(text),
    )
    return Cleaned(text=whole, findings=findings, removed=gone or ())


def remembering(function: Callable[[str], Result]) -> Callable[[str], Result]:
    """The same function of a text, which remembers what it made of short ones.

    A run's prompts repeat one another: each is the last one and what has come since.
    """
    again = lru_cache(maxsize=1024)(function)
    return lambda text: again(text) if len(text) <= _REMEMBERED else function(text)


_remembering_clean: Final = remembering(_clean)


def cut(text: str, limit: int) -> str:
    """`text`, or its first `limit` characters and a marker; the guard finds it: `truncated`."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut: {limit} of {len(text)} characters]"


class _Original:
    """From places in the visible text to places in the text as given."""

    def __init__(self, gone: Sequence[int]) -> None:
        self._gone = gone

    def spans(self, spans: Iterable[Span]) -> Iterator[Span]:
        for start, end, detail in spans:
            yield self._place(start), self._place(end - 1) + 1, detail

    def _place(self, at: int) -> int:
        """`at`, moved by the characters that are gone before it."""
        gone = self._gone
        return at + bisect_right(range(len(gone)), at, key=lambda count: gone[count] - count)


def _hidden(text: str, gone: Sequence[int]) -> Iterator[Span]:
    for start, end in hygiene.runs(gone):
        yield start, end, tokens.broken(hygiene.described(text[start:end]))[0]


def _quoted(whole: str, spans: list[tuple[int, int]]) -> Iterator[Span]:
    for start, end in spans:
        yield start, end, whole[start : min(end, start + _SHOWN)]


def _instructed(whole: str) -> list[Span]:
    scanner = instructions.scanner()
    shadow = folded(whole)
    rules = [rule for rule in scanner.rules(shadow) if rule < instructions.COUNT]
    if not rules:
        return []
    origin = Origin(whole)
    return sorted(
        (*origin.span(start, end), instructions.named(rule))
        for rule in rules
        for start, end in scanner.spans(rule, shadow, limit=MOST)
    )


def _truncation(text: str) -> tuple[Finding, ...]:
    found = _marker.search(text, max(0, len(text) - 80)) if text.endswith("]") else None
    if not found:
        return ()
    start, end = found.span()
    return (Finding(kind="truncated", start=start, end=end, detail=text[start + 2 : end - 1]),)
