"""The text of a draft as it grows: quoted stretches with their citations, and few words between."""

import re
from typing import Final

from fairlead.schema import Citation, Passage, ToolResult

_GAP: Final = re.compile(r"\s+")


class Text:
    """Keeps the code points of citations right while text is added."""

    def __init__(self) -> None:
        self._text = ""
        self.citations: list[Citation] = []

    def own(self, words: str) -> None:
        """Adds words that quote nothing."""
        self._text += words

    def paragraph(self) -> None:
        """Begins a new paragraph, unless nothing was said yet."""
        if self._text.strip():
            self._text = f"{self._text.rstrip()}\n\n"

    def line(self) -> None:
        """Begins a new line, unless one was begun."""
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"

    def space(self) -> None:
        """A space, unless white space is there already."""
        if self._text and not self._text[-1].isspace():
            self._text += " "

    def quote(self, passage: Passage, start: int, end: int, *, folded: bool = True) -> None:
        """Adds a stretch of a passage; `folded`: every run of white space becomes one space."""
        quote = passage.text[start:end]
        begin = len(self._text)
        self._text += _GAP.sub(" ", quote) if folded else quote
        self.citations.append(
            Citation(
                kind="document",
                start=begin,
                end=len(self._text),
                quote=quote,
                passage_id=passage.passage_id,
                document_id=passage.document_id,
                version=passage.version,
                source=passage.source,
            )
        )

    def say(self, words: str, result: ToolResult, start: int, end: int) -> None:
        """Adds what a tool said; `words` has the letters of `result.text[start:end]`."""
        begin = len(self._text)
        self._text += words
        self.citations.append(
            Citation(
                kind="tool",
                start=begin,
                end=len(self._text),
                quote=result.text[start:end],
                source=result.tool,
                tool=result.tool,
                call_id=result.call_id,
            )
        )

    def finished(self) -> str:
        """The whole text."""
        return self._text.rstrip()
