"""One run of the engine as a process, below a keeper that lets nothing of it be left behind."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self, TypeAlias

import aiohttp

from fairlead.errors import Unavailable
from fairlead.serving.launch.flags import HOST, SHUTDOWN_SECONDS
from fairlead.storage import plainly

_KEEPER: Final = Path(__file__).parent / "engine" / "keeper.py"
_KEPT_LOGS: Final = 5
_TAIL_LINES: Final = 30
_TAIL_BYTES: Final = 64_000
_ASK_EVERY: Final = 0.25
"""Seconds between two questions whether it is ready."""
_KILLING_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One command and its whole environment."""

    command: tuple[str, ...]
    variables: Mapping[str, str]


Launcher: TypeAlias = Callable[[int, str], Launch]
"""From a port and a key to what is started."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An engine that answers: where, and with which key."""

    url: str
    key: str
    pid: int


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for the engine, and how often it may die."""

    start_seconds: float = 600.0
    stop_seconds: float = SHUTDOWN_SECONDS + 15.0
    """From SIGTERM to SIGKILL: the engine's own time-out and a margin."""
    restarts: int = 5
    """So many within `window_seconds`; one more death is the end."""
    window_seconds: float = 600.0
    """After it a death is forgotten, once the engine answers again."""
    first_pause: float = 1.0
    """Doubled with each restart in the window, up to `longest_pause`."""
    longest_pause: float = 30.0


class Engine:
    """One run of the engine, below its keeper (`engine/keeper.py`)."""

    def __init__(
        self, keeper: asyncio.subprocess.Process, target: Target, log: Path, patience: Patience
    ) -> None:
        self.target = target
        self._keeper = keeper
        self._log = log
        self._patience = patience

    @classmethod
    async def start(cls, launcher: Launcher, log: Path, patience: Patience) -> Self:
        """Starts it on a free loopback port, with a key of its own and a new log."""
        port, key = _free_port(), secrets.token_urlsafe(32)
        launch = launcher(port, key)
        with _new_log(log) as written:
            keeper = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_KEEPER), *launch.command),
                env=dict(launch.variables),
                stdin=asyncio.subprocess.PIPE,  # the lifeline: the kernel closes it if we die
                stdout=asyncio.subprocess.PIPE,
                stderr=written,
                start_new_session=True,  # Ctrl-C is for us
            )
        assert keeper.stdout and keeper.stdin
        try:
            pid = (await keeper.stdout.readline()).strip()
        except BaseException:
            keeper.stdin.close()
            raise
        if not pid:
            await keeper.wait()
            raise Unavailable(
                f"{launch.command[0]!r} could not be started", hint=f"The log says why: {log}"
            )
        target = Target(url=f"http://{HOST}:{port}", key=key, pid=int(pid))
        return cls(keeper, target, log, patience)

    async def ended(self) -> int:
        """Waits for its end; the status, or 128 and the number of the signal."""
        return await self._keeper.wait()

    async def ready(self) -> None:
        """Returns once it answers. Raises `Unavailable`, with the end of its log, if it dies
        before, or takes too long."""
        until = time.monotonic() + self._patience.start_seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while not await self._answers(session):
                with contextlib.suppress(TimeoutError):
                    status = await asyncio.wait_for(self.ended(), _ASK_EVERY)
                    raise self._failed(f"the engine ended with status {status} before it was ready")
                if time.monotonic() > until:
                    limit = f"{self._patience.start_seconds:g}"
                    raise self._failed(f"the engine was not ready within {limit} seconds")

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        headers = {"Authorization": f"Bearer {self.target.key}"}
        try:
            async with session.get(f"{self.target.url}/health", headers=headers) as reply:
                return reply.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def _failed(self, what: str) -> Unavailable:
        return Unavailable(
            f"{what}; the end of {self._log}:\n{tail(self._log)}",
            hint="The whole log is in that file.",
        )

    async def stop(self) -> None:
        """Lets it finish what it does, then kills what is left of it."""
        if self._keeper.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._keeper.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._keeper.wait(), self._patience.stop_seconds)
        await self.kill()

    async def kill(self) -> None:
        """Ends it, and all that it started, at once."""
        assert self._keeper.stdin
        self._keeper.stdin.close()  # the keeper then kills everything below it, and knows what
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._keeper.wait(), _KILLING_SECONDS)
        if self._keeper.returncode is None or self._keeper.returncode < 0:
            for group in (self._keeper.pid, self.target.pid):  # the keeper was killed, or hangs
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
            await self._keeper.wait()


def log_file(storage: Path, name: str) -> Path:
    """Where the engine of a model writes its log."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")
    return storage / "models" / f"{plain or 'engine'}.log"


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The end of a log."""
    try:
        with log.open("rb") as read:
            read.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            said = read.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        return f"({error.strerror})"
    return "\n".join(said[-lines:])


def _new_log(log: Path) -> IO[bytes]:
    """An empty log that only its owner may read; the older ones move up, `.1` the newest."""
    with plainly(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        for place in range(_KEPT_LOGS - 1, -1, -1):
            older = log.with_name(f"{log.name}.{place}") if place else log
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{place + 1}"))
        return open(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab")


def _free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        port: int = tried.getsockname()[1]
        return port
