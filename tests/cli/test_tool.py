import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]

TOOLS = '''
import pathlib
from typing import Annotated
from fairlead import Authority, tool

@tool(effect="read")
def greet(name: str, times: int = 1) -> str:
    """Greet somebody.

    Args:
        name: Whom.
    """
    return "hello " * times + name + "\\u200b\\x1b[2J"

@tool(effect="send")
def email(to: Annotated[str, Authority], body: str) -> str:
    """Send an e-mail."""
    pathlib.Path("sent.txt").write_text(to)
    return "sent"

@tool(effect="read")
def fail() -> str:
    """Fail."""
    raise OSError("the line is dead")
'''


@pytest.fixture
def shop(home: Path) -> Path:
    (home / "shop.py").write_text(TOOLS)
    return home


def test_ls(run: Run, shop: Path) -> None:
    listed = run("tools", "ls", "--tools", "shop.py")
    lines = [line.split() for line in listed.stdout.splitlines() if not line.startswith(" ")]
    rows = {name: (effect, policy) for name, effect, policy, *_ in lines}
    assert rows["clock"] == ("read", "allow")
    assert rows["email"] == ("send", "block")


def test_ls_as_json(run: Run, shop: Path) -> None:
    document = json.loads(run("tools", "ls", "--tools", "shop.py", "--json").stdout)
    assert document["schema"] == "fairlead.tools/1"
    email = next(tool for tool in document["tools"] if tool["name"] == "email")
    assert {"name", "description", "effect", "authority", "payload", "parameters", "source"} <= set(
        email
    )
    assert email["effect"] == "send" and "to" in email["authority"]
    assert email["parameters"]["properties"]["to"]["type"] == "string"


def test_show(run: Run, shop: Path) -> None:
    shown = run("tools", "show", "greet", "--tools", "shop.py").stdout
    assert "Greet somebody." in shown and "Whom." in shown
    assert "string" in shown and "integer?" in shown
    document = json.loads(run("tools", "show", "greet", "--tools", "shop.py", "--json").stdout)
    assert document["tool"]["name"] == "greet"


def test_call(run: Run, shop: Path) -> None:
    called = run("tools", "call", "greet", "--args", '{"name": "Ada"}', "--tools", "shop.py")
    assert called.exit_code == 0
    assert called.stdout.startswith("hello Ada") and "\x1b" not in called.stdout


def test_call_as_json_prints_the_guarded_result(run: Run, shop: Path) -> None:
    called = run(
        "tools", "call", "greet", "--args", '{"name": "Ada"}', "--tools", "shop.py", "--json"
    )
    result = json.loads(called.stdout)["result"]
    assert result["tool"] == "greet" and result["arguments"] == {"name": "Ada"}
    assert "\u200b" not in result["text"]
    assert result["findings"] and result["label"]["integrity"] == "untrusted"


def test_a_blocked_call_is_not_made(run: Run, shop: Path) -> None:
    arguments = ["tools", "call", "email", "--args", '{"to": "a@b.c", "body": "x"}']
    called = run(*arguments, "--tools", "shop.py", "--json")
    assert called.exit_code == 4
    error = json.loads(called.stdout)["error"]
    assert error["code"] == "refused" and "[policy]" in error["message"]
    assert not (shop / "sent.txt").exists()


def test_an_allowed_call_is_made_and_journaled(run: Run, shop: Path) -> None:
    (shop / "fairlead.toml").write_text('[policy]\nallow = ["email"]\n')
    arguments = ["tools", "call", "email", "--args", '{"to": "a@b.c", "body": "x"}']
    called = run(*arguments, "--tools", "shop.py")
    assert (called.exit_code, called.stdout) == (0, "sent\n")
    assert (shop / "sent.txt").read_text() == "a@b.c"
    assert (shop / ".fairlead" / "journal.db").is_file()


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["nothing"], 2, "not_found"),
        (["greet", "--args", '{"name": 1}'], 2, "bad_input"),
        (["greet"], 2, "bad_input"),
        (["greet", "--args", "{"], 2, "bad_input"),
        (["greet", "--args", "[1]"], 2, "bad_input"),
        (["fail"], 1, "internal"),
        (["clock", "--tenant", "No Such!"], 2, "bad_input"),
    ],
)
def test_calls_that_fail(
    run: Run, shop: Path, arguments: list[str], status: int, code: str
) -> None:
    called = run("tools", "call", *arguments, "--tools", "shop.py", "--json")
    document = json.loads(called.stdout)
    assert (called.exit_code, document["schema"]) == (status, "fairlead.error/1")
    assert document["error"]["code"] == code
    assert document["error"]["message"] in called.stderr and "Traceback" not in called.stderr


def test_a_langchain_tools_arguments_are_checked_before_it_is_called(run: Run, shop: Path) -> None:
    said = "from langchain_core.tools import tool\n\n@tool\ndef town(name: str) -> str:\n"
    (shop / "lc.py").write_text(f'{said}    """Say where."""\n    return name\n')
    (shop / "fairlead.toml").write_text('[tools.declare.town]\neffect = "read"\n')
    call = ["tools", "call", "town", "--tools", "lc.py", "--args"]
    assert run(*call, '{"name": "Oslo"}').stdout == "Oslo\n"
    assert run(*call, '{"name": ["Oslo"]}').exit_code == 2
