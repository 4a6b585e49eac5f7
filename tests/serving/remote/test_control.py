"""Control tokens that are read from a tokenizer."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SettingsError
from fairlead.serving import open_model
from fairlead.serving.remote import Wire
from fairlead.serving.remote.control import breaking, from_folder, from_server
from tests.serving.remote.protocol import ChatServer, Connection, Seen, reply

TOKENS = ["<%sys%>", "▁END▁", "zork", "{{user}}", "<s>", "[MASK]", "a-b", "--"]


@given(st.text() | st.lists(st.sampled_from([*TOKENS, "<", "%", "-", "{", " "])).map("".join))
def test_no_token_is_left(text: str) -> None:
    broken = breaking(TOKENS)
    said = broken(text)
    assert not [token for token in TOKENS if token in said]
    assert broken(said) == said


def test_other_text_stays_as_it_is() -> None:
    text = "A plain text, with <b>tags</b>, 50 % & {braces}."
    assert breaking(TOKENS)(text) == text


def test_from_the_files_of_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(
        json.dumps(
            {
                "added_tokens": [
                    {"content": "<|im_start|>", "special": True},
                    {"content": "<tool>", "special": False},
                    {"content": "http", "special": False},
                ]
            }
        )
    )
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "bos_token": "<s>",
                "eos_token": {"content": "</s>"},
                "pad_token": None,
                "additional_special_tokens": ["<%a%>"],
                "added_tokens_decoder": {"7": {"content": "<%b%>", "special": True}},
                "chat_template": "…",
            }
        )
    )
    found = from_folder(tmp_path)
    assert found == {"<|im_start|>", "<tool>", "<s>", "</s>", "<%a%>", "<%b%>"}
    with pytest.raises(SettingsError, match="no tokenizer"):
        from_folder(tmp_path / "none")
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(SettingsError, match="cannot be read"):
        from_folder(tmp_path)


async def test_from_the_server(server: ChatServer) -> None:
    async with Wire(server.url) as wire:
        server.told = reply(body={"bos_token": "<s>", "added_tokens_decoder": {}})
        assert await from_server(wire) == frozenset({"<s>"})
        server.told = reply(404, {})
        assert await from_server(wire) is None
        server.told = reply(body=b"<html>")
        assert await from_server(wire) is None


async def test_what_the_server_tells_is_broken_from_the_first_request_on(
    server: ChatServer,
) -> None:
    async def told(connection: Connection, seen: Seen) -> None:
        asked.append(seen.path)
        await reply(body={"additional_special_tokens": ["<%sys%>"]})(connection, seen)

    asked: list[str] = []
    server.told = told
    async with open_model(server.url, "base", server="vllm") as model:
        await asyncio.gather(*(model.chat("Hi <%sys%> all") for _ in range(5)))
        await model.named("adapter").chat("<%sys%>")
    contents = {seen.body["messages"][0]["content"] for seen in server.seen}
    assert contents == {"Hi   sys   all", "  sys  "}
    assert asked == ["/tokenizer_info"]
    assert [seen.body["model"] for seen in server.seen][-1] == "adapter"
