"""What to search for: each question of a message, what tools said of it, and a wider second try."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from fairlead.agents.questions import Asked, clauses, topic
from fairlead.agents.stretches import plain
from fairlead.agents.words import STOP_WORDS, content, stem, words
from fairlead.schema import Passage

NARROWED: Final = 4
"""Searches narrowed by a value that a tool said, at most."""
QUERIES: Final = 8
"""Searches for one question, at most."""
_TOP, _TERMS = 5, 8


def queries(asked: Asked, facts: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Searches for one question: with each value that a tool said, whole, and by clause."""
    text = topic(asked.text) if facts else asked.text
    found = [f"{text.rstrip('?!. ')} {value}" for _, value in facts[:NARROWED]]
    found.append(text)
    if asked.focus != asked.text and len(content(asked.focus)) >= 3:
        found.append(asked.focus)
    return tuple(dict.fromkeys([*found, *clauses(text)]))[:QUERIES]


def widened(question: str, passages: Sequence[Passage]) -> str:
    """The question's own words with the terms that mark the best passages."""
    own = content(question)
    texts = [words(plain(passage.text)) for passage in passages[:_TOP]]
    spread = Counter(word for text in texts for word in set(text))
    known = {stem(word) for word in own}
    weight: dict[str, float] = defaultdict(float)
    for text in texts:
        for word, times in Counter(text).items():
            if (
                len(word) >= 3
                and word.isalpha()
                and word not in STOP_WORDS
                and stem(word) not in known
            ):
                weight[word] += times * math.log(1 + len(texts) / spread[word])
    ranked = sorted(weight.items(), key=lambda item: (-item[1], item[0]))
    return " ".join([*own, *(word for word, _ in ranked[:_TERMS])])
