"""Misspelt words of a question, mended from the words of what the reader may see."""

from collections.abc import Mapping, Sequence

from fairlead.edits import distance
from fairlead.retrieval.analysis import STEMMER, words
from fairlead.retrieval.pieces import scalars
from fairlead.retrieval.store import Snapshot

_SHORTEST = 4
_TWO_EDITS_FROM = 8
_MOST = 8


async def mended(snapshot: Snapshot, question: str, terms: Sequence[str]) -> Mapping[str, str]:
    """Unknown terms → the nearest word that the collection knows; the first eight of them.

    Words under four letters, with digits or underscores, and capitalised words inside a sentence
    (names) are left alone. One edit is forgiven, two from eight letters on; neighbours that
    changed places are one edit.
    """
    found: dict[str, str] = {}
    for term in await _unknown(snapshot, question, terms):
        stem = STEMMER.stems([term])[term][0]
        near = await snapshot.similar_stems(stem, 2 if len(stem) >= _TWO_EDITS_FROM else 1)
        ranked = sorted((distance(stem, s, 9), -count, s) for s, count in near.items())
        surface = await _surface(snapshot, ranked[0][2], term) if ranked else ""
        if surface:
            found[term] = surface
    return found


async def _unknown(snapshot: Snapshot, question: str, terms: Sequence[str]) -> list[str]:
    stems = {}
    for term in dict.fromkeys(terms):
        if len(term) >= _SHORTEST and term.isalpha() and not _is_name(question, term):
            found = STEMMER.stems([term])[term]
            if len(found) == 1:
                stems[term] = found[0]
    known = await snapshot.frequencies(list(stems.values())) if stems else {}
    return [term for term, stem in stems.items() if stem not in known][:_MOST]


async def _surface(snapshot: Snapshot, stem: str, misspelt: str) -> str:
    """The word behind a stem, as some chunk writes it."""
    refs = await snapshot.sparse([stem], 1)
    found = await snapshot.candidates(list(refs))
    texts = [f"{c.title} {c.body} {' '.join(scalars(c.hit.metadata))}" for c in found.values()]
    said = [word for text in texts for word in words(text)]
    behind = [word for word, stems in STEMMER.stems(said).items() if stems == (stem,)]
    return min(behind, key=lambda word: (distance(misspelt, word, 9), word), default="")


def _is_name(question: str, term: str) -> bool:
    """Whether the word stands capitalised inside a sentence that is not all capitals."""
    at = question.lower().find(term)
    written = question[at : at + len(term)]
    return at > 0 and written[:1].isupper() and not question.isupper()
