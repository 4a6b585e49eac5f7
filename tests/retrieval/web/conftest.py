"""A server on loopback whose pages are set by the test, and what fetches from it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fairlead.retrieval.web.fetching import Fetcher, FetchLimits

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """Pages by path, with or without the query; `asked` are the requests in order."""

    port: int
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked if path != "/robots.txt"]

    def page(
        self, path: str, body: bytes | str = b"", *, status: int = 200, **headers: str
    ) -> None:
        """Sets a page; `Content_Type` names the header Content-Type."""
        data = body.encode() if isinstance(body, str) else body

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name.replace("_", "-"), value)
            if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
                request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)

        self.pages[path] = answer

    def html(self, path: str, text: str, **headers: str) -> None:
        kind = {"Content_Type": "text/html; charset=utf-8", **headers}
        self.page(path, f"<p>{text}</p>", status=200, **kind)

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.page(path, status=status, Location=to)


@pytest.fixture
def server() -> Iterator[Server]:
    held = Server(port=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held.asked.append((self.path, dict(self.headers.items())))
            answer = held.pages.get(self.path) or held.pages.get(self.path.partition("?")[0])
            if answer is None:
                self.send_error(404)
            else:
                answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that leaves early is part of the tests

    http = Quiet(("127.0.0.1", 0), Handler)
    held.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield held
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def pauses() -> list[float]:
    """Seconds that were slept."""
    return []


@pytest.fixture
def fetcher(server: Server, pauses: list[float]) -> Fetcher:
    """May fetch from the server; sleeps no time."""
    limits = FetchLimits(bytes=2 * 2**20, seconds=5, wait=1)
    return Fetcher([server.host], limits=limits, sleep=pauses.append)
