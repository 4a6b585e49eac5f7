"""Findings in bounded number, however much of a thing a text holds."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal, TypeAlias

from fairlead.schema import Finding

MOST: Final = 64
"""Findings of one kind in one text; the last of them covers whatever follows."""

Kind: TypeAlias = Literal[
    "hidden_text", "control_token", "instruction_like", "truncated", "pii", "secret"
]
Span: TypeAlias = tuple[int, int, str]
"""Start, end, detail."""


def limited(kind: Kind, spans: Iterable[Span], length: int) -> Iterator[Finding]:
    """`spans` of a text of `length` characters as findings; from the 64th on, one for all."""
    rest = iter(spans)
    for start, end, detail in islice(rest, MOST - 1):
        yield Finding(kind=kind, start=start, end=end, detail=detail)
    last = next(rest, None)
    if last is None:
        return
    more = next(rest, None)
    end, detail = (length, "and more after it") if more else (last[1], last[2])
    yield Finding(kind=kind, start=last[0], end=end, detail=detail)
