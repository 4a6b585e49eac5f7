"""The real engine behind its front: what comes through, what does not, and how it ends."""

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fairlead.serving.launch.survey import LoadedAdapter, Server, survey
from scripts.tiny_world import FOLDERS
from tests.servers.vllm import Vllm
from tests.serving.launch.conftest import alive

pytestmark = pytest.mark.vllm

NOTE = FOLDERS[2]
CHAT = "/v1/chat/completions"
HELLO = {"model": "base", "messages": [{"role": "user", "content": "hello"}], "temperature": 0}
FIVE = {"max_tokens": 5, "min_tokens": 5}
TOKENS = 1900
LONG = {**HELLO, "max_tokens": TOKENS, "min_tokens": TOKENS, "stream": True}
SECONDS = 180.0


def until(true: Callable[[], bool], seconds: float = SECONDS) -> None:
    patience = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < patience
        time.sleep(0.2)


def group(leader: int) -> set[int]:
    """The processes of an engine."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == leader:
            found.add(int(entry.parent.name))
    return found


def engines(server: Vllm) -> set[int]:
    """The keeper and the engine: their command lines name the served model."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(server.model).encode() in line and b"vllm.entrypoints" in line:
            found.add(int(entry.parent.name))
    return found


def status_of(url: str, body: object = None, key: str = "") -> int:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def metric(server: Vllm, name: str) -> float:
    lines = server.ask("/metrics").splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


@asynccontextmanager
async def streamed(server: Vllm, body: object) -> AsyncIterator[aiohttp.ClientResponse]:
    """An answer whose first piece has come. Leaving it early is going away."""
    headers = {"Authorization": f"Bearer {server.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(server.root + CHAT, json=body) as reply,
    ):
        assert (await reply.content.readuntil(b"\n\n")).startswith(b"data: ")
        yield reply


def test_it_answers(vllm: Vllm) -> None:
    answer = vllm.ask(CHAT, {**HELLO, **FIVE})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    tokens = vllm.ask("/tokenize", {"model": "base", "prompt": "hello"})["tokens"]
    assert vllm.ask("/detokenize", {"model": "base", "tokens": tokens})["prompt"] == "hello"


async def test_it_streams(vllm: Vllm) -> None:
    body = {**HELLO, **FIVE, "stream": True, "stream_options": {"include_usage": True}}
    async with streamed(vllm, body) as reply:
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        rest = (await reply.content.read()).decode()
    pieces = [line.removeprefix("data: ") for line in rest.split("\n\n") if line]
    assert pieces[-1] == "[DONE]" and json.loads(pieces[-2])["usage"]["completion_tokens"] == 5


def test_ids_and_headers_come_back(vllm: Vllm) -> None:
    request = urllib.request.Request(
        vllm.root + CHAT,
        json.dumps({**HELLO, "max_tokens": 1}).encode(),
        {
            "Authorization": f"Bearer {vllm.key}",
            "Content-Type": "application/json",
            "X-Request-Id": "mine",
        },
    )
    with urllib.request.urlopen(request) as reply:
        assert reply.headers["X-Request-Id"] == "mine"
        assert json.loads(reply.read())["id"].startswith("chatcmpl-mine")


def test_only_what_is_listed_comes_through(vllm: Vllm) -> None:
    for path in ("/invocations", "/adapters", "/v1/completions", "/v1/responses", "/sleep"):
        assert status_of(vllm.root + path, {}, vllm.key) == 404, path
    for path in ("/docs", "/openapi.json", "/ping", "/load"):
        assert status_of(vllm.root + path, key=vllm.key) == 404, path
    assert status_of(f"{vllm.url}/models") == 401
    assert status_of(f"{vllm.url}/models", key=vllm.control_key) == 401


def test_the_engine_itself_is_closed(vllm: Vllm) -> None:
    """vLLM's own key guards the first of these alone, and leaves loading by /adapters open."""
    for key in ("", vllm.key, vllm.control_key):
        for path in ("/v1/models", "/health", "/metrics", "/version", "/docs", "/ping"):
            assert status_of(vllm.engine_url + path, key=key) == 401, path
        for path in ("/invocations", "/adapters", "/tokenize", "/ping"):
            assert status_of(vllm.engine_url + path, {}, key=key) == 401, path


def test_adapters_come_and_go_by_the_control_key(vllm: Vllm) -> None:
    second = {"lora_name": "second", "lora_path": str(NOTE)}
    loading = f"{vllm.url}/load_lora_adapter"
    assert status_of(loading, second, vllm.key) == 401
    assert status_of(loading, second, vllm.control_key) == 200
    names = [each["id"] for each in vllm.ask("/v1/models")["data"]]
    assert names == ["base", *vllm.adapters, "second"]

    def said(model: str) -> Any:
        body = {**HELLO, "model": model, "max_tokens": 12, "logprobs": True}
        return vllm.ask(CHAT, body)["choices"][0]["logprobs"]

    assert len({json.dumps(said(name)) for name in names}) == 3, "each has weights of its own"
    unloading = f"{vllm.url}/unload_lora_adapter"
    assert status_of(unloading, {"lora_name": "second"}, vllm.control_key) == 200
    assert status_of(vllm.root + CHAT, {**HELLO, "model": "second"}, vllm.key) == 404


async def test_models_ls_sees_it(vllm: Vllm) -> None:
    vllm.ask(CHAT, {**HELLO, "max_tokens": 1})
    asked = Server(name="main", provider="vllm", url=vllm.url, model="base", key=vllm.key)
    (report,) = await survey([asked])
    assert (report.status, report.healthy, report.error) == ("up", True, "")
    assert report.served == ("base",)
    assert report.adapters == tuple(LoadedAdapter(name=name, base="base") for name in vllm.adapters)
    assert (report.running, report.waiting, report.kv_usage) == (0, 0, 0.0)
    assert report.prefix_queries and report.prefix_hits is not None


async def test_a_client_that_goes_away_frees_the_engine(vllm: Vllm) -> None:
    made = []
    for _ in range(10):  # on a busy machine all may be made before the first piece is delivered
        before = metric(vllm, "vllm:generation_tokens_total")
        async with streamed(vllm, LONG):
            pass
        await asyncio.to_thread(until, lambda: metric(vllm, "vllm:num_requests_running") == 0)
        made.append(metric(vllm, "vllm:generation_tokens_total") - before)
        if made[-1] < TOKENS:
            return
    raise AssertionError(f"every request was answered to its end: {made}")


async def test_an_engine_that_is_killed_breaks_streams_and_comes_back(vllm: Vllm) -> None:
    processes = group(vllm.engine_pid)
    assert len(processes) >= 3
    async with streamed(vllm, LONG) as reply:
        os.kill(vllm.engine_pid, signal.SIGKILL)
        with pytest.raises(aiohttp.ClientPayloadError):
            await reply.content.read()
    await asyncio.to_thread(until, lambda: not alive(processes))
    await asyncio.to_thread(
        until, lambda: status_of(f"{vllm.url}/models", key=vllm.key) in (502, 503)
    )
    await asyncio.to_thread(until, lambda: status_of(f"{vllm.url}/models", key=vllm.key) == 200)
    assert "ended with status 137; it is started again" in vllm.said
    (adapter,) = vllm.adapters
    assert vllm.ask(CHAT, {**HELLO, "model": adapter, "max_tokens": 1})["model"] == adapter


async def test_stopping_drains(vllm: Vllm) -> None:
    processes = set().union(*map(group, engines(vllm)))
    assert len(processes) >= 3
    try:
        async with streamed(vllm, LONG) as reply:
            vllm.tell(signal.SIGTERM)
            await asyncio.to_thread(
                until, lambda: status_of(f"{vllm.url}/models", key=vllm.key) == 503
            )
            rest = (await reply.content.read()).decode()
        assert rest.endswith("data: [DONE]\n\n") and '"finish_reason":"length"' in rest
        assert await asyncio.to_thread(vllm.stop) == 0
        assert not alive(processes)
    finally:
        vllm.start()  # in this thread, with which the server would end
    assert vllm.ask("/health") == ""
