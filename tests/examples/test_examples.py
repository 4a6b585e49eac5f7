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
    module = example("quickstart.py")
    monkeypatch.setattr(module, "DOCUMENTS", module.DOCUMENTS / "policies" / "gift-cards.md")
    await module.main()
    said = capsys.readouterr().out
    assert said.startswith("answered: ")
    assert "A gift card cannot be exchanged for cash." in said
    assert "gift-cards.md: " in said


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


async def test_langchain_model(example: Load, capsys: Captured) -> None:
    await example("langchain_model.py").main()
    said = capsys.readouterr().out
    assert said.startswith("answered by FakeListChatModel: Your gift card is valid for three years")
    assert "'Gift cards are valid for three years.'" in said


async def test_own_machine(example: Load, capsys: Captured) -> None:
    await example("own_machine.py").main()
    said = capsys.readouterr().out
    assert "2 passages came in, 1 went on" in said
    assert "answered: The tent stood through a force 8 gale on Skye." in said


async def test_demo(example: Load, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPPORT_DESK_FOLDER", raising=False)
    await example("support_desk/demo.py").main()
    said = " ".join(capsys.readouterr().out.split())
    assert "The comfort temperature of the Fjord 5 is −2 °C." in said
    assert "2026-10-20" in said
    assert "Customers in Germany may return unused goods within 30 days of delivery." in said
    assert "within 14 days" not in said
    assert "Customers in France may return unused goods within 45 days of delivery." in said
    assert "The Kestrel 2 weighs 2.1 kg" in said and "force 8 gale" in said
    assert "Refunds made: 0. E-mails sent: 0." in said
    assert "I found no answer" in said and "abstained in" in said
    assert "invoke_agent fairlead" in said and "execute_tool find_order" in said
