"""Which Python trains."""

import sys
from pathlib import Path

import pytest

from fairlead.errors import SettingsError
from fairlead.serving.launch import environment
from fairlead.serving.training import interpreter
from fairlead.serving.training.interpreter import (
    Device,
    Interpreter,
    check_quantised,
    find_interpreter,
    surroundings,
)
from fairlead.serving.training.recipe import TrainingSettings

GPU = Device(kind="cuda", name="a GPU", bf16=True, memory=80 << 30)
CPU = Device(kind="cpu", name="x86_64", bf16=False, memory=0)
PROGRAM = """#!/bin/sh
echo noise
echo 'fairlead:{"versions": {"torch": "2", "transformers": "5", "peft": "1", "accelerate": "1"},
 "device": {"kind": "cpu", "name": "x", "bf16": false, "memory": 0}}' | tr -d '\\n'
"""


def found(device: Device = CPU, **versions: str) -> Interpreter:
    return Interpreter(python="python", versions=versions, device=device)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_python_that_cannot_train_is_said(tmp_path: Path) -> None:
    bare = program(
        tmp_path / "bare",
        '#!/bin/sh\necho \'fairlead:{"versions": {"torch": "2"}, "device": {}}\'\n',
    )
    with pytest.raises(SettingsError, match="has no transformers, peft, accelerate") as caught:
        find_interpreter(str(bare))
    assert "pip install 'fairlead[train]'" in caught.value.hint
    with pytest.raises(SettingsError, match="does not run"):
        find_interpreter(str(tmp_path / "none"))
    broken = program(tmp_path / "broken", "#!/bin/sh\necho it is broken >&2\nexit 1\n")
    with pytest.raises(SettingsError, match="cannot train: it is broken"):
        find_interpreter(str(broken))


def test_vllms_python_is_taken_where_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "find_spec", lambda name: None)
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path))
    with pytest.raises(SettingsError, match="which this Python has not"):
        find_interpreter()
    made = environment.recipe("cpu")
    python = program(environment.interpreter(made), PROGRAM)
    (environment.folder(made) / ".ready").write_text(made.stamp)
    assert find_interpreter().python == str(python)


def test_this_python_is_taken_where_it_has_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "find_spec", lambda name: True)
    monkeypatch.setattr(interpreter, "_probed", lambda python: found(python=python))
    assert find_interpreter().versions == {"python": sys.executable}


def test_what_is_meant_for_this_python_misleads_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "here")
    assert surroundings(sys.executable)["PYTHONPATH"] == "here"
    assert "PYTHONPATH" not in surroundings("another")


def test_four_bits_need_a_gpu_and_a_package() -> None:
    wanted = TrainingSettings(quantise="nf4")
    check_quantised(found(), TrainingSettings())
    check_quantised(found(GPU, bitsandbytes="1"), wanted)
    with pytest.raises(SettingsError, match=r"an NVIDIA GPU \(CUDA\) and the package bitsandbytes"):
        check_quantised(found(), wanted)
    with pytest.raises(SettingsError, match="needs the package bitsandbytes"):
        check_quantised(found(GPU), wanted)
    with pytest.raises(SettingsError, match="needs an NVIDIA GPU"):
        check_quantised(found(GPU, bitsandbytes="1"), wanted.model_copy(update={"device": "cpu"}))


def test_precision_is_what_the_device_has() -> None:
    assert found(GPU).precision(TrainingSettings()) == "bf16"
    assert found(GPU).precision(TrainingSettings(device="cpu")) == "fp32"
    assert found().precision(TrainingSettings()) == "fp32"
    assert found().precision(TrainingSettings(precision="bf16")) == "bf16"


@pytest.mark.vllm
def test_a_real_python_says_what_it_has(training_python: str) -> None:
    real = find_interpreter(training_python)
    assert real.versions.keys() >= {"python", "torch", "peft", "transformers", "accelerate"}
    assert real.device.kind in ("cpu", "cuda")
