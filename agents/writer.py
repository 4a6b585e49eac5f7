"""The answerer that lets a chat model write, and turns its marks into citations."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from fairlead.agents.claims import Claim, claims, code_spans
from fairlead.agents.mending import cited_only
from fairlead.agents.prompts import NO_ANSWER, read_prompt, write_prompt
from fairlead.agents.questions import small_talk
from fairlead.agents.results import facts
from fairlead.agents.stretches import quotable
from fairlead.agents.support import Backing, complaint, quoted_best
from fairlead.agents.units import cut
from fairlead.agents.words import stems
from fairlead.decisions import View
from fairlead.guardrails import clean
from fairlead.protocols import Model, Request
from fairlead.schema import Citation, Draft, Passage, Route, ToolResult

CONTEXT: Final = 8000
"""Characters of passages in a prompt; about 2,000 tokens."""
QUOTED: Final = 300
"""Characters of a source that are quoted where no sentence of it can be told apart."""
STRETCHES: Final = 3
"""Stretches of one source that are quoted for one claim."""
_MARK: Final = re.compile(
    r"[ \t]*(?P<open>[\[【])\s*(?:\^|\#|sources?:?\s+\#?)?"
    r"(?P<numbers>[1-9]\d{0,2}(?:\s*[,;–-]\s*[1-9]\d{0,2})*)(?:†[^\]】]{0,40})?\s*"
    r"[\]】](?:\([^()\s]*\))?",
    re.IGNORECASE,
)
"""`[1]`, `[1, 3]`, `[2-4]`, `[source 1]`, `【1】`, with or without a link behind it."""
_RANGE: Final = 20
"""Numbers that a range may stand for."""


_Source: TypeAlias = Passage | ToolResult


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
            Request(
                messages=messages,
                deadline=view.budget.seconds or None,
                tenant=view.tenant,
                thread=view.thread,
                subject=view.subject,
                answer=view.run_id,
                view=view,
            )
        )
        route = completion.route or Route(model=self._model.name)
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
        draft = Draft(
            text=marked.text,
            citations=citations,
            route=route,
            usage=completion.usage,
            warnings=(*completion.warnings, *warnings),
            prompt=self._prompt.version,
        )
        return cited_only(draft, view)


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
    """The text without its marks; what looks like one inside code is none."""
    code = code_spans(said)
    pieces: list[str] = []
    marks: list[tuple[int, int]] = []
    at = length = 0
    for found in _MARK.finditer(said):
        if any(start <= found.start("open") < end for start, end in code):
            continue
        pieces.append(said[at : found.start()])
        length += found.start() - at
        at = found.end()
        marks += [(length, number) for number in _numbers(found["numbers"])]
    return _Marked(text="".join([*pieces, said[at:]]), marks=tuple(marks))


def _numbers(said: str) -> Iterator[int]:
    for part in re.split(r"\s*[,;]\s*", said):
        first, *rest = map(int, re.findall(r"\d+", part))
        last = rest[-1] if rest else first
        yield from range(first, last + 1) if first <= last <= first + _RANGE else (first, last)


def _citations(
    marked: _Marked, sources: Sequence[_Source]
) -> tuple[tuple[Citation, ...], tuple[str, ...]]:
    """Citations in the order of the text, and marks without a source, named.

    A claim without a mark is given that of the next one in its paragraph, else of any source, where
    its quote carries the claim by itself. Without any mark nothing is cited.
    """
    found = claims(marked.text)
    marks: dict[int, dict[int, None]] = {}
    warnings: dict[str, None] = {}
    for position, number in marked.marks:
        before = [n for n, claim in enumerate(found) if claim.start < max(position, 1)]
        if number > len(sources):
            warnings[f"the model cited [{number}], but there are {len(sources)} sources"] = None
        elif found:
            marks.setdefault(before[-1] if before else 0, {})[number] = None
    if not marks:
        return (), tuple(warnings)
    citations: list[Citation] = []
    for n, claim in enumerate(found):
        given = marks.get(n) or _carrying(marked.text, claim, _likely(n, found, marks), sources)
        for number in given:
            citations += _quotes(marked.text, claim, sources[number - 1])
    return tuple(citations), tuple(warnings)


def _likely(n: int, found: Sequence[Claim], marks: Mapping[int, Iterable[int]]) -> Iterator[int]:
    """Numbers of the sources that a claim without a mark may lean on: those of its paragraph."""
    for other in range(n + 1, len(found)):
        if found[other].block == found[n].block and other in marks:
            yield from marks[other]
            return


def _carrying(
    text: str, claim: Claim, likely: Iterable[int], sources: Sequence[_Source]
) -> tuple[int, ...]:
    """The first of the likely sources, then of all, whose quotes alone carry the claim."""
    said = text[claim.start : claim.end]
    if claim.leads or not stems(said):
        return ()
    for number in dict.fromkeys([*likely, *range(1, len(sources) + 1)]):
        source = sources[number - 1]
        quotes = tuple(citation.quote for citation in _quotes(text, claim, source))
        if not complaint(said, Backing(question="", quotes=quotes, sources=(source,))):
            return (number,)
    return ()


def _quotes(text: str, claim: Claim, source: _Source) -> list[Citation]:
    """Citations of a claim: one for each stretch of the source that carries a part of it."""
    sentence = text[claim.start : claim.end]
    if isinstance(source, Passage):
        spans = _spans(source) or [(0, min(len(source.text), QUOTED))]
    elif len(source.text) <= QUOTED:
        spans = [(0, len(source.text))]
    else:
        spans = [(fact.start, fact.end) for fact in facts(source)] or _lines(source.text)
    chosen = quoted_best(sentence, source.text, spans, STRETCHES) if spans else []
    return [_citation(claim, source, source.text[start:end]) for start, end in chosen]


def _citation(claim: Claim, source: _Source, quote: str) -> Citation:
    if isinstance(source, Passage):
        return Citation(
            kind="document",
            start=claim.start,
            end=claim.end,
            quote=quote,
            passage_id=source.passage_id,
            document_id=source.document_id,
            version=source.version,
            source=source.source,
        )
    return Citation(
        kind="tool",
        start=claim.start,
        end=claim.end,
        quote=quote,
        source=source.tool,
        tool=source.tool,
        call_id=source.call_id,
    )


def _lines(text: str) -> list[tuple[int, int]]:
    return [(unit.spans[0][0], unit.spans[-1][1]) for unit in cut(text)]


def _spans(passage: Passage) -> list[tuple[int, int]]:
    return [(unit.spans[0][0], unit.spans[-1][1]) for unit in quotable(passage)]
