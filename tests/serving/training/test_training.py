"""Real trainings of a tiny base, in a Python that has the packages."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InputError, SettingsError, Unavailable
from fairlead.serving.training.base_model import BaseModel, read_base_model
from fairlead.serving.training.preparation import Sources
from fairlead.serving.training.recipe import read_recipe
from fairlead.serving.training.training import Training, look, train
from tests.serving.training.conftest import chat

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[3]
EXAMPLES = [chat(f"question {n} about thing{n * 7}", f"answer {n % 10}") for n in range(40)]
Make = Callable[..., Training]


@pytest.fixture(scope="module")
def make(base: BaseModel, training_python: str, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A training of forty examples in twelve steps, on one thread, in a folder of its own."""

    def one(lines: list[Any] | None = None, **changes: Any) -> Training:
        place = tmp_path_factory.mktemp("training")
        data = place / "data.jsonl"
        data.write_text("".join(f"{json.dumps(each)}\n" for each in lines or EXAMPLES))
        settings = {"epochs": 4, "learning_rate": 0.01, "threads": 1, "evaluate_every": 4}
        recipe = {"training": {**settings, **changes}, "lora": {"rank": 4, "alpha": 8}}
        return Training(
            sources=Sources(data=data),
            base=base,
            recipe=read_recipe(None, recipe),
            folder=place / "out",
            python=training_python,
        )

    return one


@pytest.fixture(scope="module")
def undisturbed(make: Make) -> Training:
    """A training that ran through, with nothing in its way."""
    training = make()
    assert train(training).fresh
    return training


def weights(folder: Path) -> bytes:
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_the_loss_falls_and_the_folder_is_whole(undisturbed: Training) -> None:
    folder = undisturbed.folder
    assert {path.name for path in folder.iterdir()} == {
        "adapter", "report.json", "training.json", ".lock",
    }  # fmt: skip
    record = read(folder / "training.json")
    metrics = record["metrics"]
    assert metrics["steps"] == 12 and metrics["loss"] < 3.5 < metrics["history"][0]["loss"]
    looks = [each["validation_loss"] for each in metrics["history"] if "validation_loss" in each]
    assert len(looks) == 3 and metrics["validation_loss"] == min(looks)
    assert record["environment"]["packages"].keys() >= {"torch", "peft", "transformers"}
    assert record["data"]["digest"] == read(folder / "report.json")["data_digest"]
    config = read(folder / "adapter" / "adapter_config.json")
    assert config["base_model_name_or_path"] == "tiny" and config["r"] == 4
    assert config["target_modules"] == [
        "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj",
    ]  # fmt: skip
    for path in folder.rglob("*.json"):
        assert str(folder.parent) not in path.read_text()
        assert str(undisturbed.base.folder) not in path.read_text()


def test_what_is_trained_already_is_found(undisturbed: Training) -> None:
    def never(event: Mapping[str, Any]) -> None:
        raise AssertionError(event)

    again = train(undisturbed, never)
    assert not again.fresh
    assert again.record == read(undisturbed.folder / "training.json")


def test_the_same_seed_gives_the_same_adapter_and_another_one_another(
    make: Make, undisturbed: Training
) -> None:
    same, other = make(), make(seed=7, max_steps=2)
    train(same)
    assert weights(same.folder) == weights(undisturbed.folder)
    train(other)
    assert weights(other.folder) != weights(undisturbed.folder)


def test_a_killed_process_goes_on_to_the_same_adapter(make: Make, undisturbed: Training) -> None:
    training, process = make(), 0

    def kill(event: Mapping[str, Any]) -> None:
        nonlocal process
        process = event.get("process", process)
        if event["event"] == "checkpoint" and event["step"] == 8:
            (training.folder / "run" / "checkpoints" / "checkpoint-99").mkdir()  # half made
            os.kill(process, signal.SIGKILL)

    with pytest.raises(Unavailable, match="the training process was killed") as caught:
        train(training, kill)
    assert "goes on from the last checkpoint" in caught.value.hint
    assert not (training.folder / "adapter").exists()
    told: list[Mapping[str, Any]] = []
    again = train(training, told.append)
    assert [each["event"] for each in told[:2]] == ["ready", "begin"] and told[1]["step"] == 8
    assert again.record["metrics"]["resumed_from"] == 8
    assert weights(training.folder) == weights(undisturbed.folder)
    history = read(undisturbed.folder / "training.json")["metrics"]["history"]
    assert again.record["metrics"]["history"] == history


STARTED = """
import json, sys
from pathlib import Path
from tests.serving.training.test_training import restored
from fairlead.serving.training.training import train
train(restored(json.loads(sys.stdin.read())), lambda event: print(json.dumps(event), flush=True))
"""


def restored(given: dict[str, Any]) -> Training:
    """A training from what another process was told of it."""
    return Training(
        sources=Sources(data=Path(given["data"])),
        base=read_base_model(Path(given["base"]), name="tiny", digest="d" * 64),
        recipe=read_recipe(None, given["recipe"]),
        folder=Path(given["folder"]),
        python=given["python"],
    )


def test_whoever_started_it_may_be_killed_too(make: Make, undisturbed: Training) -> None:
    """Then the training process ends by itself, and the next one goes on."""
    training = make()
    told = {
        "data": str(training.sources.data),
        "base": str(training.base.folder),
        "recipe": training.recipe.model_dump(mode="json"),
        "folder": str(training.folder),
        "python": training.python,
    }
    command = [sys.executable, "-c", STARTED]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdin and started.stdout
        started.stdin.write(json.dumps(told))
        started.stdin.close()
        events = map(json.loads, started.stdout)
        assert next(events)["event"] == "ready"
        process = next(events)["process"]
        assert any(event["event"] == "checkpoint" for event in events)
        started.kill()
    again = train(training)  # `busy` would be the answer if the orphan were still at it
    assert again.record["metrics"]["resumed_from"] in (4, 8)
    assert not Path(f"/proc/{process}").exists()
    assert weights(training.folder) == weights(undisturbed.folder)


def test_an_unfinished_training_does_not_go_on_with_other_settings(make: Make) -> None:
    training = make()

    def stop(event: Mapping[str, Any]) -> None:
        if event["event"] == "checkpoint":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(training, stop)
    changed = training.recipe.model_copy(
        update={"training": training.recipe.training.model_copy(update={"seed": 1})}
    )
    lines = training.sources.data.read_text().splitlines(keepends=True)
    training.sources.data.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"it differs in data, training.seed") as caught:
        train(replace(training, recipe=changed))
    assert "--fresh" in caught.value.hint and (training.folder / "run" / "state.json").exists()
    begun: list[Mapping[str, Any]] = []
    shorter = training.recipe.training.model_copy(update={"max_steps": 1})
    recipe = training.recipe.model_copy(update={"training": shorter})
    train(replace(training, recipe=recipe), begun.append, fresh=True)
    assert begun[1]["step"] == 0


def test_training_ends_when_validation_no_longer_gets_better(make: Make) -> None:
    """Answers that have nothing to do with the questions: learning them by heart helps nobody.
    Killed after its last checkpoint, it makes no further step."""
    lines = [
        chat(f"question {n}", f"{(n * 7919) % 1000:03d} {(n * 104729) % 977}") for n in range(40)
    ]
    settings = {"epochs": 60, "learning_rate": 0.05, "evaluate_every": 6, "patience": 2}
    training = make(lines, schedule="constant", **settings)
    record = train(training).record
    metrics, planned = record["metrics"], record["plan"]["steps"]
    looks = [each for each in metrics["history"] if "validation_loss" in each]
    best = min(looks, key=lambda each: float(each["validation_loss"]))
    assert metrics["steps"] < planned
    assert metrics["best_step"] == best["step"] == looks[-3]["step"]
    assert metrics["validation_loss"] == best["validation_loss"]

    again, process = make(lines, schedule="constant", **settings), 0

    def kill(event: Mapping[str, Any]) -> None:
        nonlocal process
        process = event.get("process", process)
        if event["event"] == "checkpoint" and event["step"] == metrics["steps"]:
            os.kill(process, signal.SIGKILL)

    with pytest.raises(Unavailable):
        train(again, kill)
    resumed = train(again).record["metrics"]
    assert resumed["history"] == metrics["history"] and resumed["steps"] == metrics["steps"]
    assert weights(again.folder) == weights(training.folder)


def test_a_plan_is_what_happens(make: Make) -> None:
    training = make(packing=True, epochs=1.5, batch_size=1, accumulation=2)
    report, plan = look(training)
    assert report.ok and not training.folder.exists()
    assert plan.rows == 2 and plan.train == 36 and plan.parameters == 8192
    record = train(training).record
    assert record["metrics"]["steps"] == plan.steps == 2
    assert record["plan"]["rows"] == 2


def test_a_full_disk_gives_one_message(make: Make) -> None:
    """Files over 20 kB cannot be written, as if there were no space."""
    training = make()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(event: Mapping[str, Any]) -> None:
        if event["event"] == "begin":
            resource.prlimit(event["process"], resource.RLIMIT_FSIZE, (20_000, hard))

    with pytest.raises(Unavailable, match="no space left to write checkpoints"):
        train(training, limit)
    assert not (training.folder / "adapter").exists()


def test_too_little_memory_gives_one_message(make: Make) -> None:
    """Nothing more may be allocated once the training begins."""
    training = make([chat(f"question {n}", f"{n} " * 300) for n in range(40)], batch_size=16)

    def limit(event: Mapping[str, Any]) -> None:
        if event["event"] == "begin":
            process = event["process"]
            used = int(Path(f"/proc/{process}/statm").read_text().split()[0]) * 4096
            _, hard = resource.prlimit(process, resource.RLIMIT_AS)
            resource.prlimit(process, resource.RLIMIT_AS, (used, hard))

    with pytest.raises(Unavailable, match="there is not enough memory to train") as caught:
        train(training, limit)
    assert "training.batch_size" in caught.value.hint


def test_numbers_that_are_none_end_the_training(make: Make) -> None:
    training = make(learning_rate=1.0, max_grad_norm=0.0, schedule="constant", epochs=40)
    broken = training.base.folder.parent / "broken"
    shutil.copytree(training.base.folder, broken)
    content = bytearray((broken / "model.safetensors").read_bytes())
    content[-4:] = b"\x00\x00\xc0\x7f"  # NaN
    (broken / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="the training went astray: the loss is nan"):
        train(replace(training, base=replace(training.base, folder=broken)))


def test_four_bits_need_what_is_not_here(make: Make) -> None:
    training = make(quantise="nf4", device="cpu")
    with pytest.raises(SettingsError, match=r"quantise = 'nf4' needs an NVIDIA GPU \(CUDA\)"):
        train(training)
    assert not training.folder.exists()


def test_data_that_cannot_be_trained_on_leaves_nothing(make: Make) -> None:
    for lines, said in (
        (EXAMPLES[:3], "too few different examples"),
        ([*EXAMPLES, {"prompt": 1}], r"no training example, 1 line \(line 41"),
    ):
        training = make(lines)
        with pytest.raises(InputError, match=said):
            train(training)
        assert not training.folder.exists()
