"""Spans of every hop: started by hand, stored locally, read back as a tree."""

from fairlead.tracing import names
from fairlead.tracing.reader import TraceReader
from fairlead.tracing.rows import SpanRow, Trace, TraceSummary, traces_document
from fairlead.tracing.spans import Span, SpanLink, Tracing
from fairlead.tracing.store import SpanStore

__all__ = [
    "Span",
    "SpanLink",
    "SpanRow",
    "SpanStore",
    "Trace",
    "TraceReader",
    "TraceSummary",
    "Tracing",
    "names",
    "traces_document",
]
