"""`fairlead adapters check` and `train`: what they say, and that a refusal leaves nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fairlead.serving.adapters import open_registry
from fairlead.settings import load
from tests.serving.training.conftest import chat, different, written
from tests.serving.training.scripted import TRAINING, write_script
from tests.serving.training.tiny import write_adapter, write_base

Run = Callable[..., Result]
QUICK = "[training]\nmax_steps = 2\nthreads = 1\n[lora]\nrank = 4\nalpha = 8\n"
HANDING = """
import shutil
shutil.copytree({made!r}, folder + "/adapter")
result = {{"steps": 2, "environment": {{}}, "history": [], "loss": 1.0, "validation_loss": 0.9,
           "seconds": 1.0}}
json.dump(result, open(folder + "/result.json", "w"))
"""
"""Ends a scripted training with an adapter that was made before."""


@pytest.fixture
def data(home: Path) -> Path:
    """Sixty examples that nothing is wrong with, and a base that needs no jinja2."""
    write_base(home / "tiny", template="")
    pairs = [{"prompt": e["messages"][0]["content"], "completion": f"answer {n}"}
             for n, e in enumerate(different(60))]  # fmt: skip
    (home / "train.toml").write_text(QUICK)
    return written(home / "data.jsonl", pairs).path


def document(result: Result, status: int = 0) -> dict[str, Any]:
    assert result.exit_code == status, result.stderr
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def drafts(home: Path) -> list[str]:
    registry = open_registry(load({"storage": {"path": str(home / ".fairlead")}}).settings)
    try:
        return [card.label for card in registry.versions()]
    finally:
        registry.close()


def test_check_says_what_it_found_for_people_and_programs(run: Run, data: Path) -> None:
    found = document(run("adapters", "check", "data.jsonl", "--base", "tiny", "--json"))
    assert found["schema"] == "fairlead.adapters/1" and found["ok"]
    assert found["data_digest"] == found["report"]["data_digest"]
    assert [each["code"] for each in found["report"]["findings"]] == ["no_template"]
    assert found["report"]["tokens"]["sequences"] == 60
    shown = run("adapters", "check", "data.jsonl")
    assert shown.exit_code == 0 and shown.stdout.rstrip().endswith("ok")
    assert "info estimated: tokens are estimated" in shown.stdout


def test_check_exits_2_and_names_the_lines(run: Run, data: Path, home: Path) -> None:
    golden = written(
        home / "golden.jsonl", [{"question": different(60)[7]["messages"][0]["content"]}]
    )
    with data.open("a") as file:
        file.write("{oops\n")
    found = document(
        run("adapters", "check", "data.jsonl", "--golden", golden.path.name, "--json"), 2
    )
    failures = {each["code"]: each["lines"] for each in found["report"]["findings"]}
    assert not found["ok"] and failures == {"json": [61], "golden_overlap": [8], "estimated": []}
    shown = run("adapters", "check", "data.jsonl")
    assert shown.exit_code == 2 and shown.stdout.rstrip().endswith("cannot be trained on")
    assert "fail json: not sound JSON, 1 line (line 61: " in shown.stdout


def test_check_takes_thresholds_and_a_validation_file(run: Run, data: Path, home: Path) -> None:
    written(home / "few.jsonl", different(3))
    assert run("adapters", "check", "few.jsonl").exit_code == 2
    (home / "few.toml").write_text("[examination]\nmin_examples = 3\n")
    assert run("adapters", "check", "few.jsonl", "--config", "few.toml").exit_code == 0
    held = run("adapters", "check", "data.jsonl", "--validation", "few.jsonl")
    assert held.exit_code == 2 and "validation_overlap" in held.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("check", "none.jsonl"), 2, "No such file"),
        (("check", "data.jsonl", "--golden", "none.jsonl"), 2, "No such file"),
        (("check", "data.jsonl", "--base", "none"), 2, "there is no folder 'none'"),
        (("check", "data.jsonl", "--config", "none.toml"), 3, "cannot read 'none.toml'"),
        (("train", "data.jsonl", "--base", "none", "--name", "s"), 2, "there is no folder 'none'"),
        (("train", "data.jsonl", "--base", "tiny", "--name", "S!"), 2, "adapter's name"),
        (("train", "data.jsonl", "--base", "tiny", "--name", "s", "--rank", "64"), 2, "max_rank"),
        (("train", "data.jsonl", "--base", "tiny", "--name", "s", "--rank", "0"), 3, "lora.rank"),
        (
            ("train", "data.jsonl", "--base", "tiny", "--name", "s", "--python", "none"),
            3,
            "'none' does not run",
        ),
    ],
)
def test_what_cannot_be_is_said_at_once(
    run: Run, data: Path, home: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    result = run("adapters", *arguments, "--json")
    error = document(result, status)["error"]
    assert said in error["message"] and said in result.stderr
    assert not (home / ".fairlead" / "training").exists() and not drafts(home)


def test_a_scale_that_would_not_be_admitted_is_refused_before(
    run: Run, data: Path, home: Path
) -> None:
    (home / "loud.toml").write_text("[lora]\nrank = 1\nalpha = 100\n")
    told = ("--base", "tiny", "--name", "support", "--config", "loud.toml")
    result = run("adapters", "train", "data.jsonl", *told)
    assert result.exit_code == 2 and "scales by 100, over 64" in result.stderr


@pytest.fixture(params=["scripted", pytest.param("real", marks=pytest.mark.vllm)])
def trainer(request: pytest.FixtureRequest, home: Path) -> str:
    """A Python that trains, or a program that hands out an adapter made before."""
    if request.param == "real":
        return str(request.getfixturevalue("training_python"))
    made = write_adapter(home / "made")
    return write_script(home / "python", TRAINING + HANDING.format(made=str(made)))


def test_a_training_ends_in_a_draft_and_is_done_once(
    run: Run, data: Path, home: Path, trainer: str
) -> None:
    told = ("--base", "tiny", "--name", "support", "--config", "train.toml", "--python", trainer)
    planned = document(run("adapters", "train", "data.jsonl", *told, "--dry-run", "--json"))
    assert planned["plan"]["steps"] == 2 and planned["ok"] and planned["dry_run"]
    shown = run("adapters", "train", "data.jsonl", *told, "--dry-run")
    assert "steps      2, 4 an epoch" in shown.stdout
    assert not (home / ".fairlead").exists() or not drafts(home)

    first = run("adapters", "train", "data.jsonl", *told, "--by", "ada")
    assert first.exit_code == 0, first.stderr
    assert first.stdout.splitlines()[-1] == "support@1 is draft"
    assert "Warning: prompts and completions without a chat template" in first.stderr
    again = document(run("adapters", "train", "data.jsonl", *told, "--json"))
    assert not again["added"] and again["adapter"]["version"] == 1
    adapter = again["adapter"]
    assert adapter["stage"] == "draft" and adapter["rank"] == 4 and adapter["added_by"] == "ada"
    assert adapter["data_digest"] == planned["data_digest"]
    assert adapter["card"]["examination"]["findings"][0]["code"] == "no_template"
    assert adapter["card"]["training"]["metrics"]["steps"] == 2
    assert "history" not in adapter["card"]["training"]["metrics"]
    assert run("adapters", "verify", "support").exit_code == 0

    write_base(home / "other", template="", seed=1)
    other = ("--base", "other", *told[2:])
    refused = run("adapters", "train", "data.jsonl", *other)
    assert refused.exit_code == 2 and "is an adapter of another base, 'tiny'" in refused.stderr


def test_bad_data_leaves_nothing(run: Run, data: Path, home: Path, trainer: str) -> None:
    told = ("--base", "tiny", "--name", "support", "--python", trainer)
    written(home / "few.jsonl", different(3))
    written(home / "golden.jsonl", [{"question": different(60)[7]["messages"][0]["content"]}])
    bad = written(home / "bad.jsonl", [*data.read_text().splitlines(), "{oops"])
    for arguments, said in (
        (("few.jsonl",), "3 of the 10 that are needed"),
        ((bad.path.name,), "not sound JSON, 1 line (line 61"),
        (("data.jsonl", "--golden", "golden.jsonl"), "questions of the golden set, 1 line (line 8"),
    ):
        result = run("adapters", "train", *arguments, *told)
        assert result.exit_code == 2 and said in result.stderr and not result.stdout
        assert not (home / ".fairlead" / "training").exists() and not drafts(home)


def test_chats_are_taken_where_no_template_is_needed_to_check(run: Run, home: Path) -> None:
    written(
        home / "chats.jsonl",
        [chat(e["messages"][0]["content"], "yes it is") for e in different(60)],
    )
    assert document(run("adapters", "check", "chats.jsonl", "--json"))["report"]["examples"] == 60
