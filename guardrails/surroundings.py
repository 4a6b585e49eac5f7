"""What stands around a stretch of a text, looked at over a bounded distance."""

from typing import Final

from fairlead.guardrails.patterns import compiled

_JOINS: Final = "-./:\u2010\u2011"


def free(text: str, start: int, end: int, joins: str = _JOINS) -> bool:
    """Whether `text[start:end]`, a number, is not a part of a longer word or number.

    A character of `joins` between two digits makes one longer number of both.
    A placeholder beside it counts as a part: what was masked made the number longer, too.
    """
    before, after = text[start - 1 : start], text[end : end + 1]
    if before and (before.isalnum() or before in "_]"):
        return False
    if after and (after.isalnum() or after in "_["):
        return False
    if before and before in joins and text[max(0, start - 2) : start - 1].isdigit():
        return False
    return not (after and after in joins and text[end + 1 : end + 2].isdigit())


def follows(text: str, start: int, words: str) -> bool:
    """Whether the pattern `words` matches in the 40 characters before `start`, on its line."""
    before = text[max(0, start - 40) : start]
    return compiled(words).search(before[before.rfind("\n") + 1 :]) is not None


def beside(text: str, start: int, end: int, words: str) -> bool:
    """Whether the pattern `words` matches within 40 characters of it, on its line."""
    after = text[end : end + 40].partition("\n")[0]
    return follows(text, start, words) or compiled(words).search(after) is not None
