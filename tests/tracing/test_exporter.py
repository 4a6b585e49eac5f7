"""The exporter of our own: only where the standard variables ask for it."""

import subprocess
import sys

import pytest

from fairlead.tracing import Tracing
from fairlead.tracing.exporter import exporting_provider
from tests.servers.collector import Collector

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


def test_spans_arrive_by_close(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(HTTP, reason="the otlp extra is not installed")
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        tracing = Tracing()
        with tracing.span("plan fairlead", {}) as span:
            pass
        tracing.close()
    (path, _), *_ = collector.requests
    assert path == "/v1/traces"
    (arrived,) = collector.spans()
    assert (arrived.name, arrived.parent_id) == ("plan fairlead", "")
    assert (arrived.trace_id, arrived.span_id) == (span.trace_id, span.span_id)
    assert arrived.service not in ("", "unknown_service")


def test_tracing_without_export_does_not_load_the_sdk() -> None:
    script = (
        "import sys; from fairlead.tracing import Tracing, names;\n"
        "with Tracing().span(*names.plan('a')): pass\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'rich'))])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
