"""An engine and its front, from start to end, as one program runs them."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from fairlead.errors import InputError
from fairlead.serving.launch.front import MEGABYTE, Doors, Front
from fairlead.serving.launch.process import Launcher, Patience, Target
from fairlead.serving.launch.supervisor import Supervisor

_CLOSING_SECONDS: Final = 5.0
"""What answers in flight have when the engine is gone: their connections are only to be closed."""
_SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGHUP")
"""By name, as not every system has them all."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the front listens, and who may come in."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    doors: Doors = field(default_factory=Doors)
    max_body: int = 16 * MEGABYTE


async def serve(
    launcher: Launcher,
    log: Path,
    address: Address,
    *,
    ready: Callable[[str, Target], None],
    say: Callable[[str], None],
    patience: Patience | None = None,
) -> int:
    """Serves until a signal comes, and returns its number.

    `ready` gets the front's address and the engine, the first time that it answers. The port is
    taken at once, so that a taken one is found out before the engine's long start; until it is
    ready requests get 503. At a signal new requests get 503, those in flight their end; at a second
    one everything ends at once. Raises `SettingsError` for an address without the keys that it
    needs, `InputError` for one that cannot be taken, `Unavailable` where the engine cannot be kept
    running.
    """
    address.doors.check_address(address.host)
    with _listening(address.host, address.port) as listener:
        supervisor = Supervisor(launcher, log, say=say, patience=patience)
        front = Front(lambda: supervisor.target, address.doors, max_body=address.max_body)
        runner = web.AppRunner(
            front.app,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=_CLOSING_SECONDS,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            answered: list[Target] = []

            def first(target: Target) -> None:
                if answered:
                    say("the engine is ready again; adapters loaded by request are gone")
                else:
                    ready(_url(listener), target)
                answered.append(target)

            with _told(supervisor, say) as came:
                await supervisor.run(first)
        finally:
            await runner.cleanup()
        return came[0] if came else signal.SIGTERM


@contextlib.contextmanager
def _told(supervisor: Supervisor, say: Callable[[str], None]) -> Iterator[list[int]]:
    """Stops the supervisor at a signal; the signals that came."""
    came: list[int] = []
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if not came:
            say("stopping: requests in flight are finished first; again to stop at once")
        came.append(number)
        supervisor.stop()

    signals = [getattr(signal, name) for name in _SIGNALS]
    for number in signals:
        loop.add_signal_handler(number, stop, number)
    try:
        yield came
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host!r}, port {port}: {error.strerror}",
            hint="Choose another one with --port, or --port 0 for any that is free.",
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
