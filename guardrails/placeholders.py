"""Whether a value that stands where a secret would stand is one, or stands for one.

Covers variables and templates (`${TOKEN}`, `<your-key>`, `%PASS%`, `{{ secret }}`), masks (`****`,
`xxxx`), repeated and counted-up characters (`1234567890abcdef`), words that only examples use
(AKIAIOSFODNN7EXAMPLE), guesses that everybody makes (`P@ssw0rd1`), names, calls, paths and prose.
A password as weak as that is taken for an example even where somebody uses it.
"""

import re
from collections import Counter
from itertools import pairwise
from math import log2
from typing import Final

from fairlead.guardrails.patterns import compiled

_VARIABLE: Final = (
    r"^(?:[$%@#&*]?[{(<\[]|\$(?:env:)?[A-Za-z_]\w*$|%\w+%|@[A-Za-z]+[({])|[})>\]]$"
    r"|\.\.\.|…|\*\*\*|•••"
)
_EXAMPLE: Final = (
    r"(?i)example|placeholder|redacted|change[_\-]?(?:me|it)|replace|your|insert|dummy|sample|xxxx"
    r"|0000000|fake|foobar|lorem|here$|^(?:my|some|the|an?|test|demo|foo|new|old|user|enter)[_\-]"
)
_GUESS: Final = (
    r"(?:my|the|super|top|very|new|old|test|user|db|database|root|admin|default|a|some|strong)*"
    r"(?:passwords?|passwd|passw|pass|pwd|secrets?|letmein|qwerty|admin|root|test|demo|hunter|token"
    r"|guest|welcome|changeme|abc|abcdef|foo|bar|baz|key|apikey|string|value|text|none|null|true"
    r"|false|undefined|securestring|credentials?|user|username|default|required|optional)*"
)
_NAME: Final = r"[A-Za-z_][A-Za-z_\-]*(?:[.:]{1,2}[A-Za-z_][A-Za-z0-9_]*)*[.:]?"
_CODE: Final = (
    r"[()\[\]{}<>]|::|->|=>|&&|\\\\|==|//|^[A-Za-z_]+=[A-Za-z]"
    r"|^(?:[a-z]+:/|\.{0,2}/|[A-Za-z]:\\|~/|--?[a-z])"
)
_KEY: Final = r"[A-Za-z0-9+/=_.~\-]{16,}"
_leet: Final = str.maketrans("013457@$!", "oieastasi")


def is_placeholder(token: str) -> bool:
    """Whether a token of the right form was made up for an example."""
    return bool(compiled(_EXAMPLE).search(token)) or _monotonous(token)


def could_be_used(password: str) -> bool:
    """Whether `password`, from a place where nothing else stands, may be one somebody uses."""
    return not (
        compiled(_VARIABLE).search(password) or is_placeholder(password) or _guessable(password)
    )


def is_password(value: str) -> bool:
    """Whether `value`, which stands where a password may stand, is likely to be one: could be used,
    is no code, path or prose, and has more than one kind of characters."""
    if not could_be_used(value) or compiled(_NAME).fullmatch(value.strip("*_.,;:")):
        return False
    if compiled(_CODE).search(value) or " " in value.strip():
        return False
    return _kinds(value) > 1 and entropy(value) >= 2.5


def is_key(value: str) -> bool:
    """Whether `value`, which stands where a generated key stands, may be one: 16 characters or
    more of those keys are made of, not words joined to a name, and hardly any order."""
    if not compiled(_KEY).fullmatch(value) or not could_be_used(value):
        return False
    words = [part for part in re.split(r"[._\-]", value) if len(part) > 2 and part.isalpha()]
    named = len(words) > 1 or compiled(_NAME).fullmatch(value)
    return not named and entropy(value) >= 2.75


def entropy(value: str) -> float:
    """Bits per character that the frequencies of the characters of `value` hold."""
    size = len(value)
    return -sum(n / size * log2(n / size) for n in Counter(value).values())


def _monotonous(value: str) -> bool:
    """Whether half of the characters repeat the one before or count on from it."""
    steps = sum(ord(b) - ord(a) in (0, 1) for a, b in pairwise(value))
    return 2 * steps >= len(value)


def _guessable(value: str) -> bool:
    """Whether only digits and signs tell it from words that everybody tries first."""
    letters = "".join(filter(str.isalpha, value.lower().rstrip("0123456789!?.#$").translate(_leet)))
    return "password" in letters or compiled(_GUESS).fullmatch(letters) is not None


def _kinds(value: str) -> int:
    """Kinds of characters: small letters, capitals, digits, signs."""
    return len(
        {"a" if c.islower() else "A" if c.isupper() else "0" if c.isdigit() else "." for c in value}
    )
