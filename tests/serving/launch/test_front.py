"""The front lets through what is listed, to whom it is for, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from fairlead.errors import SettingsError
from fairlead.serving.launch.front import PATHS, Doors, is_loopback
from fairlead.serving.launch.process import Engine
from tests.serving.launch.conftest import PATIENCE, QUICK, Answering, Fake, ServeFront, until

KEYED = Doors(key="data-key", control_key="control-key")
CHAT = "/v1/chat/completions"
DATA = [(method, path) for (method, path) in PATHS if "lora" not in path]
CONTROL = [(method, path) for (method, path) in PATHS if "lora" in path]


@pytest.mark.parametrize("key", ["", "wrong", "control-key", "data-keys"])
async def test_data_is_for_the_holders_of_the_key(
    answering: Answering, serve_front: ServeFront, key: str
) -> None:
    served = await serve_front(answering[0], KEYED)
    for method, path in DATA:
        status, said = await served.ask(method, path, key=key)
        assert (status, said["error"]["code"]) == (401, "invalid_api_key"), path
    for method, path in DATA:
        status, _ = await served.ask(method, path, key="data-key", data=b"{}")
        assert status == (404 if path == "/v1/embeddings" else 200), path


@pytest.mark.parametrize("key", ["", "wrong", "data-key"])
async def test_control_is_for_the_holders_of_its_own_key(
    answering: Answering, serve_front: ServeFront, key: str
) -> None:
    served = await serve_front(answering[0], KEYED)
    for method, path in CONTROL:
        assert (await served.ask(method, path, key=key, data=b"{}"))[0] == 401
        assert (await served.ask(method, path, key="control-key", data=b"{}"))[0] == 200


async def test_without_a_control_key_nobody_controls(
    answering: Answering, serve_front: ServeFront
) -> None:
    served = await serve_front(answering[0], Doors(key="data-key"))
    for method, path in CONTROL:
        for key in ("", "data-key"):
            assert (await served.ask(method, path, key=key, data=b"{}"))[0] == 404


async def test_without_a_key_this_machine_may_ask_but_no_web_page(
    answering: Answering, serve_front: ServeFront
) -> None:
    served = await serve_front(answering[0], Doors(control_key="control-key"))
    assert (await served.ask("GET", "/v1/models"))[0] == 200
    assert (await served.ask("GET", "/v1/models", headers={"Host": "localhost:80"}))[0] == 200
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8000"},
        {"Host": "[::1"},
    ):
        status, said = await served.ask("GET", "/v1/models", headers=headers)
        assert (status, said["error"]["code"]) == (403, "forbidden"), headers
    assert (await served.ask("GET", "/v1/models", key="control-key"))[0] == 401


async def test_probes_can_be_open(answering: Answering, serve_front: ServeFront) -> None:
    served = await serve_front(
        answering[0], Doors(key="data-key", control_key="control-key", open_probes=True)
    )
    for path in ("/health", "/metrics"):
        assert (await served.ask("GET", path))[0] == 200
        assert (await served.ask("GET", path, key="control-key"))[0] == 401
    assert (await served.ask("GET", "/v1/models"))[0] == 401


async def test_two_keys_at_once_are_none(answering: Answering, serve_front: ServeFront) -> None:
    served = await serve_front(answering[0], KEYED)
    head = "Host: x\r\nAuthorization: Bearer wrong\r\nAuthorization: Bearer data-key\r\n"
    status, _ = await served.raw(f"GET /v1/models HTTP/1.1\r\n{head}Connection: close\r\n\r\n")
    assert status == 401


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/completions"),
        ("POST", "/v1/responses"),
        ("POST", "/v1/messages"),
        ("POST", "/invocations"),
        ("POST", "/adapters"),
        ("POST", "/pause"),
        ("POST", "/sleep"),
        ("POST", "/collective_rpc"),
        ("POST", "/update_weights"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
        ("GET", CHAT),
        ("HEAD", "/health"),
        ("OPTIONS", CHAT),
        ("OPTIONS", "*"),
        ("PUT", "/v1/models"),
        ("GET", "//v1/models"),
        ("GET", "/v1//models"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/./models"),
        ("GET", "/v1/../v1/models"),
        ("GET", "/v1/%6dodels"),
        ("GET", "/v1%2fmodels"),
        ("GET", "/%2e/v1/models"),
        ("GET", "/v1/models%00"),
        ("GET", "/v1/models;x=1"),
        ("GET", "/V1/models"),
        ("GET", "/v1/models#x"),
        ("GET", "http://127.0.0.1/v1/models"),
        ("GET", "http://evil.example/v1/models"),
        ("POST", "/v1/chat/completions/../../../invocations"),
        ("POST", "/tokenize/../v1/load_lora_adapter"),
        ("CONNECT", "127.0.0.1:80"),
    ],
)
async def test_whatever_is_not_listed_does_not_exist(
    answering: Answering, serve_front: ServeFront, method: str, target: str
) -> None:
    served = await serve_front(answering[0], KEYED)
    head = "Host: x\r\nAuthorization: Bearer data-key\r\nConnection: close\r\n"
    status, said = await served.raw(f"{method} {target} HTTP/1.1\r\n{head}\r\n")
    assert status == 404
    assert method == "HEAD" or json.loads(said.partition("\r\n\r\n")[2])["error"]["code"]


@pytest.mark.parametrize(
    "line", ["GET /v1/m\xf6dels HTTP/1.1", "GET /v1/models HTTP/9", "\x16\x03"]
)
async def test_what_is_no_request_gets_nowhere(
    answering: Answering, serve_front: ServeFront, line: str
) -> None:
    served = await serve_front(answering[0])
    status, _ = await served.raw(f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status == 400


async def test_headers_are_chosen_both_ways(answering: Answering, serve_front: ServeFront) -> None:
    served = await serve_front(answering[0], KEYED)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {
        "traceparent": trace,
        "tracestate": "a=b",
        "X-Request-Id": "mine",
        "Cookie": "a=b",
        "Proxy-Authorization": "x",
        "TE": "trailers",
        "Baggage": "tenant=acme",
        "X-Forwarded-For": "1.2.3.4",
        "X-Amzn-SageMaker-Adapter-Identifier": "other",
        "Authorization": "Bearer data-key",
    }
    async with served.session.post(
        f"{served.url}/tokenize?a=b",
        data=b"{}",
        headers={**sent, "Content-Type": "application/json"},
    ) as reply:
        seen = await reply.json()
        answered = reply.headers
    assert seen["path"] == "/tokenize"
    got = {name.lower(): value for name, value in seen["headers"].items()}
    assert got.pop("authorization") == f"Bearer {answering[0].key}"
    assert got.pop("host") == answering[0].url.removeprefix("http://")
    assert got == {
        "traceparent": trace,
        "tracestate": "a=b",
        "x-request-id": "mine",
        "accept": "*/*",
        "content-type": "application/json",
        "content-length": "2",
    }
    assert answered["X-Request-Id"] == "mine" and answered["Server"] == "fairlead"
    assert "X-Secret" not in answered


async def test_bodies_have_a_limit_and_come_as_they_are(
    answering: Answering, serve_front: ServeFront
) -> None:
    served = await serve_front(answering[0], max_body=1000)
    before = len(answering[1].events("asked"))
    fits = {"do": "echo", "text": "x" * 900}
    assert await served.ask("POST", CHAT, json=fits) == (200, fits)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 600

    for body in (b"x" * 1001, endless()):
        status, said = await served.ask("POST", CHAT, data=body)
        assert (status, said["error"]["code"]) == (413, "request_too_large")
    status, _ = await served.ask("POST", CHAT, data=b"x", headers={"Content-Encoding": "gzip"})
    assert status == 415
    assert answering[1].events("asked")[before:] == ["echo"]


async def test_a_stream_passes_piece_by_piece(
    answering: Answering, serve_front: ServeFront
) -> None:
    served = await serve_front(answering[0])
    async with (
        asyncio.timeout(PATIENCE),
        served.session.post(served.url + CHAT, json={"do": "hold"}) as reply,
    ):
        assert reply.headers["Content-Type"] == "text/event-stream"
        # The engine sends the next piece only after this request, made with the first in hand.
        assert await reply.content.readuntil(b"\n\n") == b"data: first\n\n"
        await served.ask("POST", "/detokenize", data=b"{}")
        assert await reply.content.read() == b"data: [DONE]\n\n"


async def test_an_engine_that_dies_in_a_stream_ends_it_visibly(
    fake: Fake, serve_front: ServeFront
) -> None:
    engine = await Engine.start(fake.launch, fake.log, QUICK)
    await engine.ready()
    served = await serve_front(engine.target)
    async with served.session.post(served.url + CHAT, json={"do": "die"}) as reply:
        assert await reply.content.readuntil(b"\n\n") == b"data: first\n\n"
        with pytest.raises(aiohttp.ClientPayloadError):
            await reply.content.read()
    await engine.ended()
    status, said = await served.ask("POST", CHAT, json={})
    assert (status, said["error"]["code"]) == (502, "engine_failed")


async def test_a_client_that_goes_away_ends_the_engines_request(
    answering: Answering, serve_front: ServeFront
) -> None:
    served = await serve_front(answering[0])
    asking = asyncio.create_task(served.ask("POST", CHAT, json={"do": "wait"}))
    await until(lambda: "wait" in answering[1].events("asked"))
    asking.cancel()
    await until(lambda: answering[1].events("gone") == [True])


async def test_without_an_engine_it_says_so(serve_front: ServeFront) -> None:
    served = await serve_front(None)
    async with served.session.get(f"{served.url}/health") as reply:
        assert reply.status == 503 and reply.headers["Retry-After"] == "5"
        assert (await reply.json())["error"]["type"] == "server_error"


async def test_an_engine_that_refuses_our_key_is_not_the_clients_fault(
    answering: Answering, serve_front: ServeFront
) -> None:
    served = await serve_front(replace(answering[0], key="old"))
    assert (await served.ask("GET", "/v1/models"))[0] == 503


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)]
    + [(each, False) for each in ("0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.x")],
)
def test_other_machines_need_a_key(host: str, own: bool) -> None:
    assert is_loopback(host) is own
    Doors(key="data-key").check_address(host)
    if own:
        Doors().check_address(host)
    else:
        with pytest.raises(SettingsError, match="no key is set"):
            Doors().check_address(host)


@pytest.mark.parametrize("key", ["two\nlines", "blank ", "schlüssel", "\x00"])
def test_keys_that_no_header_can_carry_are_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="the key holds characters that no key has") as refused:
        Doors(key=key)
    assert key not in refused.value.message
    with pytest.raises(SettingsError, match="the control key holds characters that no key has"):
        Doors(control_key=key)


def test_one_key_for_both_is_refused() -> None:
    with pytest.raises(SettingsError, match="are the same"):
        Doors(key="one", control_key="one")
    assert "secret" not in repr(Doors(key="secret", control_key="secrets"))
