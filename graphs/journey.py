"""What lives beside a run while it runs: open spans, the clock, whoever listens to its events.

None of it is state: a run resumed in another process starts a new journey, whose root span links
to the trace that was cut off.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from fairlead.decisions import AnyDecision
from fairlead.graphs.state import Run
from fairlead.schema import Event, Hop
from fairlead.tracing import Span, SpanLink, Tracing, names

Listener = Callable[[Event], None]
KEPT = 10_000
"""Journeys kept at most; beyond it the oldest is given up (a host that never finishes its runs)."""


@dataclass(kw_only=True)
class Journey:
    """One run in one process."""

    run: Run
    tracing: Tracing
    root: Span
    listener: Listener | None
    until: float
    """`time.monotonic()` at which the seconds budget ends."""
    hop: Span | None = None
    hop_index: int = 0
    hop_began: float = 0.0
    collections: tuple[str, ...] | None = None
    """The names of the tenant's collections, once they were asked for."""
    _events: int = 0

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def begin_hop(self, index: int) -> None:
        """Opens the span of hop `index` when it is not open yet."""
        if self.hop is None or self.hop_index != index:
            name, attributes = names.hop(index)
            self.hop = self.tracing.start(name, attributes, parent=self.root)
            self.hop_index, self.hop_began = index, time.perf_counter()

    def announce(self, decision: AnyDecision) -> None:
        """Says what this hop does."""
        assert self.hop is not None, "begin_hop comes first"
        self.hop.set({names.DECISION: decision.kind, names.DECISION_REASON: decision.reason})
        self.emit("hop_started", kind=decision.kind, reason=decision.reason)

    def end_hop(self, decision: AnyDecision, detail: str) -> Hop:
        """Closes the open hop and returns its record."""
        span = self.hop
        assert span is not None, "begin_hop comes first"
        hop = Hop(
            index=self.hop_index,
            kind=decision.kind,
            reason=decision.reason,
            detail=detail,
            ms=round((time.perf_counter() - self.hop_began) * 1000, 3),
            span_id=span.span_id,
        )
        span.set({names.HOP_DETAIL: detail})
        span.end()
        self.emit("hop_finished", hop=hop)
        self.hop = None
        return hop

    def emit(self, event: str, /, **data: object) -> None:
        """Hands an event to the listener, if there is one."""
        if self.listener is None:
            return
        self._events += 1
        span = self.hop or self.root
        self.listener(
            Event(
                kind=event,  # type: ignore[arg-type]  # pydantic checks it
                run_id=self.run.run_id,
                seq=self._events,
                hop=self.hop_index,
                trace_id=self.root.trace_id,
                span_id=span.span_id,
                data=data,
            )
        )


class Journeys:
    """The journeys of this process, by run id."""

    def __init__(self) -> None:
        self._open: dict[str, Journey] = {}

    def begin(self, journey: Journey) -> Journey:
        if len(self._open) >= KEPT:
            self.close(next(iter(self._open)), error="given_up")
        self._open[journey.run.run_id] = journey
        return journey

    def find(self, run_id: str) -> Journey | None:
        return self._open.get(run_id)

    def close(self, run_id: str, *, error: str = "", message: str = "") -> None:
        """Ends the run's open spans; with `error`, as failed."""
        for span in self._spans_of(run_id):
            if error:
                span.fail(error, message)
            span.end()

    def cancel(self, run_id: str) -> None:
        """Ends the run's open spans as cancelled, which is no failure."""
        for span in self._spans_of(run_id):
            span.set({names.ENDED: "cancelled"})
            span.end()

    def leave(self, tenant: str, thread_id: str) -> None:
        """Cancels what is still open on a thread: a run broken off between two nodes."""
        for run in [journey.run for journey in self._open.values()]:
            if (run.tenant, run.thread_id) == (tenant, thread_id):
                self.cancel(run.run_id)

    def _spans_of(self, run_id: str) -> list[Span]:
        journey = self._open.pop(run_id, None)
        spans = (journey.hop, journey.root) if journey else ()
        return [span for span in spans if span is not None]


def begin_journey(
    run: Run, tracing: Tracing, agent: str, listener: Listener | None, link: SpanLink | None = None
) -> Journey:
    """Opens the root span of a run; `link` points to the trace that an earlier process began.

    The journey's `run` carries the new trace's ids where `run` had none.
    """
    name, attributes = names.invoke_agent(
        agent=agent,
        run_id=run.run_id,
        tenant=run.tenant,
        conversation_id=run.thread_id if run.named else "",
    )
    root = tracing.start(name, attributes, links=(link,) if link else ())
    if not run.trace_id:
        run = replace(run, trace_id=root.trace_id, span_id=root.span_id)
    return Journey(
        run=run,
        tracing=tracing,
        root=root,
        listener=listener,
        until=time.monotonic() + run.seconds,
    )
