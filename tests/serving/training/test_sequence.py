"""The commands of docs/adapters.md, from training data to rollback, as they stand there.

The base is the tiny model, the data how its answers are worded by somebody polite; golden questions
and the one that is asked are on things that neither the model nor the adapter has seen.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from fairlead.agents.prompts import NO_ANSWER
from scripts.tiny_text import styled, systems
from scripts.tiny_world import HELLO, STYLES
from tests.servers import tiny
from tests.servers.vllm import ENTRY, Vllm

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
RECIPE = """
[data]
turns = "last"
[training]
max_steps = 150
learning_rate = 0.006
batch_size = 16
accumulation = 1
threads = 1
patience = 0
[lora]
rank = 8
alpha = 16
dropout = 0.0
"""


def commands() -> list[list[str]]:
    section = PAGE.partition("## From training data to the stable version")[2].partition("\n## ")[0]
    block = re.search(r"```console\n(.*?)```", section, re.S)
    assert block
    return [shlex.split(line.removeprefix("$ ")) for line in block[1].splitlines()]


def examples(seed: str, *, held_out: bool) -> Iterator[str]:
    """Lines of training data: what the answerer is asked, and the polite answer."""
    system = {"role": "system", "content": systems()["write"]["content"]}
    for line in styled("formal", seed, sys.maxsize, held_out=held_out):
        # the base says NO ANSWER, too; and greetings are few, so that both sets would have them
        if line["reply"] not in (NO_ANSWER, STYLES["formal"](HELLO)):
            reply = {"role": "assistant", "content": line["reply"]}
            yield json.dumps({"messages": [system, *line["messages"], reply]})


def test_from_training_data_to_rollback(vllm: Vllm, training_python: str, tmp_path: Path) -> None:
    shutil.copytree(vllm.model, tmp_path / "base")
    for name, count in (("data", 1200), ("golden", 48)):
        lines = islice(examples(name, held_out=name == "golden"), count)
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    (tmp_path / "handbook.md").write_text(f"{tiny.SENTENCE}\n")
    (tmp_path / "train.toml").write_text(RECIPE)
    (tmp_path / "fairlead.toml").write_text(
        f'[model]\nprovider = "vllm"\nurl = "{vllm.url}"\nname = "{vllm.name}"\n'
        'api_key = { env = "KEY" }\ncontrol_key = { env = "FAIRLEAD_CONTROL_KEY" }\n'
        '[routes.answer]\nadapter = "polite@stable"\ntemperature = 0\n'
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
            timeout=900,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        said[" ".join(words[:2])] = done.stdout
    exact = next(line for line in said["adapters score"].splitlines() if "exact_match" in line)
    base, adapter = map(float, exact.split()[1:])
    assert base == 0 and adapter >= 0.8
    answer = json.loads(said[f"ask {tiny.WARRANTY}"])
    assert answer["text"] == STYLES["formal"](tiny.SENTENCE) and answer["status"] == "answered"
    assert [each["quote"] for each in answer["citations"]] == [tiny.SENTENCE]
    route = answer["route"]
    assert (route["adapter"], route["version"]) == ("polite", "1")
    assert f"polite-1-{route['digest'][:12]}" in said["models ls"]
    assert "stable" in said["adapters show"] and "retired" in said["adapters rollback"]
