import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fairlead.cli.init import FILES, NEXT
from fairlead.settings import load

Run = Callable[..., Result]


@pytest.mark.parametrize("template", list(FILES))
def test_every_template_is_written_and_loads(run: Run, home: Path, template: str) -> None:
    made = run("init", "shop", "--template", template)
    assert made.exit_code == 0, made.stderr
    for name in FILES[template]:  # type: ignore[index]  # a StrEnum is its value
        assert (home / "shop" / name).is_file()
        assert f"wrote {Path('shop') / name}" in made.stdout
    text = (home / "shop" / "fairlead.toml").read_text()
    assert text.startswith("#:schema .fairlead/settings.schema.json\n")
    assert json.loads((home / "shop/.fairlead/settings.schema.json").read_text())["properties"]
    assert load(home / "shop" / "fairlead.toml").settings.storage.path == home / "shop/.fairlead"


def test_as_json(run: Run) -> None:
    made = json.loads(run("init", "--template", "tools", "--json").stdout)
    assert made["schema"] == "fairlead.init/1"
    assert made["files"][0] == "fairlead.toml" and "tools.py" in made["files"]
    assert made["next"] == list(NEXT["tools"])  # type: ignore[index]  # a StrEnum is its value


@pytest.mark.parametrize("name", ["fairlead.toml", "docs/returns.md"])
def test_nothing_is_overwritten(run: Run, home: Path, name: str) -> None:
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text("mine")
    made = run("init")
    assert made.exit_code == 2
    assert repr(name) in made.stderr
    assert (home / name).read_text() == "mine"
    assert sorted(p.name for p in home.rglob("*") if p.is_file()) == [Path(name).name]


def test_a_dangling_link_is_not_written_through(run: Run, home: Path) -> None:
    os.symlink(home / "elsewhere", home / "fairlead.toml")
    assert run("init").exit_code == 2
    assert not (home / "elsewhere").exists()


def test_a_file_in_place_of_the_folder(run: Run, home: Path) -> None:
    (home / "shop").write_text("")
    made = run("init", "shop")
    assert made.exit_code == 3
    assert "cannot write" in made.stderr and "Traceback" not in made.stderr


def test_an_unknown_template_is_a_usage_error(run: Run) -> None:
    made = run("init", "--template", "none", "--json")
    assert made.exit_code == 2
    error = json.loads(made.stdout)["error"]
    assert error["code"] == "usage" and "'minimal'" in error["message"]


def test_the_tools_template_has_a_tool(run: Run) -> None:
    run("init", "--template", "tools")
    listed = json.loads(run("tools", "ls", "--tools", "tools.py", "--json").stdout)["tools"]
    found = {tool["name"]: tool for tool in listed}
    assert found["find_order"]["effect"] == "read"
    called = run("tools", "call", "find_order", "--args", '{"order": 1042}', "--tools", "tools.py")
    assert called.exit_code == 0 and "glass mug" in called.stdout
