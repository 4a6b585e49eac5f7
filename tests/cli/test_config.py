import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fairlead.settings import Settings

Run = Callable[..., Result]


def test_show_prints_a_valid_settings_file(run: Run, home: Path) -> None:
    (home / "fairlead.toml").write_text('[budgets]\nhops = 3\n[policy]\nallow = ["refund"]\n')
    shown = run("config", "show")
    assert shown.exit_code == 0
    read = Settings.model_validate(tomllib.loads(shown.stdout))
    assert (read.budgets.hops, read.policy.allow) == (3, ("refund",))
    assert read.storage.path == home / ".fairlead"


def test_show_says_where_each_value_came_from(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "fairlead.toml").write_text("[budgets]\nhops = 3\n")
    monkeypatch.setenv("FAIRLEAD_RETRIEVAL__K", "5")
    lines = run("config", "show", "--origin").stdout.splitlines()
    said = {line.split(" = ")[0]: line.split("  # ")[-1] for line in lines}
    assert said["budgets.hops"] == f"project {home / 'fairlead.toml'}"
    assert said["retrieval.k"] == "environment FAIRLEAD_RETRIEVAL__K"
    assert said["budgets.seconds"] == "default"


def test_show_as_json(run: Run, home: Path) -> None:
    (home / "fairlead.toml").write_text("[budgets]\nhops = 3\n")
    plain = json.loads(run("config", "show", "--json").stdout)
    assert next(iter(plain)) == "schema" and plain["schema"] == "fairlead.config/1"
    assert plain["settings"]["budgets"]["hops"] == 3
    assert plain["settings"]["schema"] == 1
    assert "origins" not in plain
    full = json.loads(run("config", "show", "--json", "--origin").stdout)
    assert full["origins"]["budgets.hops"].startswith("project ")
    assert full["file"] == str(home / "fairlead.toml")


def test_show_never_prints_a_secret(run: Run, home: Path) -> None:
    (home / "fairlead.toml").write_text(
        "[model]\nprovider = 'langchain:a:B'\n"
        "[model.options]\napi_key = 'sk-123'\nname = 'base'\nmax_tokens = 9\n"
        "[model.options.headers]\nauth_token = 'sk-456'\n"
        "[model.options.password]\nenv = 'THE_PASSWORD'\n"
    )
    for arguments in (["config", "show", "--origin"], ["config", "show", "--json"]):
        printed = run(*arguments).stdout
        assert "sk-" not in printed and "(hidden)" in printed
        assert "THE_PASSWORD" in printed and "base" in printed and "9" in printed


def test_the_schema_is_one_of_the_settings_file(run: Run) -> None:
    schema = json.loads(run("config", "schema").stdout)
    assert {"schema", "storage", "budgets"} <= set(schema["properties"])
    wrapped = json.loads(run("config", "schema", "--json").stdout)
    assert wrapped == {"schema": "fairlead.config/1", "json_schema": schema}


def test_path(run: Run, home: Path) -> None:
    missing = run("config", "path")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "fairlead init" in missing.stderr
    (home / "fairlead.toml").write_text("schema = 1\n")
    assert run("config", "path").stdout == f"{home / 'fairlead.toml'}\n"
    document = json.loads(run("config", "path", "--json").stdout)
    assert document == {"schema": "fairlead.config/1", "path": str(home / "fairlead.toml")}


def test_a_settings_file_can_be_named(run: Run, home: Path) -> None:
    (home / "other.toml").write_text("[budgets]\nhops = 4\n")
    assert "budgets.hops = 4" in run("--config", "other.toml", "config", "show").stdout


def test_show_leaves_the_password_out_of_a_url(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("postgresql://ada:s3cret@db/x", "postgresql:///x?user=ada&password=s3cret"):
        monkeypatch.setenv("FAIRLEAD_STORAGE__URL", url)
        shown = run("config", "show").stdout
        assert "s3cret" not in shown and "ada" in shown and "(hidden)" in shown
