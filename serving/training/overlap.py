"""Whether training data holds the questions of another set: the golden one, or validation's.

A question is held where a training prompt equals it, is nearly the same (MinHash), or where the
training prompts together hold so many of its runs of n words. Questions are compared, answers are
not: two sets on one matter rightly answer in the same words.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlead.errors import InputError
from fairlead.serving.training.examples import DataFile, parsed
from fairlead.serving.training.forms import Malformed
from fairlead.serving.training.likeness import shingler
from fairlead.serving.training.recipe import Thresholds
from fairlead.serving.training.wording import (
    key,
    normalised,
    prompt_text,
    without_lines,
    words,
)
from fairlead.shingles import Shingler

QUESTION_LIMIT: Final = 100_000
"""Questions of one set."""
_SHORTEST: Final = 3
"""Words from which a question counts as held by a prompt that has it among other text."""
_COMMON: Final = 10
"""Prompts that may have a run of words before it can be boilerplate (Brown and others 2020, arXiv
2005.14165, appendix C)."""
_LINES: Final = 5
"""Training lines that are named for one question."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question that training data must not hold."""

    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Held:
    """A question that training data holds, and the first lines that do."""

    question: Question
    lines: tuple[int, ...]
    share: float
    """Of its runs of words; 1 for an equal or nearly equal one."""


class Overlap:
    """Takes training prompts one after the other; what it holds grows with the questions alone.

    `left_out` are keys of lines that templates wrote: nearness is judged without them.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        thresholds: Thresholds,
        left_out: frozenset[int] = frozenset(),
    ) -> None:
        self._questions = questions
        self._thresholds = thresholds
        self._left_out = left_out
        self._near = shingler()
        self._shinglers: dict[int, Shingler] = {}
        self._equal: dict[int, list[int]] = {}
        self._bands: dict[int, list[int]] = {}
        self._seen: dict[int, dict[int, array[int]]] = {}
        """Of each run of words how many prompts have it, and the first lines that do."""
        self._found: dict[int, array[int]] = {}
        self._prompts = 0
        for number, question in enumerate(questions):
            self._equal.setdefault(key(normalised(question.text)), []).append(number)
            for band in self._near.bands(self._bare(question.text)):
                self._bands.setdefault(band, []).append(number)
            run, runs = self._runs(question)
            self._seen.setdefault(run, {}).update((each, array("q", [0])) for each in runs)

    def note(self, line: int, prompt: str) -> None:
        """Takes one training prompt. Equal prompts are to be given once."""
        self._prompts += 1
        lines = (each for each in prompt.splitlines() if len(words(each)) >= _SHORTEST)
        for said in {key(normalised(each)) for each in (prompt, *lines)}:
            for number in self._equal.get(said, ()):
                self._hit(number, line)
        self._note_near(line, self._bare(prompt))
        for run, seen in self._seen.items():
            if run >= _SHORTEST:
                for each in seen.keys() & set(self._shinglers[run].shingles(prompt).tolist()):
                    seen[each][0] += 1
                    if len(seen[each]) <= _LINES:
                        seen[each].append(line)

    def held(self) -> Iterator[Held]:
        """The questions that were held, in order."""
        boilerplate = max(_COMMON, self._thresholds.boilerplate * self._prompts)
        for number, question in enumerate(self._questions):
            if number in self._found:
                yield Held(question=question, lines=tuple(self._found[number]), share=1.0)
                continue
            run, runs = self._runs(question)
            telling = [h for each in runs if (h := self._seen[run][each])[0] <= boilerplate]
            seen = [held[1:] for held in telling if held[0]]
            if seen and len(seen) / len(telling) >= self._thresholds.overlap:
                lines = sorted({line for each in seen for line in each})[:_LINES]
                share = len(seen) / len(telling)
                yield Held(question=question, lines=tuple(lines), share=share)

    def _note_near(self, line: int, prompt: str) -> None:
        near = {n for band in self._near.bands(prompt) for n in self._bands.get(band, ())}
        for number in near:
            alike = self._near.similarity(self._bare(self._questions[number].text), prompt)
            if alike >= self._thresholds.near:
                self._hit(number, line)

    def _bare(self, text: str) -> str:
        return without_lines(text, self._left_out)

    def _hit(self, number: int, line: int) -> None:
        lines = self._found.setdefault(number, array("q"))
        if len(lines) < _LINES and line not in lines:
            lines.append(line)

    def _runs(self, question: Question) -> tuple[int, list[int]]:
        """Its runs of n words; a shorter question is one run."""
        run = max(1, min(self._thresholds.ngram, len(words(question.text))))
        made = self._shinglers.setdefault(run, Shingler(words, run=run))
        return run, made.shingles(question.text).tolist()


def golden_questions(path: Path) -> list[Question]:
    """The questions of a golden set: JSON lines with `question`, `prompt` or `messages`.

    Raises `InputError` for a file that cannot be read, and for a line that holds no question.
    """
    data = DataFile(path=path)
    found: list[Question] = []
    for number, place, raw in data.lines():
        try:
            text = _question(parsed(raw, first=not place))
        except Malformed as error:
            raise data.refused(number, error.reason) from None
        found.append(Question(line=number, text=text))
        if len(found) > QUESTION_LIMIT:
            raise InputError(f"{str(path)!r} has more than {QUESTION_LIMIT:,} questions")
    if not found:
        raise InputError(f"{str(path)!r} holds no question", hint="Name the golden set's file.")
    return found


def asked(data: DataFile) -> list[Question]:
    """The prompts of a validation file. Raises `InputError` for a bad line."""
    return [Question(line=e.line, text=prompt_text(e)) for e in data.examples()]


def _question(value: object) -> str:
    fields = value if isinstance(value, dict) else {}
    for name in ("question", "prompt"):
        if isinstance(fields.get(name), str) and fields[name].strip():
            return str(fields[name])
    messages = fields.get("messages")
    said = [
        each["content"]
        for each in (messages if isinstance(messages, list) else [])
        if isinstance(each, dict)
        and each.get("role") == "user"
        and isinstance(each.get("content"), str)
    ]
    if not any(each.strip() for each in said):
        raise Malformed("form", "neither 'question' nor 'prompt' nor a user's message")
    return "\n".join(said)
