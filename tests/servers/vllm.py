"""A real vLLM server as `fairlead models serve` runs it, on a loopback port of its own.

The engine comes from the environment that `fairlead models install` makes, or from the one that
FAIRLEAD_LAUNCH__PYTHON names. A start takes half a minute and more: tests share one server.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fairlead.serving.launch import find
from tests.servers.weaviate import DIES_WITH_PARENT, LOOPBACK, ServerFailed

ROOT = Path(__file__).parents[2]
ENTRY = "import sys; from fairlead.cli import main; sys.exit(main())"
STARTING_SECONDS = 400
STOPPING_SECONDS = 60.0
_KEPT = ("HOME", "PATH", "TMPDIR", "XDG_CACHE_HOME", "FAIRLEAD_CACHE", "LD_LIBRARY_PATH")


def vllm_python() -> Path | None:
    """The Python of an environment with vLLM."""
    named = os.environ.get("FAIRLEAD_LAUNCH__PYTHON")
    return Path(named) if named else find()


class Vllm:
    """One model behind its front. `url` goes up to and with /v1; it stays the same over starts."""

    name = "base"
    key = "data-key"
    control_key = "control-key"

    def __init__(
        self,
        folder: Path,
        model: Path,
        *,
        adapters: Mapping[str, Path] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """`adapters` are loaded from the start; `options` are those of `models serve`."""
        self.model = model
        self.adapters = tuple(adapters or ())
        self._folder = folder
        self._options = [
            *("--name", self.name, "--max-model-len", "2048", "--kv-cache-gib", "1"),
            *("--max-lora-rank", "8", "--start-seconds", str(STARTING_SECONDS), "--json"),
            *(part for name, path in (adapters or {}).items() for part in _adapter(name, path)),
            *options,
        ]
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._document: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/v1"

    @property
    def root(self) -> str:
        """Where /health, /metrics and /tokenize are."""
        return self.url.removesuffix("/v1")

    @property
    def engine_url(self) -> str:
        """The first engine's own address, behind the front."""
        return str(self._document["engine"]["url"])

    @property
    def engine_pid(self) -> int:
        """Of the first engine since the start."""
        return int(self._document["engine"]["pid"])

    @property
    def log(self) -> Path:
        """The engine's."""
        return Path(self._document["engine"]["log"])

    @property
    def said(self) -> str:
        """What `models serve` wrote for people."""
        return (self._folder / "serve.log").read_text(encoding="utf-8")

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

    def start(self) -> None:
        """Starts it, if it does not run, and returns once it answers. Raises `ServerFailed`."""
        if self._process is not None and self._process.poll() is None:
            return
        python = vllm_python()
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-S", "-c", DIES_WITH_PARENT, str(os.getpid())),
                    *(sys.executable, "-P", "-c", ENTRY, "models", "serve", str(self.model)),
                    *("--port", str(self._port), "--python", str(python), *self._options),
                ],
                cwd=self._folder,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops the server
            )
        assert self._process.stdout
        line = self._process.stdout.readline()
        document = json.loads(line) if line else {}
        if "model" not in document:
            self._process.wait()
            self._process.stdout.close()
            raise ServerFailed(f"{self.name!r} did not come up:\n{self.said}")
        self._document = document["model"]
        self._port = int(self._document["url"].rpartition(":")[2].removesuffix("/v1"))

    def _variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        keys = {"VLLM_API_KEY": self.key, "FAIRLEAD_CONTROL_KEY": self.control_key}
        return {**kept, **keys, "PYTHONPATH": str(ROOT)}

    def stop(self) -> int:
        """Ends it in order; kills it where it takes too long. The exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends it as a crash would: `kill -9`, and its engine with it."""
        return self._end(signal.SIGKILL)

    def tell(self, number: signal.Signals) -> None:
        """Sends a signal and returns at once."""
        assert self._process
        self._process.send_signal(number)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        return process.returncode

    def ask(self, path: str, body: object = None, *, key: str | None = None) -> Any:
        """The JSON, or else the text, that a path below the root answers with."""
        request = urllib.request.Request(
            self.root + path,
            None if body is None else json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {self.key if key is None else key}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            text = reply.read().decode()
        return json.loads(text) if text[:1] in ("{", "[") else text


def _adapter(name: str, path: Path) -> tuple[str, str]:
    return ("--adapter", f"{name}={path}")
