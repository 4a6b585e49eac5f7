"""Every path of the engine wants its key."""

from collections.abc import Mapping
from typing import Any

import pytest

from fairlead.serving.launch.engine.fairlead_gate import VARIABLE, Gate


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setenv(VARIABLE, "secret")

    async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "passed"})

    return Gate(app)


async def sent(gate: Gate, kind: str, *headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read of a request that is refused")

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await gate({"type": kind, "headers": list(headers), "path": "/health"}, receive, send)
    return messages


async def test_the_key_opens(gate: Gate) -> None:
    assert await sent(gate, "http", (b"authorization", b"Bearer secret")) == [{"type": "passed"}]
    assert await sent(gate, "lifespan") == [{"type": "passed"}]


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"authorization", b"Bearer wrong"),),
        ((b"authorization", b"bearer secret"),),
        ((b"authorization", b"Bearer \xff"),),
        ((b"authorization", b""),),
        ((b"authorization", b"Bearer secret"), (b"authorization", b"Bearer wrong")),
        ((b"x-authorization", b"Bearer secret"),),
    ],
)
async def test_nothing_else_does(gate: Gate, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert (await sent(gate, "http", *headers))[0]["status"] == 401
    assert await sent(gate, "websocket", *headers) == [{"type": "websocket.close", "code": 1008}]


async def test_also_a_key_is_no_way_in_by_websocket(gate: Gate) -> None:
    said = await sent(gate, "websocket", (b"authorization", b"Bearer secret"))
    assert said == [{"type": "websocket.close", "code": 1008}]


def test_without_a_key_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ValueError, match="holds no key"):
        Gate(lambda scope, receive, send: None)  # type: ignore[arg-type,return-value]
