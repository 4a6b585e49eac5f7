"""How many tokens each example has, counted with the base's own tokenizer and chat template."""

import json
import subprocess
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fairlead.errors import InputError, SettingsError
from fairlead.serving.token_counts import estimated_tokens
from fairlead.serving.training.encoding import TOKENS, Encoder, chat_templates, encode, texts
from fairlead.serving.training.examples import DataFile
from fairlead.serving.training.findings import Findings
from fairlead.serving.training.interpreter import surroundings
from fairlead.serving.training.recipe import DataSettings

_SCRIPT: Final = Path(__file__).with_name("encoding.py")
Line = tuple[int, list[tuple[int, int, bool]], tuple[str, str] | None]
"""Number of a line; of each of its sequences tokens, answer tokens, and whether the answers stop;
or else why it has none."""


@dataclass(frozen=True, kw_only=True)
class TokenTable:
    """Every sequence in the order of the token file, by number from 0."""

    lines: "array[int]"
    lengths: "array[int]"
    answered: "array[int]"
    """Tokens of each that the loss is on."""

    def add(self, line: int, length: int, answered: int) -> None:
        self.lines.append(line)
        self.lengths.append(length)
        self.answered.append(answered)

    def totals(self) -> dict[str, int]:
        return {
            "sequences": len(self.lengths),
            "all": sum(self.lengths),
            "answers": sum(self.answered),
            "longest": max(self.lengths, default=0),
        }


def can_render(base: Path) -> bool:
    """Whether this Python has what the base's chat template needs."""
    return find_spec("jinja2") is not None or not _templates(base)


def count(
    data: DataFile,
    base: Path,
    settings: DataSettings,
    findings: Findings,
    *,
    folder: Path,
    now: str,
    python: str = "",
) -> TokenTable:
    """Encodes the good lines of a file into `folder`, in another Python where one is named.

    What does not fit the base is noted. Raises `InputError` for a base whose tokenizer or template
    cannot be used.
    """
    options = {"turns": settings.turns, "completions": settings.completions, "now": now}
    table = TokenTable(lines=array("q"), lengths=array("q"), answered=array("q"))
    bare = not _templates(base)

    def given() -> Iterator[dict[str, Any]]:
        for example in data.examples(lambda *_: None):
            if bare and example.plain:
                findings.add("no_template", example.line)
            yield {"line": example.line, **example.fields()}

    lines = (
        _elsewhere(given(), base, options, folder, python)
        if python
        else _here(given(), base, options, folder)
    )
    for line, sequences, unfit in lines:
        if unfit:
            findings.add(unfit[0], line, unfit[1])
        for length, answered, stops in sequences:
            table.add(line, length, answered)
            if length > settings.max_tokens:
                code = "over_long" if settings.over_long == "refuse" else "left_out"
                findings.add(code, line, f"{length:,} tokens")
            if not stops:
                findings.add("no_end", line)
    return table


def estimate(data: DataFile, settings: DataSettings, findings: Findings) -> dict[str, int]:
    """The same without a base: four bytes to a token, the template's own not counted."""
    totals = {"sequences": 0, "all": 0, "answers": 0, "longest": 0}
    for example in data.examples(lambda *_: None):
        length = sum(map(estimated_tokens, texts(example.messages)))
        totals["sequences"] += 1
        totals["all"] += length
        totals["answers"] += sum(map(estimated_tokens, texts([example.answer])))
        totals["longest"] = max(totals["longest"], length)
        if length > settings.max_tokens:
            code = "over_long" if settings.over_long == "refuse" else "left_out"
            findings.add(code, example.line, f"some {length:,} tokens")
    findings.add("estimated")
    return totals


def _templates(base: Path) -> dict[str, str]:
    try:
        return chat_templates(base)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(base, error) from error


def _here(
    examples: Iterable[dict[str, Any]], base: Path, options: dict[str, str], folder: Path
) -> Iterator[Line]:
    try:
        encoder = Encoder(base, **options)
    except ImportError as error:
        raise SettingsError(
            "the base's chat template needs the package jinja2",
            hint="pip install 'fairlead[train]', or name a Python that has it: --python PATH.",
        ) from error
    except Exception as error:  # the tokenizer's library raises plain `Exception`
        raise _unusable(base, error) from error
    with (folder / TOKENS).open("wb") as out:
        for line, sequences, unfit in encode(examples, encoder, out):
            yield line, sequences, (unfit.code, unfit.reason) if unfit else None


def _elsewhere(
    examples: Iterable[dict[str, Any]],
    base: Path,
    options: dict[str, str],
    folder: Path,
    python: str,
) -> Iterator[Line]:
    given, job, log = folder / "examples.jsonl", folder / "encoding.json", folder / "encoding.log"
    with given.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in examples)
    fields = {
        "base": str(base),
        "options": options,
        "examples": str(given),
        "tokens": str(folder / TOKENS),
    }
    job.write_text(json.dumps(fields), encoding="utf-8")
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("w", encoding="utf-8"))
        process = stack.enter_context(
            subprocess.Popen(
                [python, "-P", str(_SCRIPT), str(job)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=surroundings(python),
                encoding="utf-8",
            )
        )
        yield from _read(process.stdout or ())
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise _unusable(base, (said or [f"exit status {process.returncode}"])[-1])
    for left in (given, job, log):
        left.unlink()


def _read(lines: Iterable[str]) -> Iterator[Line]:
    for text in lines:
        line, sequences, unfit = json.loads(text)
        yield line, [tuple(each) for each in sequences], tuple(unfit) if unfit else None


def _unusable(base: Path, error: object) -> InputError:
    return InputError(
        f"the tokenizer or chat template of the base {str(base)!r} cannot be used: {error}",
        hint="Give --base the folder that the model server is started with.",
    )
