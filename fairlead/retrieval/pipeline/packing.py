"""Passages fitted into a budget of tokens: no stretch twice, neighbours joined, best first."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from fairlead.schema import Hit

_TOUCHING: Final = 8
"""Code points of white space between two passages of one text that are read as one."""

Read = Callable[[Hit, int, int], str]
"""The code points from so many to so many of a hit's document version."""


def packed(
    hits: Sequence[Hit], read: Read, *, tokens: int | None, count: Callable[[str], int]
) -> tuple[Hit, ...]:
    """The best hits that fit, as passages of which no two overlap.

    Hits of one document version that overlap become one, at the rank and with the ids of the best
    of them; within a budget also those that touch (only white space between). Heading, date and
    what a passage carries stay with it and count. `tokens` None means no limit; else the first
    passage is cut if need be, at a word; none is left where not even its headings fit.
    """
    joined = _joined(hits, read, touching=tokens is not None)
    if tokens is None:
        return _ranked(joined)
    kept: list[Hit] = []
    left = tokens
    for hit in joined:
        size = count(shown(hit))
        if size <= left:
            kept.append(hit)
            left -= size
        elif not kept:
            first = _cut(hit, tokens, count)
            return _ranked([first] if first.text else [])
    return _ranked(kept)


def shown(hit: Hit) -> str:
    """A passage as a reader of the context sees it: title and headings, date, what it carries."""
    head = " › ".join(dict.fromkeys((hit.title, *hit.headings)))
    if hit.published_at:
        head = f"{head} ({hit.published_at:%Y-%m-%d})"
    return "\n".join(part for part in (head, hit.lead, hit.text) if part)


def _joined(hits: Sequence[Hit], read: Read, *, touching: bool) -> list[Hit]:
    """The hits in order, a joined one at the place of its best; also those that it now reaches."""
    kept: list[Hit] = []
    for hit in hits:
        kept.append(hit)
        at = len(kept) - 1
        while met := _met(kept, at, read, touching):
            other, between = met
            at, last = sorted((at, other))
            kept[at] = _one(kept[at], kept.pop(last), between)
    return kept


def _met(kept: Sequence[Hit], at: int, read: Read, touching: bool) -> tuple[int, str] | None:
    """The first hit that is to be one with that at a place, and what lies between the two."""
    for other, held in enumerate(kept):
        between = None if other == at else _between(held, kept[at], read, touching)
        if between is not None:
            return other, between
    return None


def _one(best: Hit, other: Hit, between: str) -> Hit:
    first, second = (best, other) if best.start <= other.start else (other, best)
    text = first.text + between + second.text[max(0, first.end - second.start) :]
    return replace(
        best,
        start=first.start,
        end=max(first.end, second.end),
        text=text,
        headings=first.headings,
        lead=first.lead,
    )


def _between(held: Hit, hit: Hit, read: Read, touching: bool) -> str | None:
    """What lies between two hits that are to be one, empty where they overlap; else None."""
    if (held.document_id, held.version, held.collection) != (
        hit.document_id,
        hit.version,
        hit.collection,
    ):
        return None
    first, second = (held, hit) if held.start <= hit.start else (hit, held)
    gap = second.start - first.end
    if gap < 0:
        return ""
    if not touching or gap > _TOUCHING:
        return None
    between = read(held, first.end, second.start)
    return between if len(between) == gap and not between.strip() else None


def _cut(hit: Hit, tokens: int, count: Callable[[str], int]) -> Hit:
    """The beginning of a passage that fits, ending at a word."""
    low, high = 0, len(hit.text)
    while low < high:
        middle = (low + high + 1) // 2
        if count(shown(replace(hit, text=hit.text[:middle]))) <= tokens:
            low = middle
        else:
            high = middle - 1
    text = hit.text[:low]
    if low < len(hit.text) and " " in text:
        text = text[: text.rindex(" ")]
    text = text.rstrip()
    return replace(hit, text=text, end=hit.start + len(text))


def _ranked(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    return tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1))
