import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.web.answers import Gone
from fairlead.retrieval.web.fetching import Fetcher, FetchLimits

if TYPE_CHECKING:
    from tests.retrieval.web.conftest import Server


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "the server answers 400 Bad Request"),
        (401, "is not open to everybody: the server answers 401"),
        (403, "is not open to everybody: the server answers 403"),
        (204, "cannot be fetched: the server answers 204"),
    ],
)
def test_refusals_are_final(server: "Server", fetcher: Fetcher, status: int, reason: str) -> None:
    server.page("/a", status=status)
    with pytest.raises(Malformed, match=reason):
        fetcher.fetch(server.url("/a"))
    assert server.paths() == ["/a"]


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_gone(server: "Server", fetcher: Fetcher, status: int) -> None:
    server.page("/a", status=status)
    with pytest.raises(Gone, match=f"is not there: the server answers {status}"):
        fetcher.fetch(server.url("/a"))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(
    server: "Server", fetcher: Fetcher, pauses: list[float], status: int
) -> None:
    server.page("/a", status=status, Retry_After="2")
    with pytest.raises(Malformed, match=f"cannot be fetched: the server answers {status}"):
        fetcher.fetch(server.url("/a"))
    assert server.paths() == ["/a"] * 3 and pauses == [2, 2]
    answers = iter([status, 200])

    def recovering(request: BaseHTTPRequestHandler) -> None:
        request.send_response(next(answers))
        request.send_header("Content-Length", "4")
        request.end_headers()
        request.wfile.write(b"text")

    server.pages["/b"] = recovering
    assert fetcher.fetch(server.url("/b")).data == b"text"


def test_a_wait_that_does_not_fit_is_not_begun(
    server: "Server", fetcher: Fetcher, pauses: list[float]
) -> None:
    for after in ("3600", "Sun, 01 Mar 2099 10:00:00 GMT"):
        server.page("/a", status=503, Retry_After=after)
        with pytest.raises(Malformed, match="answers 503"):
            fetcher.fetch(server.url("/a"))
    assert server.paths() == ["/a", "/a"] and pauses == []


def test_a_server_that_resets(server: "Server", fetcher: Fetcher) -> None:
    def reset(request: BaseHTTPRequestHandler) -> None:
        linger = b"\1\0\0\0\0\0\0\0"
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.connection.close()

    server.pages["/a"] = reset
    with pytest.raises(Malformed, match="cannot be fetched: "):
        fetcher.fetch(server.url("/a"))
    assert server.paths() == ["/a"] * 3


def test_a_server_that_ends_early(server: "Server", fetcher: Fetcher) -> None:
    server.page("/a", b"half", Content_Length="8")
    server.page("/b", b"5\r\nhel", Transfer_Encoding="chunked")
    for path in ("/a", "/b"):
        with pytest.raises(Malformed, match="cannot be fetched: "):
            fetcher.fetch(server.url(path))


def test_a_server_that_says_nothing(server: "Server") -> None:
    def silent(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.6)

    server.pages["/a"] = silent
    limits = FetchLimits(wait=0.1, tries=2)
    fetcher = Fetcher([server.host], limits=limits, sleep=lambda seconds: None)
    with pytest.raises(Malformed, match=r"'127\.0\.0\.1' does not answer in time"):
        fetcher.fetch(server.url("/a"))
    assert server.paths() == ["/a", "/a"]


@pytest.mark.parametrize("where", ["status", "header", "body"])
def test_a_server_that_drips_runs_out_of_time(server: "Server", where: str) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        out = request.wfile
        if where != "status":
            out.write(b"HTTP/1.1 200 OK\r\n")
        if where == "body":
            out.write(b"\r\n")
        for _ in range(100):
            out.write(b"HTTP" if where == "status" else b"X: y\r\n")
            out.flush()
            time.sleep(0.05)

    server.pages["/a"] = drip
    fetcher = Fetcher([server.host], limits=FetchLimits(seconds=0.5, wait=0.3))
    begun = time.monotonic()
    with pytest.raises(Malformed, match=r"it took longer than 0\.5 seconds"):
        fetcher.fetch(server.url("/a"))
    assert time.monotonic() - begun < 2


def test_what_is_no_http(server: "Server", fetcher: Fetcher) -> None:
    def answering(said: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.wfile.write(said)

        return answer

    server.pages["/a"] = answering(b"SSH-2.0-OpenSSH\r\n\r\n")
    server.pages["/b"] = answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n")
    for path in ("/a", "/b"):
        with pytest.raises(Malformed, match="the answer is no HTTP"):
            fetcher.fetch(server.url(path))


def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{held.getsockname()[1]}"
        fetcher = Fetcher([host], sleep=lambda seconds: None)
        with pytest.raises(Malformed, match=r"robots.txt .* Connection refused"):
            fetcher.fetch(f"http://{host}/a")


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For the name wiki.example, signed by itself."""
    path = tmp_path / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=wiki.example", "-addext", "subjectAltName=DNS:wiki.example"]
    subprocess.run(
        [*command, *names, "-keyout", str(path), "-out", str(tmp_path / "c.pem")],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + (tmp_path / "c.pem").read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[int]:
    """The port of a server that speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/a" else 404)
            self.end_headers()
            self.wfile.write(b"text")

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    http = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield http.server_port
    http.shutdown()
    thread.join()
    http.server_close()


def test_certificates_are_checked_against_the_name_not_the_address(
    secure: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiki, other = (f"{name}.example:{secure}" for name in ("wiki", "other"))

    def fetcher() -> Fetcher:
        return Fetcher([wiki, other], resolve=lambda host, port: ["127.0.0.1"])

    with pytest.raises(Malformed, match=r"TLS with 'wiki.example' failed: self.signed"):
        fetcher().fetch(f"https://{wiki}/a")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert fetcher().fetch(f"https://{wiki}/a").data == b"text"
    with pytest.raises(Malformed, match=r"TLS with 'other.example' failed: Hostname mismatch"):
        fetcher().fetch(f"https://{other}/a")
