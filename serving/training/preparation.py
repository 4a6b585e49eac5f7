"""Everything that happens to the data before a training, and all that a check of it does."""

import shutil
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fairlead.errors import InputError
from fairlead.serving.training.base_model import BaseModel
from fairlead.serving.training.encoding import TOKENS
from fairlead.serving.training.examination import Examination, Examined, Report, Watch
from fairlead.serving.training.examples import ContentDigest, DataFile
from fairlead.serving.training.findings import Finding, Findings, of_severity
from fairlead.serving.training.overlap import Question, asked, golden_questions
from fairlead.serving.training.plan import packed
from fairlead.serving.training.recipe import Recipe
from fairlead.serving.training.split import set_aside
from fairlead.serving.training.tokens import TokenTable, count, estimate

ROWS: Final = "rows.bin"
TRAIN, VALIDATION = 0, 1


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files that a training reads."""

    data: Path
    validation: Path | None = None
    golden: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Where one sequence lies in the token file; `part` is `TRAIN` or `VALIDATION`."""

    part: int
    start: int
    length: int
    answered: int


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A report, and, where a base was given, the sequences whose tokens were written."""

    report: Report
    sequences: tuple[Sequence, ...] = ()
    validation_digest: str = ""

    def part(self, part: int) -> list[Sequence]:
        return [each for each in self.sequences if each.part == part]


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What tokens are counted with: the base, where to write, the time that templates see, and a
    Python that has jinja2 where this one has not."""

    base: BaseModel
    folder: Path
    now: str
    python: str = ""


def prepare(
    sources: Sources,
    recipe: Recipe,
    encoding: Encoding | None = None,
    watch: Watch | None = None,
) -> Prepared:
    """Examines the data, and counts, splits and writes its tokens where a base is given.

    Raises `InputError` for a file that cannot be read and for a bad line of the golden set or of
    the validation file; what is wrong with the data itself stands in the report.
    """
    data = DataFile(path=sources.data)
    findings = Findings(allow=recipe.examination.allow, forbid=recipe.examination.forbid)
    table = _counted(data, recipe, encoding, findings) if encoding else None
    totals = table.totals() if table else estimate(data, recipe.data, findings)
    examination = Examination(
        data,
        recipe.examination,
        findings,
        tokens_known=table is not None,
        sets=dict(_sets(sources)),
    )
    examined = examination.run(watch)
    kept = _kept(examined, recipe)
    aside: frozenset[int] = frozenset()
    if sources.validation is None and recipe.data.validation_share and examined.survey:
        share, prompts = recipe.data.validation_share, examined.survey.prompts
        aside = set_aside(kept, examined.groups, prompts, share)
        if not aside:
            findings.add("no_split")
    report = replace(examined.report, findings=findings.found(), tokens=totals)
    if table is None or encoding is None or not report.ok:
        return Prepared(report=report)
    limit = most_tokens(recipe, encoding.base)
    found = list(_sequences(table, examined, limit, kept, aside))
    digest = ""
    if sources.validation:
        more, digest = _validation(DataFile(path=sources.validation), recipe, encoding, table)
        found += more
    if not any(each.part == TRAIN for each in found):
        raise InputError(
            f"nothing of {str(sources.data)!r} is left to train on",
            hint="Everything was left out as too long: see data.max_tokens.",
        )
    return Prepared(report=report, sequences=tuple(found), validation_digest=digest)


def most_tokens(recipe: Recipe, base: BaseModel) -> int:
    """Of one sequence: what both the settings and the base take."""
    return min(recipe.data.max_tokens, base.max_tokens or recipe.data.max_tokens)


def refusal(name: str, findings: Iterable[Finding]) -> InputError:
    """The error for data that cannot be trained on: its first failure, and how many more."""
    failures = list(of_severity(findings, "fail"))
    more = f"; {len(failures) - 1} more of other kinds" if len(failures) > 1 else ""
    return InputError(
        f"{name!r} cannot be trained on: {failures[0].message}{more}", hint=failures[0].hint
    )


def write_rows(prepared: Prepared, folder: Path, *, room: int = 0) -> int:
    """Writes which sequences make which row, four 64-bit integers each: part, row, start, length.
    Packs where rows have `room` for several. Returns the rows of training."""
    table, train = array("q"), prepared.part(TRAIN)
    rows = [[number] for number in range(len(train))]
    if room:
        rows = packed([each.length for each in train], room)
    for number, row in enumerate(rows):
        for each in (train[at] for at in row):
            table.extend((TRAIN, number, each.start, each.length))
    for number, each in enumerate(prepared.part(VALIDATION)):
        table.extend((VALIDATION, number, each.start, each.length))
    (folder / ROWS).write_bytes(table.tobytes())
    return len(rows)


def _sets(sources: Sources) -> Iterator[tuple[str, list[Question]]]:
    if sources.golden:
        yield "golden_overlap", golden_questions(sources.golden)
    if sources.validation:
        yield "validation_overlap", asked(DataFile(path=sources.validation))


def _counted(data: DataFile, recipe: Recipe, encoding: Encoding, findings: Findings) -> TokenTable:
    settings = recipe.data.model_copy(update={"max_tokens": most_tokens(recipe, encoding.base)})
    return count(
        data,
        encoding.base.folder,
        settings,
        findings,
        folder=encoding.folder,
        now=encoding.now,
        python=encoding.python,
    )


def _kept(examined: Examined, recipe: Recipe) -> list[int]:
    """Numbers of the examples that train or validate: later copies do not, unless asked for."""
    wholes = examined.survey.wholes
    if not recipe.data.drop_duplicates:
        return list(range(len(wholes)))
    first: dict[int, int] = {}
    for number, whole in enumerate(wholes):
        first.setdefault(whole, number)
    return sorted(first.values())


def _sequences(
    table: TokenTable,
    examined: Examined,
    limit: int,
    kept: list[int],
    aside: frozenset[int],
) -> Iterator[Sequence]:
    lines = examined.survey.lines
    parts = {lines[number]: VALIDATION if number in aside else TRAIN for number in kept}
    start = 0
    for line, length, answered in zip(table.lines, table.lengths, table.answered, strict=True):
        if line in parts and length <= limit:
            yield Sequence(part=parts[line], start=start, length=length, answered=answered)
        start += length


def _validation(
    data: DataFile, recipe: Recipe, encoding: Encoding, table: TokenTable
) -> tuple[list[Sequence], str]:
    """The sequences of a validation file, their tokens put behind those of the data.

    Raises `InputError` where one of them does not fit the base.
    """
    digest, findings = ContentDigest(), Findings()
    for example in data.examples():
        digest.add(example.content())
    folder = encoding.folder / "validation"
    folder.mkdir()
    found = _counted(data, recipe, replace(encoding, folder=folder), findings)
    failures = list(of_severity(findings.found(), "fail"))
    if failures:
        raise refusal(data.path.name, failures)
    with (encoding.folder / TOKENS).open("ab") as whole, (folder / TOKENS).open("rb") as more:
        shutil.copyfileobj(more, whole)
    shutil.rmtree(folder)
    start, sequences = sum(table.lengths), []
    for length, answered in zip(found.lengths, found.answered, strict=True):
        if length <= most_tokens(recipe, encoding.base):
            made = Sequence(part=VALIDATION, start=start, length=length, answered=answered)
            sequences.append(made)
        start += length
    return sequences, digest.hex()
