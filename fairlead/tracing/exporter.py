"""The exporter for a process whose host set up no OpenTelemetry, where the standard variables ask.

`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` turns it on,
`OTEL_TRACES_EXPORTER=none` and `OTEL_SDK_DISABLED=true` keep it off; protocol, headers, time-outs,
sampler, service name and resource attributes mean what OpenTelemetry says.
"""

import importlib
import logging
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTERS: Final = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
}


def exporting_provider() -> "TracerProvider | None":
    """A provider that exports; None, with one warning where it was asked for and cannot be."""
    endpoint = _variable(*_ENDPOINTS)
    off = _variable("OTEL_SDK_DISABLED").lower() == "true"
    if not endpoint or off or _variable("OTEL_TRACES_EXPORTER").lower() == "none":
        return None
    protocol = _variable(*_PROTOCOLS) or "http/protobuf"
    if protocol not in _EXPORTERS:
        log.warning("spans are not exported: the OTLP protocol %r is not known", protocol)
        return None
    try:
        exporter = importlib.import_module(_EXPORTERS[protocol]).OTLPSpanExporter()
    except ImportError:
        log.warning(
            "spans are not exported to %r: install the exporter with `pip install %s`",
            endpoint,
            "fairlead[otlp]" if protocol != "grpc" else "opentelemetry-exporter-otlp-proto-grpc",
        )
        return None
    # Imported here: the SDK takes 90 ms, and without an exporter nobody needs it.
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "fairlead"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _variable(*variables: str) -> str:
    return next((value for name in variables if (value := os.environ.get(name, "").strip())), "")
