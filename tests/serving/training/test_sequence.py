"""The commands of docs/adapters.md, from training data to rollback, as they stand there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.vllm import ENTRY, Vllm
from tests.serving.training.conftest import chat

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
ANSWER = "Of course, gladly."


def commands() -> list[list[str]]:
    section = PAGE.partition("## From training data to the stable version")[2].partition("\n## ")[0]
    block = re.search(r"```console\n(.*?)```", section, re.S)
    assert block
    return [shlex.split(line.removeprefix("$ ")) for line in block[1].splitlines()]


def test_from_training_data_to_rollback(vllm: Vllm, training_python: str, tmp_path: Path) -> None:
    shutil.copytree(vllm.model, tmp_path / "base", ignore=shutil.ignore_patterns("adapters"))
    asked = [f"May I have {word} number {n}?" for n in range(30) for word in ("tea", "rye")]
    golden = [f"May I have tea number {number}?" for number in range(40, 48)]
    for name, questions in (("data", asked), ("golden", golden)):
        lines = [json.dumps(chat(question, ANSWER)) for question in questions]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    (tmp_path / "handbook.md").write_text("# Tea\n\nYou may have tea number 40 at any time.\n")
    (tmp_path / "train.toml").write_text(
        "[training]\nmax_steps = 60\nlearning_rate = 0.02\nthreads = 1\npatience = 0\n"
        "[lora]\nrank = 8\nalpha = 16\ndropout = 0.0\n"
    )
    (tmp_path / "fairlead.toml").write_text(
        f'[model]\nprovider = "vllm"\nurl = "{vllm.url}"\nname = "{vllm.name}"\n'
        'api_key = { env = "KEY" }\ncontrol_key = { env = "FAIRLEAD_CONTROL_KEY" }\n'
        '[routes.answer]\nadapter = "polite@stable"\nmax_tokens = 64\n'
    )
    keys = {"KEY": vllm.key, "FAIRLEAD_CONTROL_KEY": vllm.control_key, "PYTHONPATH": str(ROOT)}
    said: dict[str, str] = {}
    for program, *words in commands():
        assert program == "fairlead"
        more = ["--python", training_python] if words[:2] == ["adapters", "train"] else []
        done = subprocess.run(
            [sys.executable, "-P", "-c", ENTRY, *words, *more],
            cwd=tmp_path,
            env={**os.environ, **keys},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        said[" ".join(words[:2])] = done.stdout
    exact = next(line for line in said["adapters score"].splitlines() if "exact_match" in line)
    assert exact.split() == ["exact_match", "0.000", "1.000"]
    route = json.loads(said["ask May I have tea number 40?"])["route"]
    assert (route["adapter"], route["version"]) == ("polite", "1")
    assert f"polite-1-{route['digest'][:12]}" in said["models ls"]
    assert "stable" in said["adapters show"] and "retired" in said["adapters rollback"]
