"""Spans by hand: one object feeds OpenTelemetry and the local store.

The store is fed directly and not through a span processor, so it works beside any provider of the
host and any sampling, and shows a span from the moment it starts. A host's provider is used as it
is and never added to. Where nothing listens on OpenTelemetry's side, a span costs only its ids, and
they still travel in the context, so that `traceparent` headers made from it are right.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from fairlead.tracing import names
from fairlead.tracing.exporter import exporting_provider
from fairlead.tracing.ids import SAMPLED, IdsOnly, ids_of, parent_id
from fairlead.tracing.names import AttributeValue
from fairlead.tracing.redaction import described, one_line, shortened, without_content
from fairlead.tracing.store import SpanRecord, SpanStore

CLOSE_SECONDS: Final = 2.0
"""How long `Tracing.close` waits for a slow disk or exporter before it gives up."""
_OURS: Final = otel_context.create_key("fairlead-span")


@dataclass(frozen=True)
class SpanLink:
    """A span of another trace, by its hexadecimal ids."""

    trace_id: str
    span_id: str


class Span:
    """A started span. Nothing changes after the first `end`."""

    __slots__ = ("_began", "_otel", "_record", "_tracer", "_tracing", "span_id", "trace_id")

    def __init__(
        self,
        tracing: "Tracing",
        span: otel.Span,
        record: SpanRecord,
        began: tuple[int, int],
        tracer: otel.Tracer | None = None,
    ) -> None:
        self._tracing, self._otel, self._record = tracing, span, record
        self._began, self._tracer = began, tracer
        self.trace_id = record.trace_id
        """32 hexadecimal digits."""
        self.span_id = record.span_id
        """16 hexadecimal digits."""

    @property
    def context(self) -> Context:
        """The current context with this span in it, as propagators take it."""
        return otel.set_span_in_context(self._otel)

    def set(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Adds attributes. Content is left out unless content capture is on."""
        record = self._record
        if record.end_ns is not None:
            return
        kept = self._tracing._kept(attributes)
        record.attributes.update(kept)
        if self._otel.is_recording():
            self._otel.set_attributes(kept)
        if record.row is not None:  # stored as open: who follows the run sees the change
            self._tracing._put(record)

    def fail(self, error_type: str, message: str = "") -> None:
        """Marks the span as failed. Without content capture quoted text is taken out of `message`.

        `error_type` is of few values: a code or an exception's name.
        """
        record = self._record
        if record.end_ns is not None:
            return
        record.status, record.error_type = "error", error_type
        record.message = one_line(message, content=self._tracing.content)
        record.attributes[names.ERROR_TYPE] = error_type
        if self._otel.is_recording():
            self._otel.set_attribute(names.ERROR_TYPE, error_type)
            self._otel.set_status(Status(StatusCode.ERROR, record.message or None))

    def end(self) -> None:
        """Completes the span."""
        record = self._record
        if record.end_ns is not None:
            return
        if record.status == "open":
            record.status = "ok"
        wall, clock = self._began
        ended = wall + time.perf_counter_ns() - clock
        record.end_ns = ended  # last: the writer takes a record with an end as complete
        self._tracing._put(record)
        self._otel.end(ended)


class Tracing:
    """Starts spans; `content` says whether questions, arguments and texts are recorded on them.

    Without `provider` the host's global one is used if the host set one, before or after. Else an
    exporter of our own sends spans where OpenTelemetry's standard variables say; it is never set
    globally.
    """

    def __init__(
        self,
        *,
        provider: otel.TracerProvider | None = None,
        store: SpanStore | None = None,
        content: bool = False,
    ) -> None:
        self.content = content
        self._store = store
        self._own = None
        if provider is None and isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider):
            provider = self._own = exporting_provider()
        self._tracer = _tracer_of(provider) if provider else None
        self._follows_host = provider is None
        self._host: tuple[otel.TracerProvider, otel.Tracer | None] | None = None

    def start(
        self,
        name: str,
        attributes: Mapping[str, AttributeValue],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Span | None = None,
        links: Sequence[SpanLink] = (),
    ) -> Span:
        """A span that is not current; without `parent` it hangs below the current one."""
        if self._unheard():
            return self._bare(parent)
        above, around = (parent, parent._otel) if parent else self._around()
        kept = self._kept(attributes)
        began = above._began if above else (time.time_ns(), time.perf_counter_ns())
        start_ns = began[0] + time.perf_counter_ns() - began[1]
        # one tracer for a whole trace: OpenTelemetry looks into the environment to tell it
        tracer = above._tracer if above else self._current_tracer()
        span = self._otel_span(tracer, name, kept, kind, around, links, start_ns)
        trace_id, span_id = ids_of(span)
        inherited = above._record if above else None
        record = SpanRecord(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=above.span_id if above else parent_id(around),
            root=above is None or names.RUN_ID in kept,
            run_id=_said(kept, names.RUN_ID, inherited.run_id if inherited else ""),
            tenant=_said(kept, names.TENANT, inherited.tenant if inherited else ""),
            name=name,
            kind=kind.name.lower(),
            start_ns=start_ns,
            attributes=kept,
            links=[(link.trace_id, link.span_id) for link in links],
        )
        self._put(record)
        return Span(self, span, record, began, tracer)

    def span(
        self,
        name: str,
        attributes: Mapping[str, AttributeValue],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Span | None = None,
    ) -> AbstractContextManager[Span]:
        """A span that is current inside the block and ends with it, failed by an exception.

        Cancellation and LangGraph's interrupts are control flow: they end a span without failing
        it, and `fairlead.ended` says which it was.
        """
        return _Block(self, name, attributes, kind, parent)

    def attach(self, span: Span) -> AbstractContextManager[None]:
        """Makes a started span current for a block. Do not yield inside it."""
        return _Attached(span)

    def flush(self, *, ended: bool = False) -> None:
        """Returns when every span is committed to the local store, or with `ended`, what ended."""
        if self._store:
            self._store.flush(ended=ended)

    def close(self) -> None:
        """Commits and exports what is left; gives up after `CLOSE_SECONDS`."""
        work = [self._store.close] if self._store else []
        if self._own:
            work.append(self._own.shutdown)
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        until = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _unheard(self) -> bool:
        """Whether there is neither a store nor anybody on OpenTelemetry's side."""
        if self._store or self._tracer:
            return False
        return self._current_tracer() is None

    def _bare(self, parent: Span | None) -> Span:
        """A span of which nothing but the ids is kept."""
        if parent is None:
            parent = self._above(otel_context.get_current())
        span = IdsOnly(parent._otel if parent else otel.get_current_span())
        trace_id, span_id = ids_of(span)
        record = SpanRecord(
            trace_id=trace_id,
            span_id=span_id,
            parent_id="",
            root=False,
            run_id="",
            tenant="",
            name="",
            kind="",
            start_ns=0,
            end_ns=0,  # ended from the start: nothing is written down
            attributes={},
        )
        return Span(self, span, record, (0, 0))

    def _around(self) -> tuple[Span | None, otel.Span]:
        """What is current: our span, and OpenTelemetry's."""
        context = otel_context.get_current()
        return self._above(context), otel.get_current_span(context)

    def _above(self, context: Context) -> Span | None:
        """Our current span, unless the host began another trace below it."""
        span = context.get(_OURS)
        if not isinstance(span, Span) or span._tracing is not self:
            return None
        now = otel.get_current_span(context)
        return span if now is span._otel or ids_of(now)[0] == span.trace_id else None

    def _put(self, record: SpanRecord) -> None:
        if self._store:
            self._store.put(record)

    def _kept(self, attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
        return shortened(attributes if self.content else without_content(attributes))

    def _otel_span(
        self,
        tracer: otel.Tracer | None,
        name: str,
        attributes: Mapping[str, AttributeValue],
        kind: SpanKind,
        around: otel.Span,
        links: Sequence[SpanLink],
        start_ns: int,
    ) -> otel.Span:
        """The tracer's span, or where it makes none, one that only carries new ids."""
        if tracer:
            span = tracer.start_span(
                name,
                otel.set_span_in_context(around),
                kind,
                attributes,
                [otel.Link(_linked(link)) for link in links] or None,
                start_ns,
                record_exception=False,
                set_status_on_exception=False,
            )
            made = span.get_span_context()
            if made.is_valid and made.span_id != around.get_span_context().span_id:
                return span
        return IdsOnly(around)

    def _current_tracer(self) -> otel.Tracer | None:
        """Our own tracer, else that of the host's global provider; None while it set none."""
        if self._tracer or not self._follows_host:
            return self._tracer
        provider = otel.get_tracer_provider()
        if self._host is None or self._host[0] is not provider:
            self._host = (provider, _tracer_of(provider))
        return self._host[1]


class _Attached(AbstractContextManager[None]):
    """Makes a span current, for OpenTelemetry and for us."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> None:
        context = otel_context.set_value(_OURS, self._span)
        self._token: Token[Context] = otel_context.attach(
            otel.set_span_in_context(self._span._otel, context)
        )

    def __exit__(self, *raised: object) -> None:
        otel_context.detach(self._token)


class _Block(AbstractContextManager[Span]):
    """What `Tracing.span` returns; the span starts when the block is entered."""

    __slots__ = ("_attached", "_given", "_span", "_tracing")

    def __init__(
        self,
        tracing: Tracing,
        name: str,
        attributes: Mapping[str, AttributeValue],
        kind: SpanKind,
        parent: Span | None,
    ) -> None:
        self._tracing = tracing
        self._given = (name, attributes, kind, parent)

    def __enter__(self) -> Span:
        name, attributes, kind, parent = self._given
        self._span = self._tracing.start(name, attributes, kind=kind, parent=parent)
        self._attached = _Attached(self._span)
        self._attached.__enter__()
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._attached.__exit__()
        if error is not None:
            if ended := _control_flow(error):
                self._span.set({names.ENDED: ended})
            else:
                self._span.fail(*described(error))
        self._span.end()


def _control_flow(error: BaseException) -> str:
    """What ended the block, where that was no failure; else empty."""
    if any(each.__name__ == "GraphBubbleUp" for each in type(error).__mro__):
        return "interrupted"
    # asyncio.CancelledError, KeyboardInterrupt and their like are no Exception
    return "" if isinstance(error, Exception) else "cancelled"


def _tracer_of(provider: otel.TracerProvider) -> otel.Tracer | None:
    if isinstance(provider, (otel.ProxyTracerProvider, otel.NoOpTracerProvider)):
        return None
    return provider.get_tracer(names.SCOPE)


def _said(attributes: Mapping[str, AttributeValue], name: str, inherited: str) -> str:
    value = attributes.get(name)
    return inherited if value is None else str(value)


def _linked(link: SpanLink) -> SpanContext:
    return SpanContext(
        int(link.trace_id or "0", 16),
        int(link.span_id or "0", 16),
        is_remote=True,
        trace_flags=SAMPLED,
    )
