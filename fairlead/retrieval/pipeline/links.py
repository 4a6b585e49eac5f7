"""What shares a name with the best passages: the second hop of a question, along entity links.

A question on "the director of Solaris" finds the film; the film's passage names Tarkovsky; his own
passage, which the question's words do not reach, is linked by the name.

Off by default, since it is not proven to help: recall@10 of the needed passages, 100 questions
each, without and with it: 2WikiMultihopQA .808 and .815, HotpotQA .940 and .950, MultiHop-RAG .939
and .928.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from fairlead.retrieval.pipeline.feedback import ranked
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Ref, Scores

BONUS: Final = 0.1
"""Added to the score of the passage with the strongest links."""
_BEST: Final = 3
"""Passages whose names are followed."""
_COMMON: Final = 30
"""A name that stands in so many passages links nothing."""
_NAMES: Final = 40


async def strengths(
    snapshot: Snapshot, scores: Scores, asked: Collection[str]
) -> Mapping[Ref, float]:
    """Passages linked to the best ones → how strongly, 1 for the strongest.

    A name counts the scores of the best passages that hold it, times its rarity,
    log(chunks / passages that hold it); a passage counts the names that it shares. Names in the
    question (`asked`) do not link: its words search for them already.
    """
    best = [ref for ref in ranked(scores)[:_BEST] if scores[ref] > 0]
    held = await snapshot.entities_of(best)
    worth: dict[str, float] = defaultdict(float)
    for ref in best:
        for name in held.get(ref, ()):
            if name not in asked:
                worth[name] += scores[ref]
    names = sorted(worth, key=lambda name: (-worth[name], name))[:_NAMES]
    sharing = await snapshot.linked(names, _COMMON)
    counts: dict[str, int] = defaultdict(int)
    for found in sharing.values():
        for name in found:
            counts[name] += 1
    rarity = {
        name: math.log(max(1.0, snapshot.chunks / count)) if count < _COMMON else 0.0
        for name, count in counts.items()
    }
    own = {(ref, name) for ref in best for name in held.get(ref, ()) if counts[name] < 2}
    strength = {
        ref: sum(worth[name] * rarity[name] for name in found if (ref, name) not in own)
        for ref, found in sharing.items()
    }
    top = max(strength.values(), default=0.0)
    return {ref: each / top for ref, each in strength.items() if each > 0} if top > 0 else {}
