"""Names in a text, by rules: what links a passage to others about the same thing.

Covers capitalised names of several words, single capitalised words inside a sentence, acronyms,
identifiers (camel case, snake case, dotted), codes of letters and digits, and short quoted phrases.
Does not know what a name stands for: "Paris" is one entity, city or person. Text in scripts
without capitals gives only codes and quoted phrases.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from fairlead.errors import SettingsError
from fairlead.retrieval.analysis import STOP_WORDS

Extractor: TypeAlias = Callable[[str], Sequence[str]]
"""A text's entities, each once or more; compared without regard to case."""

LONGEST: Final = 80
"""Characters of an entity."""
MOST: Final = 64
"""Entities of one passage."""
_UPPER: Final = f"[{''.join(filter(str.isupper, map(chr, range(0x3000))))}]"
"""Capitals of the scripts that have them."""
_WORD: Final = rf"{_UPPER}[\w'’]*"
_NAME: Final = re.compile(
    rf"(?<!\w){_WORD}(?:[ \-](?:(?:of|the|and|de|der|van|von|la|for|&) )?{_WORD}){{0,5}}"
)
_CODE: Final = re.compile(r"\b[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*\b")
_IDENTIFIER: Final = re.compile(
    r"\b[A-Za-z]\w*(?:[._]\w+)+\b|\b[a-z]+(?:[A-Z][a-z0-9]+)+\b|\b(?:[A-Z][a-z0-9]+){2,}\b"
)
_QUOTED: Final = re.compile(r"[\"“«]([^\"”»\n]{3,60})[\"”»]|`([^`\n]{2,60})`")
_OPENING: Final = re.compile(r"(?:^|[.!?:\n>#*|-])\s*$")


def named(text: str) -> tuple[str, ...]:
    """The entities of a text, folded, in the order they come, each once; at most 64."""
    found = dict.fromkeys(
        folded for raw in _candidates(text) if 2 < len(folded := fold(raw)) <= LONGEST
    )
    return tuple(found)[:MOST]


def fold(name: str) -> str:
    """A name as it is compared: without case, possessive and surplus space."""
    plain = re.sub(r"['’]s$", "", name.strip(" .,;:!?'’\"“”«»`-"))
    return " ".join(plain.split()).casefold()


def open_extractor(name: str) -> Extractor:
    """`rules`, or one's own as `module:function`. Raises `SettingsError` where there is none."""
    if name == "rules":
        return named
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"cannot import the entity extractor {name!r}: {error}",
            hint="Set entities to 'rules', or to MODULE:FUNCTION of a function of a text.",
        ) from error
    if not callable(found):
        raise SettingsError(f"the entity extractor {name!r} cannot be called")
    return _checked(found, name)


def _checked(extract: Callable[[str], object], name: str) -> Extractor:
    """Somebody's extractor, held to the type it promises."""

    def extractor(text: str) -> Sequence[str]:
        said = extract(text)
        if not isinstance(said, (list, tuple, set, frozenset)) or not all(
            isinstance(each, str) for each in said
        ):
            raise SettingsError(f"the entity extractor {name!r} did not return a list of names")
        found = dict.fromkeys(folded for each in said if 0 < len(folded := fold(each)) <= LONGEST)
        return tuple(found)[:MOST]

    return extractor


def _candidates(text: str) -> Iterator[str]:
    for found in _NAME.finditer(text):
        name = found[0]
        first, _, rest = name.partition(" ")
        opens = bool(_OPENING.search(text[max(0, found.start() - 4) : found.start()]))
        acronym = first.isupper() and len(first) > 1
        if (opens or found.start() == 0) and not acronym:
            if not rest:
                continue  # any word is capitalised there
            if first.lower() in STOP_WORDS:
                name = rest
        if name.lower() not in STOP_WORDS:
            yield name
    for found in _CODE.finditer(text):
        if any(map(str.isdigit, found[0])) and any(map(str.isalpha, found[0])):
            yield found[0]
    for found in _IDENTIFIER.finditer(text):
        yield found[0]
    for found in _QUOTED.finditer(text):
        yield found[1] or found[2]
