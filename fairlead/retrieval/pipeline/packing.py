"""Passages fitted into a budget of tokens: no stretch twice, neighbours joined, best first."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fairlead.schema import Hit

Read = Callable[[Hit, int, int], str]
"""The code points from so many to so many of a hit's document version."""


def packed(
    hits: Sequence[Hit], read: Read, *, tokens: int | None, count: Callable[[str], int]
) -> tuple[Hit, ...]:
    """The best hits that fit, as passages of which no two overlap.

    Hits of one document version that overlap become one, at the rank and with the ids of the best
    of them; within a budget also those that touch (only white space between). Heading, date and
    what a passage carries stay with it and count. `tokens` None means no limit; else the first
    passage always fits, cut if need be at a word.
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
            return _ranked([_cut(hit, tokens, count)])
    return _ranked(kept)


def shown(hit: Hit) -> str:
    """A passage as a reader of the context sees it: title and headings, date, what it carries."""
    head = " › ".join(dict.fromkeys((hit.title, *hit.headings)))
    if hit.published_at:
        head = f"{head} ({hit.published_at:%Y-%m-%d})"
    return "\n".join(part for part in (head, hit.lead, hit.text) if part)


def _joined(hits: Sequence[Hit], read: Read, *, touching: bool) -> list[Hit]:
    kept: list[Hit] = []
    for hit in hits:
        at = next((n for n, held in enumerate(kept) if _meet(held, hit, read, touching)), None)
        if at is None:
            kept.append(hit)
            continue
        held = kept[at]
        start, end = min(held.start, hit.start), max(held.end, hit.end)
        first = held if held.start <= hit.start else hit
        kept[at] = replace(
            held,
            start=start,
            end=end,
            text=read(held, start, end),
            headings=first.headings,
            lead=first.lead,
        )
    return kept


def _meet(held: Hit, hit: Hit, read: Read, touching: bool) -> bool:
    if (held.document_id, held.version, held.collection) != (
        hit.document_id,
        hit.version,
        hit.collection,
    ):
        return False
    first, second = (held, hit) if held.start <= hit.start else (hit, held)
    if second.start < first.end or not touching:
        return second.start < first.end
    return second.start - first.end <= 8 and not read(held, first.end, second.start).strip()


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
