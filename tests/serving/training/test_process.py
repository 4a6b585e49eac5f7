"""What the command makes of a training process, whatever that does; the process is a script."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fairlead.errors import FairleadError, InputError, SettingsError, Unavailable
from fairlead.serving.training.base_model import read_base_model
from fairlead.serving.training.preparation import Sources
from fairlead.serving.training.process import run, write_whole
from fairlead.serving.training.recipe import read_recipe
from fairlead.serving.training.training import Training, look, train
from fairlead.storage import Leases
from tests.serving.training.conftest import Write, different
from tests.serving.training.scripted import DONE, TRAINING, write_script
from tests.serving.training.tiny import write_base

Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A program that stands where a Python would."""
    made = iter(range(100))

    def one(text: str) -> str:
        return write_script(tmp_path / f"python{next(made)}", text)

    return one


def events(python: str, folder: Path) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    run(python, folder / "job.json", folder / "log.txt", found.append)
    return found


def test_events_are_told_and_noise_is_not(script: Script, tmp_path: Path) -> None:
    python = script('print("noise"); print("{}"); say(event="step", step=1); print("x")')
    assert events(python, tmp_path) == [{"event": "step", "step": 1}]


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("memory", Unavailable, "not enough memory to train: why"),
        ("disk", Unavailable, "no space left to write checkpoints: why"),
        ("busy", Unavailable, "another process is training"),
        ("diverged", InputError, "went astray: why"),
        ("packing", SettingsError, "packed rows: why"),
        ("deterministic", SettingsError, "not deterministic here: why"),
        ("unexpected", FairleadError, "the training failed: why"),
    ],
)
def test_each_failure_is_one_error_with_a_hint(
    script: Script, tmp_path: Path, code: str, kind: type[FairleadError], said: str
) -> None:
    python = script(f'say(event="failed", code="{code}", message="why"); sys.exit(1)')
    with pytest.raises(FairleadError, match=said) as caught:
        events(python, tmp_path)
    assert type(caught.value) is kind and caught.value.hint


def test_a_process_that_ends_without_a_word_is_explained(script: Script, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="was killed, as happens where memory runs out"):
        events(script("os.kill(os.getpid(), signal.SIGKILL)"), tmp_path)
    with pytest.raises(FairleadError, match="exit status 3: it broke"):
        events(script('print("it broke", file=sys.stderr); sys.exit(3)'), tmp_path)
    (tmp_path / "log.txt").unlink()
    with pytest.raises(FairleadError, match="exit status 4: nothing was said"):
        events(script("sys.exit(4)"), tmp_path)


def test_an_interruption_ends_the_process(script: Script, tmp_path: Path) -> None:
    python = script('say(event="begin", process=os.getpid()); time.sleep(600)')
    seen: list[int] = []

    def interrupt(event: Mapping[str, Any]) -> None:
        seen.append(event["process"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(python, tmp_path / "job.json", tmp_path / "log.txt", interrupt)
    assert not Path(f"/proc/{seen[0]}").exists()


@pytest.fixture
def make(write: Write, script: Script, tmp_path: Path) -> Callable[..., Training]:
    """A training whose process does as the script says."""
    folder = write_base(tmp_path / "base", template="")
    base = read_base_model(folder, name="tiny", digest="d" * 64)

    def one(text: str = DONE, **settings: Any) -> Training:
        pairs = [
            {"prompt": e["messages"][0]["content"], "completion": str(n)}
            for n, e in enumerate(different(60))
        ]
        return Training(
            sources=Sources(data=write(pairs).path),
            base=base,
            recipe=read_recipe(None, {"training": settings}),
            folder=tmp_path / "out",
            python=script(TRAINING + text),
        )

    return one


def made(training: Training) -> str:
    return (training.folder / "adapter" / "adapter_model.safetensors").read_text()


def test_what_is_done_is_put_in_its_place(make: Callable[..., Training]) -> None:
    training = make()
    report, plan = look(training)
    assert report.ok and plan.steps == 12 and not training.folder.exists()
    trained = train(training)
    assert trained.fresh and trained.record["plan"]["steps"] == 12
    assert trained.record["data"]["digest"] == report.data_digest
    assert trained.report["findings"][0]["code"] == "no_template"
    assert {each.name for each in training.folder.iterdir()} == {
        ".lock", "adapter", "report.json", "training.json",
    }  # fmt: skip
    first = made(training)
    assert not train(training).fresh and made(training) == first
    assert train(training, fresh=True).fresh and made(training) != first
    other = replace(training, recipe=read_recipe(None, {"training": {"seed": 1}}))
    assert train(other).fresh  # what is finished may be replaced


def test_an_unfinished_one_goes_on_with_the_same_alone(make: Callable[..., Training]) -> None:
    training = make("sys.exit(1)")
    with pytest.raises(FairleadError):
        train(training)
    state = training.folder / "run" / "state.json"
    began = json.loads(state.read_text())["now"]
    with pytest.raises(InputError, match=r"differs in training\.epochs, training\.seed") as caught:
        train(replace(make(), recipe=make(seed=1, epochs=1).recipe))
    assert "--fresh" in caught.value.hint and state.exists()
    ended = replace(training, python=make().python)
    assert train(ended).fresh and not state.exists() and began


@pytest.mark.parametrize("last", ["report.json", "training.json", "adapter", "run"])
def test_a_crash_while_results_are_put_in_place_is_mended(
    make: Callable[..., Training], monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """It stops before what is named here is written, moved or removed."""
    training = make()

    def stopping(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda path, *more, **named: (
            _crash() if Path(path).name == last and not named else real(path, *more, **named)
        )

    with monkeypatch.context() as patched:
        patched.setattr(f"{train.__module__}.write_whole", stopping(write_whole))
        patched.setattr(Path, "rename", stopping(Path.rename))
        patched.setattr(shutil, "rmtree", stopping(shutil.rmtree))
        with pytest.raises(RuntimeError, match="crash"):
            train(training)
    failing = replace(training, python=make("sys.exit(9)").python)  # it need not run again
    trained = train(failing)
    assert trained.record["metrics"]["steps"] == 12 and made(training)
    assert not (training.folder / "run").exists()


def _crash(*_: object, **__: object) -> None:
    raise RuntimeError("crash")


def test_two_trainings_do_not_share_a_folder(make: Callable[..., Training]) -> None:
    training = make()
    training.folder.mkdir()
    leases = Leases.at(training.folder / ".lock")
    assert leases.take("training")
    try:
        with pytest.raises(Unavailable, match="another process is training in"):
            train(training)
    finally:
        leases.give("training")
    assert train(training).fresh


def test_a_disk_without_room_is_said_before(
    make: Callable[..., Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    training = make()
    with pytest.raises(Unavailable, match=r"checkpoints need about 0\.0 GB .* 0\.0 are free"):
        train(training)
    assert not (training.folder / "run").exists()


def test_a_place_that_cannot_be_written_is_said(make: Callable[..., Training]) -> None:
    training = make()
    training.folder.write_text("a file")
    with pytest.raises(SettingsError, match="cannot write"):
        train(training)
