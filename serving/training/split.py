"""Which examples are set aside for validation: the same ones every time, near duplicates together.

A group of alike examples is set aside by a hash of its prompts, so neither the order of the file
nor examples that are added later move it to the other side, unless they join its group.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from fairlead.serving.training.likeness import Groups
from fairlead.serving.training.wording import key

_WHOLE: Final = 1 << 64


def set_aside(
    numbers: Iterable[int], groups: Groups, prompts: Sequence[int], share: float
) -> frozenset[int]:
    """Numbers of the examples for validation, about `share` of them: at least one group where
    there are two, and never all. Empty for a share of 0 and where there is one group only."""
    members: dict[int, list[int]] = {}
    for number in numbers:
        members.setdefault(groups.of(number), []).append(number)
    if not share or len(members) < 2:
        return frozenset()
    places = {
        group: min(key("split", str(prompts[number])) % _WHOLE for number in inside)
        for group, inside in members.items()
    }
    order = sorted(places, key=places.__getitem__)
    chosen = [group for group in order if places[group] < share * _WHOLE] or order[:1]
    if len(chosen) == len(order):
        chosen.pop()
    return frozenset(number for group in chosen for number in members[group])
