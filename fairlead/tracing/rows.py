"""A stored trace as values, and as the documents `fairlead.trace/1` and `fairlead.traces/1`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from fairlead.tracing.spans import SpanLink

SpanStatus: TypeAlias = Literal["ok", "error", "open", "interrupted"]
"""`open`: running now. `interrupted`: never ended, and the process that began it is gone."""


@dataclass(frozen=True, kw_only=True)
class SpanRow:
    """One stored span."""

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    """Empty for none. The parent of a root may be a span of the host, which is not stored here."""
    root: bool = False
    run_id: str = ""
    tenant: str = ""
    name: str
    kind: str = "internal"
    start_ns: int
    end_ns: int | None = None
    status: SpanStatus = "ok"
    error_type: str = ""
    message: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[SpanLink, ...] = ()

    @property
    def ms(self) -> float | None:
        """Wall-clock milliseconds; None while it has no end."""
        return None if self.end_ns is None else round((self.end_ns - self.start_ns) / 1e6, 3)

    def document(self) -> dict[str, Any]:
        """Its form in `fairlead.trace/1`."""
        return {
            "name": self.name,
            "span_id": self.span_id,
            "parent_span_id": self.parent_span_id or None,
            "trace_id": self.trace_id,
            "run_id": self.run_id,
            "tenant": self.tenant,
            "kind": self.kind,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "status": self.status,
            "error": {"type": self.error_type, "message": self.message}
            if self.error_type
            else None,
            "attributes": dict(self.attributes),
            "links": [{"trace_id": link.trace_id, "span_id": link.span_id} for link in self.links],
        }


@dataclass(frozen=True, kw_only=True)
class TraceSummary:
    """One run, as a list shows it."""

    trace_id: str
    run_id: str
    tenant: str
    name: str
    start: datetime
    ms: float | None
    """None for a run that has no end."""
    status: SpanStatus
    outcome: str
    """The status of the run's answer; empty where it came to none."""
    hops: int
    question: str
    """Empty unless content capture was on."""
    error: str

    def document(self) -> dict[str, Any]:
        """Its row in `fairlead.traces/1`."""
        start = self.start.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "trace_id": self.trace_id,
            "run_id": self.run_id,
            "tenant": self.tenant,
            "name": self.name,
            "start": start,
            "ms": self.ms,
            "status": self.status,
            "outcome": self.outcome,
            "hops": self.hops,
            "question": self.question,
            "error": self.error,
        }


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The spans of one trace, by start; parents stand before their children."""

    summary: TraceSummary
    spans: tuple[SpanRow, ...]

    @property
    def trace_id(self) -> str:
        return self.summary.trace_id

    def document(self) -> dict[str, Any]:
        """The document `fairlead.trace/1`."""
        return {
            "schema": "fairlead.trace/1",
            "trace": self.summary.document(),
            "spans": [span.document() for span in self.spans],
        }


def traces_document(traces: Sequence[TraceSummary]) -> dict[str, Any]:
    """The document `fairlead.traces/1`."""
    return {"schema": "fairlead.traces/1", "traces": [each.document() for each in traces]}
