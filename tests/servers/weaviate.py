"""A real Weaviate server, or a cluster of three, on loopback ports of its own.

One process per node, started from the binary that `make servers` installs, with a data folder that
outlives the process: it can be stopped, killed and started again on the same data and ports. On
Linux the process also dies with the one that started it, however that ended; elsewhere only an
orderly end of the test run stops it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Self

from scripts.servers import weaviate_server

LOOPBACK = "127.0.0.1"
STARTING_SECONDS = 60.0
STOPPING_SECONDS = 30.0
DIES_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG survives exec
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerFailed(Exception):
    """A server did not come up; carries the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What one node listens on: six ports in a row, since on one address Weaviate takes the port of
    its schema's remote calls to be that of Raft plus one, and of data that of gossip plus one."""

    http: int

    @classmethod
    def free(cls) -> Self:
        """Ports that nobody listens on, below those that the kernel hands out to clients."""
        for first in SystemRandom().sample(range(20_000, 32_000, 10), 100):
            if all(_is_free(first + place) for place in range(6)):
                return cls(http=first)
        raise ServerFailed("no six free ports in a row between 20000 and 32000")

    @property
    def grpc(self) -> int:
        return self.http + 1

    @property
    def gossip(self) -> int:
        return self.http + 2

    @property
    def data(self) -> int:
        return self.http + 3

    @property
    def raft(self) -> int:
        return self.http + 4

    @property
    def rpc(self) -> int:
        return self.http + 5


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as tried:
            try:
                tried.bind(("", port))
            except OSError:
                return False
    return True


class Weaviate:
    """One node. Settings of the server go into `environment`, by the names it documents."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "node-1",
        ports: Ports | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.ports = ports or Ports.free()
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.http}"

    @property
    def pid(self) -> int:
        """Of the running server."""
        if self._process is None:
            raise ServerFailed(f"{self.name!r} does not run; call start() first")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *, wait: bool = True) -> None:
        """Starts it, again too, and returns once it answers. Raises `ServerFailed` with its log.

        Linux takes the thread that starts it for its parent: call this from one that lives on.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        options = ("--scheme=http", f"--host={LOOPBACK}", f"--port={self.ports.http}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-S",
                    "-c",
                    DIES_WITH_PARENT,
                    str(os.getpid()),
                    weaviate_server(),
                    *options,
                ],
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops the server
            )
        if wait:
            self.wait()

    def _variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
        ports = self.ports
        return {
            **kept,
            "PERSISTENCE_DATA_PATH": str(self._folder / self.name),
            "CLUSTER_HOSTNAME": self.name,
            "CLUSTER_IN_LOCALHOST": "true",
            "CLUSTER_BIND_ADDR": LOOPBACK,
            "CLUSTER_ADVERTISE_ADDR": LOOPBACK,
            "CLUSTER_GOSSIP_BIND_PORT": str(ports.gossip),
            "CLUSTER_DATA_BIND_PORT": str(ports.data),
            "RAFT_PORT": str(ports.raft),
            "RAFT_INTERNAL_RPC_PORT": str(ports.rpc),
            "RAFT_JOIN": f"{self.name}:{ports.raft}",
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "RAFT_TIMEOUTS_MULTIPLIER": "1",  # an election waits 1 s, not 5
            "GRPC_PORT": str(ports.grpc),
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
            "DEFAULT_VECTORIZER_MODULE": "none",
            "ENABLE_MODULES": "",
            "API_BASED_MODULES_DISABLED": "true",
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",  # its port cannot be left free otherwise
            "DISK_USE_WARNING_PERCENTAGE": "100",
            "DISK_USE_READONLY_PERCENTAGE": "100",
            **self._environment,
        }

    def wait(self, seconds: float = STARTING_SECONDS) -> None:
        """Returns once it answers queries. Raises `ServerFailed` with the end of its log."""
        patience = time.monotonic() + seconds
        while not self.ready():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > patience:
                why = "ended" if ended else f"is not ready after {seconds:g} s"
                self.kill()
                raise ServerFailed(f"{self.name!r} {why}; the end of {self.log}:\n{self.tail()}")
            time.sleep(0.05)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/v1/.well-known/ready", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Ends it in order, so that everything is on disk; kills it where it takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a crash would: `kill -9`."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def tail(self, lines: int = 30) -> str:
        """The end of its log, one message a line."""
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(_plain(line) for line in said[-lines:])


def _plain(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    parts = (entry.get(name) for name in ("time", "level", "msg", "error"))
    return " ".join(str(part) for part in parts if part)
