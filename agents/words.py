"""Words as the embedded planner and answerer compare them: lower case, without endings."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from fairlead.edits import distance

STOP_WORDS: Final = frozenset(
    """
    a about after again all also am an and any anybody anyone anything are aren as at be because
    been before being between both but by can cannot could couldn did didn do does doesn doing don
    done down during each either else ever every few for from further get gets getting give given
    go goes going got had hadn has hasn have haven having he her here hers him his how however i if
    in into is isn it its itself just let like ll made make makes many may maybe me might mine more
    most much must my myself need needs neither no nor not now of off on once one only onto or other
    our ours out over own please put quite re really s same say says shall she should shouldn show
    so some somebody someone something still such sure t take taken tell than thank thanks that the
    their theirs them then there these they thing things this those through to too under until up
    upon us use used uses using ve very want wants was wasn way we were weren what whatever when
    where whether which while who whom whose why will with without won would wouldn yes yet you
    your yours yourself
    """.split()
)
"""Words that say nothing of the subject."""

_WORD: Final = re.compile(r"[^\W_]+(?:['’.\-_][^\W_]+)*")
_PART: Final = re.compile(r"[^\W_]+")
_VOWEL: Final = re.compile(r"[aeiouy]")
_ENDINGS: Final = (
    ("ational", "ate"), ("ization", "ize"), ("isation", "ize"), ("fulness", "ful"),
    ("ousness", "ous"), ("iveness", "ive"), ("ations", "ate"), ("ation", "ate"), ("ator", "ate"),
    ("ators", "ate"), ("ities", "ity"), ("ments", "ment"), ("ibly", "ible"), ("ably", "able"),
    ("ally", "al"), ("ency", "ent"), ("ancy", "ant"), ("ence", "ent"), ("ance", "ant"),
    ("ness", ""), ("ly", ""), ("ise", "ize"), ("ised", "ize"), ("ising", "ize"),
)  # fmt: skip


def fold(text: str) -> str:
    """Lower case without accents, curly quotes made straight, `e-mail` written as one word."""
    if text.isascii():
        return text.lower().replace("e-mail", "email")
    flat = unicodedata.normalize("NFKD", text.replace("’", "'").lower())
    plain = "".join(c for c in flat if not unicodedata.combining(c))
    return plain.replace("e-mail", "email")


def words(text: str) -> list[str]:
    """Every word of the text, folded; what is joined by a dot, dash or underscore is also split."""
    found: list[str] = []
    for whole in _WORD.findall(fold(text)):
        if whole.isalnum():  # most are
            found.append(whole)
            continue
        bare = whole.removesuffix("'s")
        parts = _PART.findall(bare)
        found += parts if len(parts) > 1 else [bare]
    return found


@lru_cache(maxsize=256)
def word_set(text: str) -> frozenset[str]:
    """The words of a text that is looked at again and again, such as a passage."""
    return frozenset(words(text))


def content(text: str) -> list[str]:
    """The words that say something of the subject, in order."""
    return [word for word in words(text) if word not in STOP_WORDS]


def stems(text: str) -> list[str]:
    """The stems of the content words, in order."""
    return list(_stems(text))


@lru_cache(maxsize=2048)  # sentences of a passage, compared with each sentence of an answer
def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in content(text))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """The word without plural, tense and common derivations. A light stemmer for English."""
    if len(word) < 4 or not word.isalpha():
        return word
    word = _singular(word)
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + instead
            break
    word = _untensed(word)
    if word.endswith("y") and len(word) > 3:
        word = word[:-1] + "i"
    return word.removesuffix("e") if len(word) > 3 else word


def _singular(word: str) -> str:
    if word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word


def _untensed(word: str) -> str:
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and _VOWEL.search(rest):
            if rest.endswith("i"):
                return rest[:-1] + "y"
            double = rest[-1] == rest[-2] and rest[-1] not in "lsz"
            return rest[:-1] if double else rest
    return word


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` probably misspells: one slip away, two from nine letters on.

    A slip is a letter missing, added, changed or swapped with its neighbour; the first letter
    must be right.
    """
    slips = 2 if len(word) >= 9 else 1
    best: tuple[int, int, str] | None = None
    for other in known:
        if other[:1] != word[:1] or abs(len(other) - len(word)) > slips:
            continue
        away = distance(word, other, slips)
        if 0 < away <= slips:
            found = (away, abs(len(other) - len(word)), other)
            best = found if best is None or found < best else best
    return best[2] if best else None
