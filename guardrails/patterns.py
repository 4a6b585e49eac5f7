"""Patterns matched with RE2: time linear in the text, whatever the text and the pattern.

One automaton says in a single pass which patterns occur in a text; only those are then run alone,
to say where. Linear time holds for one pass: a pattern that is run for all its matches must not
look far beyond each of them, so repetitions here are bounded or end at a character they exclude.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from fairlead.errors import SettingsError

_MEMORY: Final = 64 << 20
"""Bytes for RE2's automaton; at its default of 8 MiB random text makes it thirty times slower."""
DIGITS: Final = re.compile("[0-9]+")
"""One class is linear in the standard library too, and cheaper to call."""


class Patterns:
    """Several patterns, numbered in the order given. Raises `SettingsError` where RE2 is missing.

    `signs` are what their matches contain, in the same order: short, so that the automaton stays
    small; without them it looks for the patterns themselves. Works on what `encodable` returns.
    """

    def __init__(self, patterns: Sequence[str], signs: Sequence[str] = ()) -> None:
        self._patterns = tuple(patterns)
        self._set = library().Set.SearchSet(_options())
        for pattern in (*(signs or patterns), ""):
            self._set.Add(pattern)
        self._set.Compile()

    def present(self, text: str) -> list[int]:
        """Which patterns, or their signs, occur in `text`, in rising order.

        The empty pattern occurs in every text: where it is absent the automaton gave up (it ran
        out of memory), and every pattern is returned, to be tried alone.
        """
        found: set[int] = set(self._set.Match(text.encode()) or ())
        every = len(self._patterns)
        return sorted(found - {every}) if every in found else list(range(every))

    def spans(self, which: int, text: str) -> Iterator[tuple[int, int]]:
        """Where pattern number `which` matches: its groups that took part, else all of it."""
        pattern = compiled(self._patterns[which])
        groups = range(1, pattern.groups + 1) or range(1)
        for match in pattern.finditer(text):
            for group in groups:
                start, end = match.span(group)
                if start >= 0:
                    yield start, end


def encodable(text: str) -> str:
    """`text`, with a question mark for each half of a surrogate pair that stands alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


@cache
def compiled(pattern: str) -> Any:
    """`pattern`, ready to match. Raises `SettingsError` where RE2 is missing."""
    return library().compile(pattern, _options())


def library() -> Any:
    """The module `re2`. Raises `SettingsError` where it is missing."""
    try:
        import re2  # noqa: PLC0415 - native code: a missing one must be said plainly, not at import
    except ImportError as error:
        raise SettingsError(
            f"the guard cannot run without the library 'google-re2': {error}",
            hint="Install it (pip install google-re2); nothing is admitted without the guard.",
        ) from error
    return re2


def _options() -> Any:
    options = library().Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options
