"""The words of a question as the documents spell them."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from fairlead.agents.questions import proper_names
from fairlead.agents.words import STOP_WORDS, content, fold, near, stem, words
from fairlead.protocols import Embedder

_MEASURE: Final = re.compile(
    r"\bhow \w+(?= (?:is|are|was|were|do|does|did|can|may|must|should|shall|will|would|has|have|"
    r"until|after|before|from|must)\b)"
)
_SHORTEST: Final = 3


def subject(question: str) -> list[str]:
    """Content words without the measure asked for: "how bright is the lamp" is about the lamp."""
    return content(_MEASURE.sub(" how ", fold(question)))


def vocabulary(texts: Iterable[str]) -> dict[str, str]:
    """Stem → the word that is written for it, of every word of the texts."""
    known: dict[str, str] = {}
    for text in texts:
        for word in words(text):
            known.setdefault(stem(word), word)
    return known


def mended(question: str, known: Mapping[str, str], embedder: Embedder | None) -> str:
    """The question with its misspelt words as the vocabulary spells them.

    Left alone: what the vocabulary or the embedder's own word list knows, names, what has digits.
    """
    names = proper_names(question)

    def instead(found: re.Match[str]) -> str:
        word = fold(found[0])
        root = stem(word)
        if len(word) < _SHORTEST or word in names or word in STOP_WORDS or root in known:
            return found[0]
        if embedder is not None and embedder.count_tokens(word) <= 1:
            return found[0]
        near_stop = near(word, STOP_WORDS) if len(word) >= 4 else None
        nearest = near(root, known)
        return known[nearest] if nearest else near_stop or found[0]

    return re.sub(r"[^\W\d_]+", instead, question)


def matched(question: str, known: Iterable[str]) -> dict[str, str]:
    """Stems to look for → the question's words, each as the nearest related stem that is known."""
    held = set(known)
    found: dict[str, str] = {}
    for word in subject(question):
        root = stem(word)
        if root not in held and len(root) >= 5 and root.isalpha():
            root = _related(root, held) or root
        found.setdefault(root, word)
    return found


def _related(root: str, known: Iterable[str]) -> str | None:
    """A known stem that shares most of its beginning: verify, verification."""
    best: tuple[int, str] | None = None
    for other in known:
        shared = 0
        for one, its in zip(root, other, strict=False):
            if one != its:
                break
            shared += 1
        if shared >= 5 and shared >= 0.75 * max(len(root), len(other)):
            best = max(best, (shared, other)) if best else (shared, other)
    return best[1] if best else None
