"""The answerer that lets a chat model write, and turns its marks into citations."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlead.agents.prompts import NO_ANSWER, read_prompt, write_prompt
from fairlead.agents.questions import small_talk
from fairlead.agents.results import facts
from fairlead.agents.stretches import quotable
from fairlead.agents.units import cut, sentence_spans
from fairlead.agents.words import stems
from fairlead.decisions import View
from fairlead.guardrails import clean
from fairlead.protocols import Model, Request
from fairlead.schema import Citation, Draft, Passage, Route, ToolResult

CONTEXT: Final = 8000
"""Characters of passages in a prompt; about 2,000 tokens."""
QUOTED: Final = 300
"""Characters of a source that are quoted where no sentence of it can be told apart."""
_MARK: Final = re.compile(r"[ \t]*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")


@dataclass(frozen=True, kw_only=True)
class _Marked:
    """A text without its marks, and where each mark stood."""

    text: str
    marks: tuple[tuple[int, int], ...]
    """Position in `text`, number of the source."""


class ModelAnswerer:
    """Asks a chat model for an answer with [n] marks; keeps what the marks can prove."""

    def __init__(
        self, model: Model, *, context: int = CONTEXT, prompt: str | Path | None = None
    ) -> None:
        """`prompt`: a text, or the path of a file, instead of the one that comes along.

        Raises `SettingsError` for one that cannot be read.
        """
        self._model = model
        self._context = context
        self._prompt = read_prompt("answerer", prompt)

    async def answer(self, view: View) -> Draft:
        """The model's answer; `abstained` where it says that the sources hold none."""
        passages = _fitting(view.passages, self._context)
        results = [result for result in view.tool_results if not result.error]
        messages = write_prompt(
            view.question, passages, results, view.history, note=view.note, prompt=self._prompt
        )
        completion = await self._model.complete(
            Request(messages=messages, deadline=view.budget.seconds or None)
        )
        route = Route(model=self._model.name)
        said = clean(completion.text).text.strip()
        if not said or said.rstrip(".!").upper() == NO_ANSWER:
            return Draft(
                text="",
                status="abstained",
                route=route,
                usage=completion.usage,
                warnings=completion.warnings,
                prompt=self._prompt.version,
            )
        marked = _unmarked(said)
        citations, warnings = _citations(marked, [*passages, *results])
        if small_talk(view.question):
            warnings = ()
        return Draft(
            text=marked.text,
            citations=citations,
            route=route,
            usage=completion.usage,
            warnings=(*completion.warnings, *warnings),
            prompt=self._prompt.version,
        )


def _fitting(passages: Sequence[Passage], room: int) -> list[Passage]:
    """The best passages that fit, best first; at least one."""
    kept: list[Passage] = []
    for passage in sorted(passages, key=lambda p: (-p.score, p.passage_id)):
        if kept and len(passage.text) > room:
            continue
        kept.append(passage)
        room -= len(passage.text)
    return kept


def _unmarked(said: str) -> _Marked:
    pieces: list[str] = []
    marks: list[tuple[int, int]] = []
    at = length = 0
    for found in _MARK.finditer(said):
        pieces.append(said[at : found.start()])
        length += found.start() - at
        at = found.end()
        marks += [(length, int(number)) for number in re.findall(r"\d+", found[1])]
    text = "".join([*pieces, said[at:]])
    return _Marked(text=text, marks=tuple(marks))


def _citations(
    marked: _Marked, sources: Sequence[Passage | ToolResult]
) -> tuple[tuple[Citation, ...], tuple[str, ...]]:
    """One citation for each sentence and source; marks without a source are named."""
    found: list[Citation] = []
    warnings: list[str] = []
    spans = sentence_spans(marked.text)
    for position, number in marked.marks:
        span = next((s for s in reversed(spans) if s[0] < position), None)
        if not 1 <= number <= len(sources):
            warnings.append(f"the model cited [{number}], but there are {len(sources)} sources")
        elif span is not None:
            citation = _citation(marked.text, span, sources[number - 1])
            if citation not in found:
                found.append(citation)
    return tuple(found), tuple(dict.fromkeys(warnings))


def _citation(text: str, span: tuple[int, int], source: Passage | ToolResult) -> Citation:
    sentence = text[span[0] : span[1]]
    if isinstance(source, Passage):
        return Citation(
            kind="document",
            start=span[0],
            end=span[1],
            quote=_best(source.text, _spans(source), sentence),
            passage_id=source.passage_id,
            document_id=source.document_id,
            version=source.version,
            source=source.source,
        )
    held = [(fact.start, fact.end) for fact in facts(source)]
    return Citation(
        kind="tool",
        start=span[0],
        end=span[1],
        quote=source.text
        if len(source.text) <= QUOTED
        else _best(source.text, held or _lines(source.text), sentence),
        source=source.tool,
        tool=source.tool,
        call_id=source.call_id,
    )


def _lines(text: str) -> list[tuple[int, int]]:
    return [(unit.spans[0][0], unit.spans[-1][1]) for unit in cut(text)]


def _spans(passage: Passage) -> list[tuple[int, int]]:
    return [(unit.spans[0][0], unit.spans[-1][1]) for unit in quotable(passage)]


def _best(text: str, spans: Sequence[tuple[int, int]], sentence: str) -> str:
    """The stretch that shares most words and numbers with the sentence; the first of equals."""
    said = set(stems(sentence))
    if not spans:
        return text[:QUOTED]
    start, end = max(
        spans, key=lambda s: (len(said & set(stems(text[s[0] : s[1]]))), -(s[1] - s[0]), -s[0])
    )
    return text[start:end]
