"""The exporter of our own: only where the standard variables ask for it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fairlead.tracing import Tracing
from fairlead.tracing.exporter import exporting_provider

HTTP = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    for name in ("OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_is_exported_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    assert exporting_provider() is None
    assert not caplog.records


@pytest.mark.parametrize("off", [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
def test_the_standard_switches_keep_it_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, off: tuple[str, str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(*off)
    assert exporting_provider() is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("http/protobuf", "pip install fairlead[otlp]"),
        ("grpc", "opentelemetry-exporter-otlp-proto-grpc"),
        ("http/carrier-pigeon", "'http/carrier-pigeon' is not known"),
    ],
)
def test_a_missing_exporter_is_one_clear_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, protocol: str, said: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    for module in (HTTP, HTTP.replace(".http.", ".grpc.")):
        monkeypatch.setitem(sys.modules, module, None)  # what an absent package looks like
    with Tracing().span("work", {}) as span:
        assert span.trace_id
    assert len(caplog.records) == 1 and said in caplog.text


@pytest.fixture
def sink() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that takes what is posted to it: its URL, and (path, body) of each request."""
    got: list[tuple[str, bytes]] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_arrive_by_close(
    monkeypatch: pytest.MonkeyPatch, sink: tuple[str, list[tuple[str, bytes]]]
) -> None:
    pytest.importorskip(HTTP, reason="the otlp extra is not installed")
    url, got = sink
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    tracing = Tracing()
    with tracing.span("plan fairlead", {}) as span:
        pass
    tracing.close()
    (path, body), *_ = got
    assert path == "/v1/traces"
    assert b"plan fairlead" in body and bytes.fromhex(span.trace_id) in body
    assert b"service.name" in body and b"unknown_service" not in body


def test_tracing_without_export_does_not_load_the_sdk() -> None:
    script = (
        "import sys; from fairlead.tracing import Tracing, names;\n"
        "with Tracing().span(*names.plan('a')): pass\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'rich'))])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
