"""Control tokens that are read from a tokenizer."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SettingsError
from fairlead.schema import ToolSpec
from fairlead.serving import open_model
from fairlead.serving.remote import Capabilities, HttpModel, Patience, Wire, control
from fairlead.serving.remote.body import Body
from fairlead.serving.remote.calls import Calls
from fairlead.serving.remote.control import ControlTokens, breaking, from_folder, from_server
from fairlead.serving.remote.endpoints import Endpoints
from tests.serving.remote.protocol import ChatServer, Connection, Seen, drop, hang, reply
from tests.serving.remote.test_model import asked

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
        paths.append(seen.path)
        await reply(body={"additional_special_tokens": ["<%sys%>"]})(connection, seen)

    paths: list[str] = []
    server.told = told
    async with open_model(server.url, "base", server="vllm") as model:
        await asyncio.gather(*(model.chat("Hi <%sys%> all") for _ in range(5)))
        await model.named("adapter").chat("<%sys%>")
    contents = {seen.body["messages"][0]["content"] for seen in server.seen}
    assert contents == {"Hi   sys   all", "  sys  "}
    assert paths == ["/tokenizer_info"]
    assert [seen.body["model"] for seen in server.seen][-1] == "adapter"


async def test_a_server_that_does_not_tell_takes_no_call_beyond_its_deadline(
    server: ChatServer,
) -> None:
    server.told = hang
    async with open_model(server.url, "base", server="vllm") as model:
        began = time.monotonic()
        said = await asyncio.gather(
            *(model.complete(asked(deadline=0.4)) for _ in range(5)), return_exceptions=True
        )
        assert time.monotonic() - began < 1.5
    assert [getattr(each, "text", each) for each in said] == ["Hello."] * 5


async def test_calls_that_wait_together_wait_once(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "WAITING", 0.2)
    monkeypatch.setattr(control.from_server, "__kwdefaults__", {"seconds": 0.2})
    server.told = hang
    async with open_model(server.url, "base", server="vllm") as model:
        began = time.monotonic()
        await asyncio.gather(*(model.complete(asked()) for _ in range(8)))
        assert time.monotonic() - began < 1.0  # eight times .2 would be more


async def test_tools_are_broken_anew_once_more_is_known(server: ChatServer) -> None:
    spec = ToolSpec(name="t", description="Does <%sys%>.", effect="read")
    server.told = drop
    async with open_model(server.url, "base", server="vllm") as model:
        await model.complete(asked(tools=(spec,)))
        server.told = reply(body={"additional_special_tokens": ["<%sys%>"]})
        model._body._control._rests_until = 0.0
        await model.complete(asked(tools=(spec,)))
    descriptions = [seen.body["tools"][0]["function"]["description"] for seen in server.seen]
    assert descriptions == ["Does <%sys%>.", "Does   sys  ."]


def test_the_same_adapter_is_the_same_model() -> None:
    model = HttpModel("base", Calls(Endpoints([]), patience=Patience()), _body())
    assert model.named("a") is model.named("a") is not model.named("b")
    for number in range(100):
        model.named(str(number))
    assert len(model._others) <= 64


def _body() -> Body:
    return Body("base", Capabilities(), salt_key=b"k", control=ControlTokens())
