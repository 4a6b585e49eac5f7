import sys
from pathlib import Path

import pytest

from fairlead.cli.modules import load_tools
from fairlead.errors import InputError
from fairlead.tools import Tool

TWO = '''
from fairlead import tool
from price_list import PRICES

@tool(effect="read")
def price(item: str) -> int:
    """Say what an item costs."""
    return PRICES[item]

@tool(effect="write")
def book(item: str) -> str:
    """Book an item."""
    return item

BOTH = [price, book]
plain = len
'''


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tools in `shop_tools.py`, which need the module beside them."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("shop_tools", "price_list"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (home / "price_list.py").write_text("PRICES = {'mug': 9}\n")
    (home / "shop_tools.py").write_text(TWO)
    return home


def names(tools: list[object]) -> list[str]:
    return [tool.spec.name for tool in tools if isinstance(tool, Tool)]


@pytest.mark.parametrize("place", ["shop_tools", "shop_tools.py", "./shop_tools.py"])
def test_every_decorated_function_of_a_module(folder: Path, place: str) -> None:
    assert names(load_tools([place])) == ["price", "book"]


def test_langchain_tools_of_a_module_are_tools_too(folder: Path) -> None:
    said = "from langchain_core.tools import tool as lc\n\n@lc\ndef town(name: str) -> str:\n"
    (folder / "shop_tools.py").write_text(f'{TWO}\n{said}    """Say where."""\n    return name\n')
    assert [getattr(tool, "name", "") for tool in load_tools(["shop_tools"])][2:] == ["town"]


@pytest.mark.parametrize("place", ["shop_tools", "shop_tools.py"])
def test_one_attribute(folder: Path, place: str) -> None:
    assert names(load_tools([f"{place}:book"])) == ["book"]
    assert names(load_tools([f"{place}:BOTH"])) == ["price", "book"]
    assert load_tools([f"{place}:plain"]) == [len]


def test_a_file_elsewhere_reaches_the_modules_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert names(load_tools([str(folder / "shop_tools.py")])) == ["price", "book"]


def test_a_module_that_lists_its_tools(folder: Path) -> None:
    (folder / "shop_tools.py").write_text(TWO + "\nTOOLS = (book,)\n")
    assert names(load_tools(["shop_tools.py"])) == ["book"]


def test_a_tool_that_is_named_twice_comes_once(folder: Path) -> None:
    assert names(load_tools(["shop_tools:price", "shop_tools"])) == ["price", "book"]


def test_the_folder_shadows_nothing_afterwards(folder: Path) -> None:
    load_tools(["shop_tools"])
    assert sys.path[0] != str(folder) and sys.path[-1] == str(folder)


def test_nothing_named_is_nothing_loaded() -> None:
    assert load_tools(None) == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("no_such_module", "no module 'no_such_module'"),
        ("no_such.module", "no module 'no_such.module'"),
        ("no_such.py", "no file 'no_such.py'"),
        ("shop_tools:sell", "has no 'sell'"),
        ("price_list", "'price_list' has no tools"),
        ("needy.py", "cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
        ("broken.py", "cannot be imported: ZeroDivisionError"),
        ("leaving.py", "cannot be imported: SystemExit"),
        ("garbled.py", "cannot be imported: SyntaxError"),
        ("", "'' cannot be imported"),
    ],
)
def test_what_cannot_be_loaded(folder: Path, place: str, said: str) -> None:
    (folder / "needy.py").write_text("import not_there\n")
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "leaving.py").write_text("raise SystemExit(3)\n")
    (folder / "garbled.py").write_text("def (\n")
    with pytest.raises(InputError) as refused:
        load_tools([place])
    assert said in refused.value.message


def test_a_tool_that_cannot_be_declared_says_so_itself(folder: Path) -> None:
    (folder / "silent.py").write_text(
        "from fairlead import tool\n@tool(effect='read')\ndef quiet() -> int:\n    return 1\n"
    )
    with pytest.raises(InputError, match="'quiet' has no docstring"):
        load_tools(["silent.py"])
