"""How sure a model was of a word that it chose among known ones, from the logprobs of its tokens.

What counts at each token are the alternatives that lead to one of the known choices, so that what a
grammar would not have let through takes no share: servers return logprobs from before its mask.
Where a token leads to several choices the next one decides.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from fairlead.protocols import Completion, TokenLogprob

ALTERNATIVES: Final = 8
"""Alternatives for each token that are asked for: more than there are kinds of decisions."""
_KIND: Final = re.compile(r'"kind"\s*:\s*"')


def kind_probability(completion: Completion, kind: str, kinds: Iterable[str]) -> float | None:
    """The probability that the model gave `kind` among `kinds`; None where it cannot be told."""
    tokens = completion.logprobs
    whole = "".join(token.token for token in tokens)
    reply = completion.text.strip()
    found = _KIND.search(whole, max(0, whole.rfind(reply)))  # reasoning may stand before it
    return choice_probability(tokens, found.end(), kind, kinds) if found else None


def choice_probability(
    tokens: Sequence[TokenLogprob], start: int, choice: str, choices: Iterable[str]
) -> float | None:
    """The probability of `choice`, which begins `start` characters into the tokens' text.

    None where the tokens there do not say it. Approximate where alternatives are cut off.
    """
    left = {*choices, choice}
    found, path, at, said = 0.0, 1.0, 0, ""
    for token in tokens:
        begin, at = at, at + len(token.token)
        if at <= start:
            continue
        skipped = max(0, start - begin)
        masses = _masses(token, skipped)
        told = {word: {one for one in left if _leads(said + word, one)} for word in masses}
        total = sum(mass for word, mass in masses.items() if told[word])
        word = token.token[skipped:]
        if not total or choice not in told[word]:
            return None
        sure = sum(m for other, m in masses.items() if other != word and told[other] == {choice})
        found += path * sure / total
        path *= masses[word] / total
        said, left = said + word, told[word]
        if left == {choice} or said.startswith(choice):
            return min(1.0, found + path)
    return None


def _masses(token: TokenLogprob, skipped: int) -> dict[str, float]:
    """Probability by what the token and its alternatives say after the skipped characters."""
    masses = {token.token[skipped:]: math.exp(token.logprob)}
    for other, logprob in token.top:
        word = other[skipped:]
        if word and other.startswith(token.token[:skipped]):
            masses.setdefault(word, math.exp(logprob))
    return masses


def _leads(said: str, choice: str) -> bool:
    """Whether a text that begins with `said` begins with the choice, or may yet."""
    return choice.startswith(said) or said.startswith(choice)
