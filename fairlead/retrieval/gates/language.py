"""Which language a text is in: py3langid's model of 97 languages, on the beginning of the text."""

from functools import cache
from typing import Any, Final

READ: Final = 2000
"""Characters that are looked at."""
SHORTEST: Final = 20
"""Letters under which the answer would be a guess."""


def language_of(text: str) -> str:
    """An ISO 639-1 code, empty for a text with hardly a letter, or where the model cannot load.

    Texts of a line or two in neighbouring languages may be confused; code and tables come out as
    the language of their words, often English.
    """
    begin = text[:READ]
    if sum(map(str.isalpha, begin)) < SHORTEST:
        return ""
    try:
        language, _ = _classifier()(begin)
    except OSError:  # the model is unpacked into a temporary file, and the disk may be full
        return ""
    return str(language)


def plain_code(tag: str) -> str:
    """The language of a tag without region or script: `pt` of `pt-BR` and `PT_br`."""
    return tag.replace("_", "-").partition("-")[0].lower()


@cache
def _classifier() -> Any:
    """Loads the model: 0.7 s, once in a process."""
    import py3langid  # noqa: PLC0415 - see above

    return py3langid.classify
