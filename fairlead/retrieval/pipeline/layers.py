"""Document first, then passage: which documents of a wide search are searched by themselves."""

import operator
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from fairlead.retrieval.stored import Candidate, Ref, Scores

WIDE: Final = 300
"""Passages of each ranking that documents are chosen by."""
_SHARES: Final = (1.0, 0.2, 0.1)
"""What a document's best passages count. With the plain sum of three, twenty documents had nDCG@10
.580 on six public sets of short documents, so .611, and .613 without this stage.
"""


def documents(scores: Scores, candidates: Mapping[Ref, Candidate], most: int) -> list[Ref]:
    """The `most` best document versions, best first, by their best passage, the next two a little.

    Passages that score below 0 count as 0; ties go by the order of `scores`.
    """
    by_document: dict[Ref, list[float]] = defaultdict(list)
    for ref, score in scores.items():
        if ref in candidates:
            by_document[candidates[ref].document].append(max(0.0, score))
    worth = {
        document: sum(map(operator.mul, _SHARES, sorted(found, reverse=True)))
        for document, found in by_document.items()
    }
    return sorted(worth, key=lambda document: -worth[document])[:most]
