"""An adapter beside its base on a golden set."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError, SettingsError
from fairlead.model_sections import ModelSettings
from fairlead.serving.scoring import compared, f1, normalised
from tests.serving.remote.protocol import Connection, Seen, answered, reply
from tests.serving.remote.test_replica import Engine
from tests.serving.test_routes import CARD


class Answering(Engine):
    """The base is right once, the adapter twice; both fail to call a tool once."""

    async def control(self, connection: Connection, seen: Seen) -> None:
        if "messages" not in seen.body:
            await super().control(connection, seen)
            return
        asked = seen.body["messages"][-1]["content"]
        adapted = seen.body["model"] != "base"
        if "tool" in asked:
            call = {"id": "1", "function": {"name": "find", "arguments": '{"id": 7}'}}
            body = answered("", tool_calls=[call] if adapted else [])
        else:
            said = "The answer is 30 days!" if adapted or "one" in asked else "sixty days"
            body = answered(said if "bad" not in asked else "no idea")
        await reply(body=body)(connection, seen)


@pytest.fixture
async def engine() -> AsyncIterator[Answering]:
    async with Answering() as made:
        yield made


def golden(path: Path) -> Path:
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
    lines: list[dict[str, Any]] = [
        {"prompt": "one?", "completion": "answer is 30 days"},
        {"prompt": "two?", "completion": "the answer is 30 days"},
        {"prompt": "bad?", "completion": "30 days"},
        {
            "messages": [
                {"role": "user", "content": "tool?"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
            ],
            "tools": [tool],
        },
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def told(url: str) -> ModelSettings:
    return ModelSettings(provider="vllm", url=url, name="base", server="openai")


async def test_both_are_scored_and_the_adapter_is_forgotten_again(
    engine: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "control")
    settings = ModelSettings(
        provider="vllm", url=engine.url, name="base", server="openai", api_key={"env": "KEY"}
    )
    card = replace(CARD, name="support")
    found = await compared(card, tmp_path, golden(tmp_path / "golden.jsonl"), settings)
    assert found.examples == 4 and found.worse == ()
    assert found.scores["base_exact_match"] == 0.25 and found.scores["exact_match"] == 0.75
    assert 0.25 < found.scores["base_f1"] < found.scores["f1"] < 1
    assert found.scores["errors"] == 0
    assert engine.adapters == set()


async def test_what_cannot_be_scored(engine: Answering, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(InputError, match="no example"):
        await compared(CARD, tmp_path, empty, told(engine.url))
    with pytest.raises(InputError, match="line 1"):
        empty.write_text("{")
        await compared(CARD, tmp_path, empty, told(engine.url))
    with pytest.raises(SettingsError, match="none is configured"):
        await compared(CARD, tmp_path, golden(tmp_path / "g.jsonl"), ModelSettings())
    with pytest.raises(SettingsError, match=r"refused the key|wants a key"):
        await compared(CARD, tmp_path, golden(tmp_path / "g.jsonl"), told(engine.url))


@given(st.text(), st.text())
def test_f1_is_a_share_and_symmetric(one: str, other: str) -> None:
    assert 0 <= f1(one, other) <= 1 and f1(one, other) == pytest.approx(f1(other, one))
    assert f1(one, one) == 1 and normalised(normalised(one)) == normalised(one)


def test_f1_by_hand() -> None:
    assert f1("the cat sat", "a cat sat down") == pytest.approx(2 * 2 / 5)
    assert normalised("The  Cat, sat!") == "cat sat"
