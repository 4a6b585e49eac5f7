"""A real HTTP server on loopback that embeds, or fails as it is told."""

import base64
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Act = Callable[["Handler", dict[str, Any]], None]


@dataclass(frozen=True)
class Seen:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int


@dataclass
class EmbeddingServer:
    """Embeds a text as its length and three times 1, unless `acts` says what is done first."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    acts: deque[Act] = field(default_factory=deque)
    always: Act | None = None
    leaving: threading.Event = field(default_factory=threading.Event)

    def texts(self) -> list[str]:
        return [text for each in self.seen for text in each.body["input"]]

    @staticmethod
    def reply(status: int = 200, body: object = b"", **headers: str) -> Act:
        """An answer as given; what is not bytes becomes JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}

        def act(handler: "Handler", asked: dict[str, Any]) -> None:
            handler.answer(status, raw, given)

        return act

    @staticmethod
    def rows(*vectors: object) -> Act:
        """These vectors, whatever the texts."""
        data = [{"index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        return EmbeddingServer.reply(body={"data": data})

    @staticmethod
    def embed(handler: "Handler", asked: dict[str, Any]) -> None:
        """As a good server does; the items come in another order than the texts."""
        data = []
        for at, text in enumerate(asked["input"]):
            row = [float(len(text)), *[1.0] * (asked.get("dimensions", 4) - 1)]
            packed = base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()
            vector = packed if asked["encoding_format"] == "base64" else row
            data.append({"object": "embedding", "index": at, "embedding": vector})
        usage = {"total_tokens": sum(len(text.split()) for text in asked["input"])}
        handler.answer(200, json.dumps({"data": data[::-1], "usage": usage}).encode(), {})

    @staticmethod
    def drop(handler: "Handler", asked: dict[str, Any]) -> None:
        """Closes the connection without an answer."""
        handler.close_connection = True

    @staticmethod
    def reset(handler: "Handler", asked: dict[str, Any]) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True

    def hang(self, handler: "Handler", asked: dict[str, Any]) -> None:
        """No answer until the server leaves."""
        self.leaving.wait()
        handler.close_connection = True

    def trickle(self, handler: "Handler", asked: dict[str, Any]) -> None:
        """A body that never ends, byte by byte."""
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.close_connection = True
        while not self.leaving.wait(0.05):
            handler.wfile.write(b" ")

    def cut(self, handler: "Handler", asked: dict[str, Any]) -> None:
        """Less than was announced."""
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"data": [')
        handler.close_connection = True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: EmbeddingServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        connection = self.client_address[1]
        self.served.seen.append(Seen(self.path, dict(self.headers), asked, connection))
        acts = self.served.acts
        act = acts.popleft() if acts else self.served.always or EmbeddingServer.embed
        act(self, asked)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that went away


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    """A new one for each test."""
    made = EmbeddingServer()
    own = type("Own", (Handler,), {"served": made})
    with Quiet(("127.0.0.1", 0), own) as listening:
        made.url = f"http://127.0.0.1:{listening.server_port}/v1"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield made
        made.leaving.set()
        listening.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> str:
    """The address of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
