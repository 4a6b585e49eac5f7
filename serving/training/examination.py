"""Examines training data before anything is trained on it."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from fairlead.errors import InputError
from fairlead.serving.training.answers import Answers, AnswerStatistics
from fairlead.serving.training.contents import sensitive, tool_faults
from fairlead.serving.training.examples import BAD_LIMIT, ContentDigest, DataFile
from fairlead.serving.training.findings import Finding, Findings
from fairlead.serving.training.forms import Example
from fairlead.serving.training.likeness import Groups, Likeness
from fairlead.serving.training.overlap import Overlap, Question
from fairlead.serving.training.recipe import Thresholds
from fairlead.serving.training.wording import (
    answer_key,
    contradict,
    key,
    message_text,
    prompt_key,
    prompt_text,
    whole_text,
    without_lines,
)

_HEARD: Final = 4096
"""Texts that are kept while neighbours are compared."""
_LINES: Final = 1_000_000
"""Different lines of prompts that are counted to find boilerplate."""
_SEVERAL: Final = 20
"""Answers to one question that are compared."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an examination says of a file of data. Of its text it holds labels and first words."""

    data: str
    """The file's name."""
    data_digest: str
    examples: int
    distinct: int
    findings: tuple[Finding, ...]
    answers: AnswerStatistics
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Of all sequences, of their answers, of the longest sequence; without a base estimated."""

    @property
    def ok(self) -> bool:
        """Whether it can be trained on."""
        return not any(each.severity == "fail" for each in self.findings)


class Survey:
    """What is known of every example, by its number from 0."""

    def __init__(self) -> None:
        self.lines = array("q")
        self.places = array("q")
        self.wholes = array("q")
        self.prompts = array("q")
        self.answers = array("q")

    def add(self, example: Example, content: bytes) -> None:
        self.lines.append(example.line)
        self.places.append(example.place)
        self.wholes.append(key(content.decode()))
        self.prompts.append(prompt_key(example))
        self.answers.append(answer_key(example))

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A report, and what the split is made from."""

    report: Report
    survey: Survey
    groups: Groups
    """Examples that must stay on one side of a split: equal or nearly equal prompts or texts."""


Watch = Callable[[int, int], None]
"""Called now and then with how many bytes of the file were read, and how many it has."""


class Examination:
    """One examination of one file. `tokens_known` says that a base's own tokenizer looks for its
    control tokens; `findings` is where else than here something may be noted."""

    def __init__(
        self,
        data: DataFile,
        thresholds: Thresholds,
        findings: Findings,
        *,
        tokens_known: bool = False,
        sets: Mapping[str, Sequence[Question]] | None = None,
    ) -> None:
        self._data = data
        self._thresholds = thresholds
        self._findings = findings
        self._tokens_known = tokens_known
        self._sets = sets or {}
        self._survey = Survey()
        self._answers = Answers(thresholds)
        self._digest = ContentDigest()
        self._shared: Counter[int] = Counter()
        self._bad = 0

    def run(self, watch: Watch | None = None) -> Examined:
        """Reads the file twice. Raises `InputError` where it cannot be read or holds nothing."""
        stamp = self._data.stamp()
        for count, example in enumerate(self._data.examples(self._note_bad), start=1):
            self._look(example)
            if watch and not count % 1000:
                watch(example.place, stamp[1])
        if not len(self._survey) and not self._bad:
            raise InputError(
                f"{str(self._data.path)!r} holds no example", hint="Give JSON lines, one each."
            )
        self._duplicates()
        groups = self._compare()
        if self._data.stamp() != stamp:
            raise InputError(f"{str(self._data.path)!r} was changed while it was read")
        self._several()
        statistics = self._balance()
        self._count()
        report = Report(
            data=self._data.path.name,
            data_digest=self._digest.hex(),
            examples=len(self._survey),
            distinct=len(set(self._survey.wholes)),
            findings=self._findings.found(),
            answers=statistics,
        )
        return Examined(report=report, survey=self._survey, groups=groups)

    def _note_bad(self, line: int, code: str, reason: str) -> None:
        self._bad += 1
        self._findings.add(code, line, reason)
        if self._bad == BAD_LIMIT:
            self._findings.add("form", 0, f"reading ended after {BAD_LIMIT} bad lines")

    def _look(self, example: Example) -> None:
        """Everything that an example shows by itself."""
        content = example.content()
        self._digest.add(content)
        self._survey.add(example, content)
        self._answers.note(message_text(example.answer))
        for line in {key(each.strip()) for each in prompt_text(example).splitlines()}:
            if line in self._shared or len(self._shared) < _LINES:
                self._shared[line] += 1
        for code, detail in sensitive(example, tokens_known=self._tokens_known):
            self._findings.add(code, example.line, detail)
        for code, detail in tool_faults(example):
            self._findings.add(code, example.line, detail)
        if example.ignored:
            self._findings.add("ignored", example.line, ", ".join(example.ignored)[:100])

    def _duplicates(self) -> None:
        first: dict[int, int] = {}
        for line, whole in zip(self._survey.lines, self._survey.wholes, strict=True):
            if whole in first:
                self._findings.add("duplicate", line, f"as line {first[whole]}")
            first.setdefault(whole, line)

    def _boilerplate(self) -> frozenset[int]:
        """Lines that very many prompts have in common: what a template wrote."""
        least = max(10, self._thresholds.boilerplate * len(self._survey))
        return frozenset(line for line, count in self._shared.items() if count > least)

    def _compare(self) -> Groups:
        """Near duplicates, and questions of other sets; what is alike in one group."""
        survey, left_out = self._survey, self._boilerplate()
        groups = Groups(len(survey))
        _join_equal(groups, survey.wholes)
        _join_equal(groups, survey.prompts)
        prompts, wholes = Likeness(self._thresholds.near), Likeness(self._thresholds.near)
        overlaps = {
            code: Overlap(given, self._thresholds, left_out) for code, given in self._sets.items()
        }
        seen: set[int] = set()
        again = self._data.examples(lambda *_: None)
        for number, example in zip(range(len(survey)), again, strict=False):
            prompt = prompt_text(example)
            prompts.note(without_lines(prompt, left_out))
            wholes.note(without_lines(whole_text(example), left_out))
            if survey.prompts[number] not in seen:
                seen.add(survey.prompts[number])
                for overlap in overlaps.values():
                    overlap.note(example.line, prompt)
        self._near(wholes, whole_text, left_out, groups)
        for _ in prompts.pairs(self._reader(prompt_text, left_out), groups):
            pass  # joined is all that they need to be
        for code, overlap in overlaps.items():
            self._note_overlap(code, overlap)
        return groups

    def _near(
        self,
        wholes: Likeness,
        text: Callable[[Example], str],
        left_out: frozenset[int],
        groups: Groups,
    ) -> None:
        near = Groups(len(self._survey))
        _join_equal(near, self._survey.wholes)  # equal ones are told as duplicates
        found = sorted((b, a) for a, b in wholes.pairs(self._reader(text, left_out), near))
        for later, earlier in found:
            groups.join(earlier, later)
            lines = self._survey.lines
            self._findings.add("near_duplicate", lines[later], f"as line {lines[earlier]}")

    def _reader(
        self, text: Callable[[Example], str], left_out: frozenset[int]
    ) -> Callable[[int], str]:
        survey, data = self._survey, self._data

        @lru_cache(maxsize=_HEARD)
        def read(number: int) -> str:
            example = data.at(survey.places[number], survey.lines[number])
            return without_lines(text(example), left_out)

        return read

    def _note_overlap(self, code: str, overlap: Overlap) -> None:
        for held in overlap.held():
            for line in held.lines:
                said = f"question {held.question.line} of the other set, {held.share:.0%}"
                self._findings.add(code, line, said)

    def _several(self) -> None:
        """One question with several answers."""
        labels = self._answers.statistics().labels
        for numbers in _same(self._survey.prompts):
            first: dict[int, int] = {}
            for number in numbers:
                first.setdefault(self._survey.answers[number], number)
            if len(first) < 2:
                continue
            shown = sorted(first.values())[:_SEVERAL]
            answers = [message_text(self._example(number).answer) for number in shown]
            code = "contradiction" if labels or contradict(answers) else "several_answers"
            lines = [self._survey.lines[number] for number in shown]
            self._findings.add(code, lines[1], f"and line {lines[0]}")

    def _example(self, number: int) -> Example:
        return self._data.at(self._survey.places[number], self._survey.lines[number])

    def _balance(self) -> AnswerStatistics:
        found = self._answers.statistics()
        if found.rare:
            said = ", ".join(f"{label[:40]!r} {found.labels[label]}" for label in found.rare[:5])
            self._findings.add(
                "imbalance", 0, f"{said}; the commonest {max(found.labels.values())}"
            )
        return found

    def _count(self) -> None:
        distinct, wanted = len(set(self._survey.wholes)), self._thresholds
        if distinct < wanted.min_examples:
            said = f"{distinct} of the {wanted.min_examples} that are needed"
            self._findings.add("too_few", 0, said)
        elif distinct < wanted.few_examples:
            self._findings.add("few", 0, f"{distinct}")


def _same(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """Numbers that share a key, where there are several."""
    import numpy as np  # noqa: PLC0415 - 60 ms that only examining needs

    if not len(keys):
        return
    column = np.array(keys, dtype=np.int64)
    order = np.argsort(column, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(column[order])) + 1, len(order))
    begins = np.append(0, ends[:-1])
    for several in np.flatnonzero(ends - begins > 1):
        yield order[begins[several] : ends[several]].tolist()


def _join_equal(groups: Groups, keys: Sequence[int]) -> None:
    for numbers in _same(keys):
        for number in numbers[1:]:
            groups.join(numbers[0], number)
