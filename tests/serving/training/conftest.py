"""Training data in a file, and what an examination says of it."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from fairlead.serving.training.base_model import BaseModel, read_base_model
from fairlead.serving.training.examination import Examination, Examined
from fairlead.serving.training.examples import DataFile
from fairlead.serving.training.findings import Finding, Findings
from fairlead.serving.training.overlap import Question
from fairlead.serving.training.recipe import Thresholds
from tests.serving.training.tiny import write_base

Write = Callable[..., DataFile]
Examine = Callable[..., Examined]


def chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    """A conversation of one turn."""
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return {"messages": messages, **more}


def different(count: int) -> list[dict[str, Any]]:
    """So many examples that have nothing in common."""
    said = (
        " ".join(f"{word}{number}" for word in ("how", "long", "may", "one", "keep", "item"))
        for number in range(count)
    )
    return [
        chat(question, f"keep{n}a keep{n}b keep{n}c keep{n}d") for n, question in enumerate(said)
    ]


def written(path: Path, lines: Iterable[object]) -> DataFile:
    """A file of lines, given as text or as values."""
    texts = (each if isinstance(each, str) else json.dumps(each) for each in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return DataFile(path=path)


def examined(
    data: DataFile, sets: dict[str, list[Question]] | None = None, **changes: Any
) -> Examined:
    """What an examination with these thresholds makes of a file."""
    thresholds = Thresholds(**changes)
    findings = Findings(allow=thresholds.allow, forbid=thresholds.forbid)
    return Examination(data, thresholds, findings, sets=sets).run()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes lines into a file."""
    return lambda lines, name="data.jsonl": written(tmp_path / name, lines)


@pytest.fixture
def examine(write: Write) -> Examine:
    """Examines lines."""
    return lambda lines, sets=None, **changes: examined(write(lines), sets, **changes)


def by_code(examined: Examined) -> dict[str, Finding]:
    return {each.code: each for each in examined.report.findings}


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base of 90,000 random numbers."""
    folder = write_base(tmp_path_factory.mktemp("bases") / "tiny")
    return read_base_model(folder, name="tiny", digest="d" * 64)
