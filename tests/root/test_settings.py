"""Layers, origins and refusals of settings."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SettingsError
from fairlead.settings import Settings, flatten, load


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)


def test_defaults_need_no_file(tmp_path: Path) -> None:
    loaded = load()
    assert loaded.settings.budgets.hops == 12
    assert loaded.settings.storage.path == tmp_path / ".fairlead"
    assert not loaded.origins


def test_stronger_layers_win_and_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user" / "fairlead").mkdir(parents=True)
    (tmp_path / "user/fairlead/fairlead.toml").write_text("[budgets]\nhops = 3\ntokens = 30\n")
    (tmp_path / "fairlead.toml").write_text("[budgets]\nhops = 4\ntool_calls = 4\nseconds = 4\n")
    (tmp_path / ".env").write_text("FAIRLEAD_BUDGETS__TOOL_CALLS=5\nFAIRLEAD_BUDGETS__SECONDS=5\n")
    monkeypatch.setenv("FAIRLEAD_BUDGETS__SECONDS", "6")
    below = tmp_path / "deep" / "down"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    loaded = load()
    budgets = loaded.settings.budgets
    assert (budgets.tokens, budgets.hops, budgets.tool_calls, budgets.seconds) == (30, 4, 5, 6)
    said = [loaded.origins[f"budgets.{n}"].split()[0] for n in ("tokens", "hops", "tool_calls")]
    assert said == ["user", "project", ".env"]
    assert loaded.origins["budgets.seconds"] == "environment FAIRLEAD_BUDGETS__SECONDS"
    assert loaded.settings.storage.path == tmp_path / ".fairlead"


def test_a_routes_prompt_lies_beside_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fairlead.toml").write_text(
        '[routes.planner]\nprompt = "p.md"\n[routes.answer]\nprompt = "/x/a.md"\n'
    )
    below = tmp_path / "down"
    below.mkdir()
    monkeypatch.chdir(below)
    routes = load().settings.routes
    assert routes["planner"].prompt == tmp_path / "p.md"
    assert routes["answer"].prompt == Path("/x/a.md")


def test_a_mapping_reads_no_file_but_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fairlead.toml").write_text("[budgets]\nhops = 4\n")
    monkeypatch.setenv("FAIRLEAD_POLICY__ALLOW", '["email"]')
    settings = load({"budgets": {"tokens": 9}}).settings
    assert (settings.budgets.hops, settings.budgets.tokens) == (12, 9)
    assert settings.policy.allow == ("email",)


@pytest.mark.parametrize(
    ("given", "named", "near"),
    [
        ({"budgets": {"hop": 1}}, "budgets.hop", "budgets.hops"),
        ({"retreival": {"k": 1}}, "retreival", "retrieval"),
        ({"tools": {"declare": {"x": {"efect": "read"}}}}, "efect", "effect"),
        ({"collections": {"a": {"chunk": "recursive"}}}, "chunk", "chunker"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(given: object, named: str, near: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(given)  # type: ignore[arg-type]  # mappings of several shapes
    assert named in caught.value.message
    assert near in caught.value.hint


def test_an_unknown_environment_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_BUDGET__HOPS", "3")
    with pytest.raises(SettingsError, match="environment FAIRLEAD_BUDGET__HOPS"):
        load({})


@pytest.mark.parametrize("values", [{"agents": {"x": 1}}])
def test_what_this_version_does_not_do_is_refused_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="not supported by this version"):
        load(values)


def test_bad_values_and_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"budgets\.hops"):
        load({"budgets": {"hops": "many"}})
    with pytest.raises(SettingsError, match="no settings file"):
        load(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("[budgets\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load(tmp_path / "bad.toml")


@given(st.dictionaries(st.sampled_from(["hops", "tool_calls"]), st.integers(1, 100)))
def test_flatten_names_every_value(values: dict[str, int]) -> None:
    named = dict(flatten(Settings.model_validate({"budgets": values})))
    assert all(named[f"budgets.{name}"] == value for name, value in values.items())
    assert named["retrieval.k"] == 8
