"""A stand-in for vLLM's server that starts at once: `python fake_engine.py … --port N …`.

What it does is told by its environment (FAKE_…) and by the requests. What happens to it goes into
the file FAKE_EVENTS, one JSON value a line. It has two processes of its own, as vLLM has: one in
its group, one that left it.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

KEY = os.environ["VLLM_API_KEY"]
EVENTS = Path(os.environ["FAKE_EVENTS"])
PORT = int(sys.argv[sys.argv.index("--port") + 1])
released = threading.Event()


def note(**event: object) -> None:
    with EVENTS.open("a", encoding="utf-8") as written:
        written.write(json.dumps(event) + "\n")


class Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for requests in flight, as vLLM does
    request_queue_size = 64


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._answer(self.rfile.read(length))

    def _answer(self, body: bytes | None) -> None:
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._json(401, {"error": "Unauthorized"})
        elif self.path == "/health":
            self._json(200 if os.environ.get("FAKE_NEVER_READY") is None else 503, {})
        elif self.path == "/v1/chat/completions":
            self._chat(json.loads(body or b"{}"))
        elif self.path == "/detokenize":
            released.set()
            self._json(200, {})
        elif self.path == "/v1/embeddings":
            self._json(404, {"detail": "Not Found"})
        else:
            self._json(200, {"path": self.path, "headers": dict(self.headers.items())})

    def _json(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Request-Id", self.headers.get("X-Request-Id", "none"))
        self.send_header("X-Secret", "of the engine")
        self.end_headers()
        self.wfile.write(data)

    def _chat(self, asked: dict[str, Any]) -> None:
        """`do` is one of echo, hold, die, wait."""
        what = asked.get("do", "echo")
        note(asked=what)
        if what == "echo":
            self._json(200, asked)
        elif what == "die":
            self._begin()
            self._piece("first")
            os._exit(9)
        elif what == "wait":
            select.select([self.connection], [], [])
            note(gone=self.connection.recv(1) == b"")
        else:
            self._begin()
            self._piece("first")
            released.wait()
            released.clear()
            self._piece("[DONE]")
            self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _piece(self, text: str) -> None:
        data = f"data: {text}\n\n".encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        sys.stderr.write(f"{self.path}\n")


def main() -> None:
    if wrong := os.environ.get("FAKE_FAILURE"):
        sys.exit(f"ValueError: {wrong}")
    sleep = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
    helpers = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
    server = Server(("127.0.0.1", PORT), Handler)

    def stop(number: int, frame: FrameType | None) -> None:
        note(signal=number)
        if os.environ.get("FAKE_STUBBORN") is None:
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, lambda number, frame: released.set())
    note(pid=os.getpid(), helpers=[each.pid for each in helpers], arguments=sys.argv[1:])
    sys.stderr.write("listening\n")
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    for helper in helpers:
        helper.kill()
    note(ended=True)


if __name__ == "__main__":
    main()
