"""Every way in which a model server can fail, and what is made of it."""

import shutil
import ssl
import subprocess
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel_context

from fairlead.errors import FairleadError, SettingsError, Unavailable
from fairlead.serving import endpoint as module
from fairlead.serving.endpoint import Endpoint, Patience
from fairlead.tracing import Tracing

KEY = "sk-very-secret"
ONE = Patience(tries=1, seconds=5, pause=0)
THREE = Patience(tries=3, seconds=5, pause=2)
BODY = {"model": "m", "encoding_format": "float", "input": ["a text"]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other without a pause where the server asks for none."""
    monkeypatch.setattr(module, "_backoff", lambda state: 0.0)


def post(endpoint: Endpoint, patience: Patience = ONE) -> Any:
    return endpoint.post("/embeddings", BODY, endpoint.headers(), patience)


def failure(endpoint: Endpoint, patience: Patience = ONE) -> FairleadError:
    with pytest.raises(FairleadError) as caught:
        post(endpoint, patience)
    said = f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert caught.value.hint and KEY not in said
    return caught.value


def test_an_answer(server: Any) -> None:
    answer = post(Endpoint(f"{server.url}/", api_key=f" {KEY}\n"))
    assert len(answer["data"]) == 1
    (seen,) = server.seen
    assert (seen.path, seen.body) == ("/v1/embeddings", BODY)
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    post(Endpoint(server.url))
    assert "Authorization" not in server.seen[1].headers


def test_nobody_there_and_then_a_rest(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(nobody, api_key=KEY)
    refused = failure(endpoint, THREE)
    assert isinstance(refused, Unavailable) and nobody in refused.message
    assert "Connection refused" in refused.message
    assert "asked again in 15 s" in failure(endpoint).message
    monkeypatch.setattr(module, "REST", 0.0)
    fresh = Endpoint(nobody)
    assert failure(fresh).message == failure(fresh).message == refused.message


def test_an_unknown_host() -> None:
    assert isinstance(failure(Endpoint("http://no-such-host.invalid/v1")), Unavailable)


@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_too_slow(server: Any, how: str) -> None:
    server.always = getattr(server, how)
    begun = time.monotonic()
    slow = failure(Endpoint(server.url), Patience(tries=2, seconds=0.3, pause=0))
    assert isinstance(slow, Unavailable) and "within 0.3 s" in slow.message
    assert 0.6 <= time.monotonic() - begun < 3 and len(server.seen) == 2


@pytest.mark.parametrize("how", ["reset", "drop", "cut"])
def test_a_connection_that_breaks(server: Any, how: str) -> None:
    broken = getattr(server, how)
    server.acts += [broken, broken]
    assert post(Endpoint(server.url), THREE)["data"]
    server.always = broken
    assert isinstance(failure(Endpoint(server.url), THREE), Unavailable)
    assert len(server.seen) == 6


def test_connections_are_kept(server: Any) -> None:
    endpoint = Endpoint(server.url)
    for _ in range(5):
        post(endpoint)
    assert len({seen.connection for seen in server.seen}) == 1
    endpoint.close()
    post(endpoint)
    assert len({seen.connection for seen in server.seen}) == 2


def test_a_connection_that_was_closed_meanwhile_costs_no_try(server: Any) -> None:
    endpoint = Endpoint(server.url)
    post(endpoint)
    server.acts.append(server.drop)  # as if it had happened between the two
    assert post(endpoint, ONE)["data"]


def test_a_server_that_keeps_no_connection(server: Any) -> None:
    def once(handler: Any, asked: Any) -> None:
        handler.close_connection = True
        handler.answer(200, b"{}", {"Connection": "close"})

    server.always = once
    endpoint = Endpoint(server.url)
    assert [post(endpoint), post(endpoint)] == [{}, {}]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_pass_is_asked_again(server: Any, status: int) -> None:
    server.acts += [server.reply(status), server.reply(status)]
    assert post(Endpoint(server.url), THREE)["data"] and len(server.seen) == 3
    server.always = server.reply(status, {"error": {"message": f"busy\n{KEY}"}})
    endpoint = Endpoint(server.url, api_key=KEY)
    assert f"answered {status}: busy" in failure(endpoint, THREE).message
    server.always = None
    assert post(endpoint)["data"], "an answer is no silence"


@pytest.mark.parametrize("after", ["1", "date"])
def test_a_server_says_how_long_to_wait(server: Any, after: str) -> None:
    asked = after if after == "1" else formatdate(time.time() + 2, usegmt=True)
    server.acts.append(server.reply(429, Retry_After=asked))
    begun = time.monotonic()
    assert post(Endpoint(server.url), THREE)["data"]
    assert 0.9 <= time.monotonic() - begun < 5


def test_who_asks_for_more_patience_than_there_is_has_failed(server: Any) -> None:
    server.always = server.reply(429, Retry_After="3600")
    assert isinstance(failure(Endpoint(server.url), THREE), Unavailable)
    assert len(server.seen) == 1
    server.always = server.reply(503, Retry_After="soon")
    failure(Endpoint(server.url), THREE)
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"error": {"message": "too long\nand more"}}, "answered 400: too long"),
        (400, {"error": "no such dimension"}, "answered 400: no such dimension"),
        (404, {"detail": "Not Found"}, "answered 404: Not Found"),
        (422, {"detail": [{"loc": ["input"]}]}, "answered 422"),
        (405, [], "answered 405"),
        (302, b"<html>", "answered 302"),
        (400, {"message": f"header {KEY} {'x' * 300}"}, "answered 400: header (hidden)"),
        (401, {"error": {"message": f"wrong key {KEY}"}}, "refused the key (401)"),
        (403, {"error": {"message": f"wrong key {KEY}"}}, "refused the key (403)"),
    ],
)
def test_what_does_not_pass_is_not_asked_again(
    server: Any, status: int, body: object, said: str
) -> None:
    server.always = server.reply(status, body, Location="http://127.0.0.1:1/")
    refused = failure(Endpoint(server.url, api_key=KEY), THREE)
    assert isinstance(refused, SettingsError) and said in refused.message
    assert len(server.seen) == 1 and len(refused.message) < 300


def test_a_key_that_is_missing(server: Any) -> None:
    server.always = server.reply(401)
    refused = failure(Endpoint(server.url))
    assert "wants a key" in refused.message and "env" in refused.hint


@pytest.mark.parametrize("body", [b"<html>Hello</html>", b'{"data": [', b"", b'{"x": NaN}'])
def test_what_is_no_json(server: Any, body: bytes) -> None:
    server.always = server.reply(200, body, Content_Type="text/html")
    odd = failure(Endpoint(server.url), THREE)
    assert isinstance(odd, SettingsError) and "'text/html'" in odd.message
    assert "/v1" in odd.hint and len(server.seen) == 1


def test_an_answer_without_end_is_broken_off(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 1 << 20)
    server.always = server.reply(200, b" " * (3 << 20))
    assert "1048576 bytes" in failure(Endpoint(server.url), THREE).message


@pytest.mark.parametrize(
    "url", ["", "localhost:8000/v1", "ftp://host/v1", "http:///v1", "http://host:port/v1",
            "http://[::1/v1", "http://host/v1?key=1", "http://host/v1#a"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(SettingsError, match="is not the address"):
        Endpoint(url)


def test_no_secret_in_an_address_or_in_a_complaint_about_one() -> None:
    with pytest.raises(SettingsError) as caught:
        Endpoint(f"http://user:{KEY}@host/v1")
    assert KEY not in str(caught.value) + caught.value.hint
    with pytest.raises(SettingsError) as caught:
        Endpoint("http://host/v1", api_key=f"{KEY}\nX-Other: 1")
    assert KEY not in str(caught.value) + caught.value.hint


def test_the_environments_proxies_are_not_used(
    server: Any, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, nobody)
    assert post(Endpoint(server.url))["data"]


def test_the_trace_goes_along_and_baggage_does_not(server: Any) -> None:
    token = otel_context.attach(baggage.set_baggage("user", "ada"))
    try:
        with Tracing().span("embeddings m", {}) as span:
            post(Endpoint(server.url))
    finally:
        otel_context.detach(token)
    headers = {name.lower(): value for name, value in server.seen[0].headers.items()}
    assert headers["traceparent"].split("-")[1:3] == [span.trace_id, span.span_id]
    assert "baggage" not in headers


def test_many_threads_share_it(server: Any) -> None:
    endpoint, met = Endpoint(server.url), threading.Barrier(8)

    def together(handler: Any, asked: Any) -> None:
        met.wait(10)
        server.embed(handler, asked)

    server.always = together
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(post(endpoint))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len({seen.connection for seen in server.seen}) == 8


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
         "-out", certificate, "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.handle_request)
        thread.start()
        refused = failure(Endpoint(f"https://localhost:{listening.server_port}/v1"), THREE)
        thread.join()
    assert isinstance(refused, SettingsError) and "certificate" in refused.message
