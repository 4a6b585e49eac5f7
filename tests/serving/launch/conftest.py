"""An engine that starts at once (`fake_engine.py`), and what has happened to it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fairlead.serving.launch.front import Doors, Front
from fairlead.serving.launch.process import Launch, Patience, Target

FAKE = Path(__file__).with_name("fake_engine.py")
QUICK = Patience(start_seconds=20, stop_seconds=10, first_pause=0.01, longest_pause=0.02)
PATIENCE = 20.0
"""Seconds that anything here may take on a busy machine."""


class Fake:
    """How to launch it, and its events."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "logs" / "engine.log"
        self.variables: dict[str, str] = {}
        """FAKE_… to start it with."""
        self._events = folder / "events.jsonl"

    def launch(self, port: int, key: str) -> Launch:
        return Launch(
            command=(sys.executable, "-P", str(FAKE), "--port", str(port)),
            variables={
                "PATH": os.environ["PATH"],
                "VLLM_API_KEY": key,
                "FAKE_EVENTS": str(self._events),
                **self.variables,
            },
        )

    def events(self, name: str) -> list[Any]:
        """What was noted under a name, oldest first."""
        if not self._events.exists():
            return []
        lines = self._events.read_text(encoding="utf-8").splitlines()
        return [event[name] for event in map(json.loads, lines) if name in event]

    def pids(self) -> set[int]:
        """Of every engine that was started, and of their helpers."""
        return {*self.events("pid"), *(pid for pids in self.events("helpers") for pid in pids)}


async def until(true: Callable[[], bool]) -> None:
    """Waits for something that happens elsewhere. Raises `TimeoutError`."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - what it waits for happens in other processes
            await asyncio.sleep(0.01)


def alive(pids: set[int]) -> set[int]:
    """Those that still run; one that has ended and was not waited for does not."""
    return {pid for pid in pids if _state(pid) not in ("", "Z")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


Answering = tuple[Target, Fake]


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """A stand-in that answers, for tests that do it no harm."""
    fake = Fake(tmp_path_factory.mktemp("engine"))
    with socket.create_server(("127.0.0.1", 0)) as tried:
        port = tried.getsockname()[1]
    launch = fake.launch(port, "engine-key")
    with subprocess.Popen(launch.command, env=launch.variables, stderr=subprocess.PIPE) as process:
        assert process.stderr and process.stderr.readline()
        yield Target(url=f"http://127.0.0.1:{port}", key="engine-key", pid=process.pid), fake
        for pid in fake.pids():
            os.kill(pid, signal.SIGKILL)


class Served:
    """A front on a port of its own, and a client."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.session = session

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[int, Any]:
        """Status and JSON."""
        sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        async with self.session.request(method, self.url + path, headers=sent, **options) as reply:
            return reply.status, await reply.json(content_type=None)

    async def raw(self, request: str) -> tuple[int, str]:
        """What comes back for bytes that no client library would send: status and the rest."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request.encode("latin-1"))
            async with asyncio.timeout(PATIENCE):
                said = (await reader.read()).decode()
        finally:
            writer.close()
            await writer.wait_closed()
        return int(said.split(" ", 2)[1]), said


ServeFront = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve_front() -> AsyncIterator[ServeFront]:
    """Serves a front: `await serve_front(target, Doors(…), max_body=…)`."""
    async with AsyncExitStack() as open_things:

        async def begin(
            target: Target | None, doors: Doors | None = None, **options: Any
        ) -> Served:
            front = Front(lambda: target, doors or Doors(), **options)
            runner = web.AppRunner(front.app, handler_cancellation=True, access_log=None)
            await runner.setup()
            open_things.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            session = await open_things.enter_async_context(aiohttp.ClientSession())
            return Served(runner.addresses[0][1], session)

        yield begin
