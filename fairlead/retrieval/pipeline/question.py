"""What a question says of itself: its words, whom and what it names, when, and stated filters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from fairlead.retrieval.analysis import query_terms
from fairlead.retrieval.entities import named
from fairlead.retrieval.filters import Filter, Kind, parsed_filters
from fairlead.retrieval.pipeline.mentions import Mentions

_STATED: Final = re.compile(r'(?<![\w:/])([A-Za-z_]\w*):("[^"\n]{1,100}"|[^\s"?,;()]{1,100})')


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question as the pipeline understands it."""

    text: str
    """Without the filters that stand in it, misspelt words mended."""
    terms: tuple[str, ...]
    mentions: Mentions
    entities: tuple[str, ...] = ()
    """Names, identifiers and quoted phrases in it."""
    filters: tuple[Filter, ...] = ()
    """Stated as `field:value`, for declared fields only."""
    warnings: tuple[str, ...] = ()

    def mended(self, words: Mapping[str, str]) -> "Question":
        """With misspelt words replaced, and saying so."""
        if not words:
            return self
        said = ", ".join(f"{new!r} for {old!r}" for old, new in words.items())
        pieces = self.text.split()
        bare = [piece.strip(".,;:!?\"'()").lower() for piece in pieces]
        return replace(
            self,
            text=" ".join(words.get(b, piece) for b, piece in zip(bare, pieces, strict=True)),
            terms=tuple(words.get(term, term) for term in self.terms),
            warnings=(*self.warnings, f"searched for {said}"),
        )


def understood(text: str, declared: Mapping[str, Kind]) -> Question:
    """Reads a question. Raises `InputError` for a stated filter of the wrong type."""
    stated: dict[str, str] = {}

    def taken(found: re.Match[str]) -> str:
        if found[1] not in declared or found[1] in stated:
            return found[0]
        said = found[2]
        stated[found[1]] = said.strip('"') if said[0] == '"' else said.rstrip(".!") or said
        return ""

    bare = " ".join(_STATED.sub(taken, text).split()) if declared else text
    bare = bare if bare.strip() else text
    return Question(
        text=bare,
        terms=tuple(query_terms(bare)),
        mentions=Mentions(bare),
        entities=named(bare),
        filters=parsed_filters(stated, declared) if stated else (),
    )
