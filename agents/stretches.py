"""The stretches of a passage that may be quoted, and how they read."""

import re
from functools import lru_cache

from fairlead.agents.units import Unit, cut
from fairlead.agents.words import stems
from fairlead.schema import Passage

_SHORT = 80
"""Characters of metadata that name something; longer values are texts."""


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Markdown as it reads: link texts without addresses, roles and emphasis without marks."""
    text = re.sub(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[[^\[\]]*\])", r"\1", text)
    text = re.sub(r"\{[\w:+-]+\}`~?([^`<]*?)(?:\s*<[^`]*>)?`", r"\1", text)
    text = re.sub(r"<!--.*?-->|</?[a-zA-Z][^<>\n]{0,200}>", " ", text)
    return re.sub(r"\s+", " ", re.sub(r"[*`#|>]|\\(?=\W)", " ", text)).strip()


@lru_cache(maxsize=4096)
def roots(text: str) -> frozenset[str]:
    """The distinct stems of a text as it reads."""
    return frozenset(stems(plain(text)))


def reading(passage: Passage, unit: Unit) -> str:
    """The unit as it reads."""
    return plain(" ".join(passage.text[a:b] for a, b in unit.spans))


def introduction(passage: Passage, unit: Unit) -> str:
    """What the unit cannot be read without, as it reads."""
    return plain(" ".join(passage.text[a:b] for a, b in unit.lead))


def surroundings(passage: Passage) -> frozenset[str]:
    """Stems of what a passage stands under: title, headings, and metadata that names something."""
    values = [v for v in passage.metadata.values() if isinstance(v, str) and len(v) <= _SHORT]
    return roots(" ".join([passage.title, *passage.headings, *values]))


def quotable(passage: Passage, index: int = 0) -> list[Unit]:
    """The units that say something, without any block that carries an instruction to an assistant.

    `index` becomes the units' `passage`.
    """
    flagged = _flagged(passage)
    units = cut(passage.text, index, opening=passage.start == 0)
    tainted = {
        unit.block
        for unit in units
        if any(a < end and start < b for start, end in flagged for a, b in unit.spans)
    }
    return [
        unit
        for unit in units
        if unit.kind != "heading"
        and unit.block not in tainted
        and (unit.kind != "sentence" or len(roots(reading(passage, unit))) >= 2)
    ]


def _flagged(passage: Passage) -> list[tuple[int, int]]:
    """Where instructions stand in the guarded text; findings count the text before the guard."""

    def guarded(position: int) -> int:
        return position - sum(at < position for at in passage.removed)

    return [
        (guarded(finding.start), guarded(finding.end))
        for finding in passage.findings
        if finding.kind == "instruction_like"
    ]
