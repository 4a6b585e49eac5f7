"""What must not travel, told by its place: personal data and secrets, without the value itself.

A `Sensitive` may be logged, counted and stored; the text it points into may not.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from fairlead.guardrails.findings import Span, limited
from fairlead.schema import Finding, Personal

Certainty: TypeAlias = Literal["certain", "likely", "example"]
"""`certain`: its form leaves hardly anything else. `likely`: the form fits, but might by chance.
`example`: the form fits, and the value is set aside for documentation or tests: it is nobody's."""

_PERSONAL: Final = {entity: rank for rank, entity in enumerate(get_args(Personal))}
_ROUNDS: Final = 8
"""Looks at one text; ordinary text needs two, the second of which finds nothing."""
_SURENESS: Final = {certainty: rank for rank, certainty in enumerate(get_args(Certainty))}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitive:
    """One stretch of a text; `start` and `end` are code points of the text it was found in."""

    entity: str
    start: int
    end: int
    certainty: Certainty = "certain"


def resolved(found: Iterable[Sensitive]) -> tuple[Sensitive, ...]:
    """`found` in rising order without overlaps.

    What overlaps becomes one stretch from the first start to the last end, so that nothing of a
    dropped one stays behind. It is named after the longest of them, of equals after the surest,
    secrets before personal data and these in the order of `Personal`. It is as certain as the
    surest of them.
    """
    groups: list[list[Sensitive]] = []
    end = 0
    for one in sorted(found, key=lambda one: (one.start, one.end, one.entity)):
        if groups and one.start < end:
            groups[-1].append(one)
        else:
            groups.append([one])
        end = max(end, one.end)
    return tuple(group[0] if len(group) == 1 else _joined(group) for group in groups)


def _joined(group: list[Sensitive]) -> Sensitive:
    named = min(group, key=_precedence)
    return Sensitive(
        entity=named.entity,
        start=group[0].start,
        end=max(one.end for one in group),
        certainty=min((one.certainty for one in group), key=_SURENESS.__getitem__),
    )


def _precedence(one: Sensitive) -> tuple[int, int, int, str]:
    length = one.end - one.start
    return -length, _SURENESS[one.certainty], _PERSONAL.get(one.entity, -1), one.entity


def masked(text: str, found: Iterable[Sensitive]) -> str:
    """`text` with each stretch replaced by its entity in brackets: `[email]`, `[github_token]`.

    `found` may come from several searches of `text` and may overlap.
    """
    pieces: list[str] = []
    start = 0
    for one in resolved(found):
        pieces += (text[start : one.start], f"[{one.entity}]")
        start = one.end
    pieces.append(text[start:])
    return "".join(pieces)


def searched(text: str, search: Callable[[str], Iterable[Sensitive]]) -> tuple[Sensitive, ...]:
    """What `search` finds in `text`, and what it finds once that is masked, as places in `text`.

    Something may stand against another find as if it were a part of it, and show only when that one
    is gone; so masked text holds nothing more to be found.
    """
    found: tuple[Sensitive, ...] = ()
    more = resolved(search(text))
    for _ in range(_ROUNDS):
        if not more:
            break
        found = resolved((*found, *more))
        more = resolved(_unmasked(search(masked(text, found)), found))
    return found


def _unmasked(seen: Iterable[Sensitive], found: Sequence[Sensitive]) -> Iterator[Sensitive]:
    """What was seen between the placeholders of masked text, as places in the text itself."""
    ends, shifts, shift = [0], [0], 0
    for one in found:
        shift += one.end - one.start - len(one.entity) - 2
        ends.append(one.end - shift)
        shifts.append(shift)
    for one in seen:
        shift = shifts[bisect_right(ends, one.start) - 1]
        yield replace(one, start=one.start + shift, end=one.end + shift)


def findings_of(found: Iterable[Sensitive]) -> tuple[Finding, ...]:
    """`found` for the record, at most 64 of either kind: the last one covers whatever follows."""
    every = resolved(found)
    end = every[-1].end if every else 0
    personal = (_described(one) for one in every if one.entity in _PERSONAL)
    secret = (_described(one) for one in every if one.entity not in _PERSONAL)
    return (*limited("pii", personal, end), *limited("secret", secret, end))


def _described(one: Sensitive) -> Span:
    sure = one.certainty == "certain"
    return one.start, one.end, one.entity if sure else f"{one.entity} ({one.certainty})"
