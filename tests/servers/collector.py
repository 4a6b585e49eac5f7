"""An OTLP collector on loopback that keeps what is sent to it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.servers.weaviate import LOOPBACK

ARRIVING_SECONDS = 60.0
"""Exporters send every few seconds."""


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """One span; ids as in our own store, `parent_id` empty for a root."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str


class Collector:
    """Takes OTLP over HTTP. `requests` are path and body of each, in the order they came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        requests = self.requests

        class Sink(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                requests.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Sink)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Without a path, as OTEL_EXPORTER_OTLP_ENDPOINT has it."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    @property
    def traces_url(self) -> str:
        return f"{self.url}/v1/traces"

    def spans(self) -> Iterator[Arrived]:
        """All that have arrived."""
        for _, body in tuple(self.requests):
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                told = {each.key: each.value.string_value for each in group.resource.attributes}
                for span in (span for scope in group.scope_spans for span in scope.spans):
                    yield Arrived(
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        name=span.name,
                        service=told.get("service.name", ""),
                    )

    def until(self, enough: Callable[[list[Arrived]], bool]) -> list[Arrived]:
        """The spans, once there are enough of them; blocks meanwhile."""
        patience = time.monotonic() + ARRIVING_SECONDS
        while not enough(found := list(self.spans())):
            assert time.monotonic() < patience, f"only {found} arrived"
            time.sleep(0.1)
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
