"""The ids of spans: new ones where OpenTelemetry makes none, and their hexadecimal forms."""

import os
import random
from typing import Final

from opentelemetry import trace as otel
from opentelemetry.trace import NonRecordingSpan, SpanContext

SAMPLED: Final = otel.TraceFlags(otel.TraceFlags.SAMPLED)
_random: Final = random.Random()
if hasattr(os, "register_at_fork"):  # else parent and child would make the same ids
    os.register_at_fork(after_in_child=_random.seed)


class IdsOnly(NonRecordingSpan):
    """New ids below a span, for whoever asks OpenTelemetry what is current. Most are not asked."""

    trace_id: int
    span_id: int
    _flags: otel.TraceFlags
    _state: otel.TraceState

    def __init__(self, around: otel.Span) -> None:
        """Of `around`'s trace, or without one, of a new trace."""
        if isinstance(around, IdsOnly):
            of = around.trace_id, around._flags, around._state
        elif (outer := around.get_span_context()).is_valid:
            of = outer.trace_id, outer.trace_flags, outer.trace_state
        else:
            of = _random.getrandbits(128) or 1, SAMPLED, outer.trace_state
        self.trace_id, self._flags, self._state = of
        self.span_id = _random.getrandbits(64) or 1

    def get_span_context(self) -> SpanContext:
        return SpanContext(
            self.trace_id,
            self.span_id,
            is_remote=False,
            trace_flags=self._flags,
            trace_state=self._state,
        )

    def __repr__(self) -> str:
        return f"IdsOnly({self.get_span_context()!r})"


def ids_of(span: otel.Span) -> tuple[str, str]:
    """Trace and span, in 32 and 16 hexadecimal digits."""
    ids = span if isinstance(span, IdsOnly) else span.get_span_context()
    return f"{ids.trace_id:032x}", f"{ids.span_id:016x}"


def parent_id(around: otel.Span) -> str:
    """The id of the host's span that is current; empty where none is."""
    outer = around.get_span_context()
    return f"{outer.span_id:016x}" if outer.is_valid else ""
