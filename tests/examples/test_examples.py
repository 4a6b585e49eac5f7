"""Every example runs as it stands, without a network, and says what its docstring promises."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]
Captured = pytest.CaptureFixture[str]


async def test_quickstart(
    example: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    await example("quickstart.py").main()
    said = capsys.readouterr().out
    assert said.startswith("answered: ")
    assert "A gift card cannot be exchanged for cash." in said
    assert "documents/policies/gift-cards.md" in said


async def test_own_tool(example: Load, capsys: Captured) -> None:
    await example("own_tool.py").main()
    said = capsys.readouterr().out
    assert said.startswith("answered: ")
    assert "A parcel of 5 kg to Norway costs 21.50 EUR." in said
    assert "parcel_price said" in said


async def test_subgraph(example: Load, capsys: Captured) -> None:
    await example("subgraph.py").main()
    letter, _, streamed = capsys.readouterr().out.partition("streamed by LangGraph:")
    assert "open Tuesday to Saturday from 10:00 to 18:00" in letter
    assert "according to: " in letter
    assert streamed.split()[0] == "admit" and "answer" in streamed.split()
