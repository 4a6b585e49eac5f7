"""Any model with a span around each call, and its trouble in our words."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from opentelemetry.trace import SpanKind

from fairlead.errors import FairleadError, Unavailable
from fairlead.protocols import Completion, Delta, Model, Request
from fairlead.tracing import Span, Tracing, names
from fairlead.tracing.names import AttributeValue, Start


class TracedModel:
    """Opens `chat {model}` below the current span and counts the call in the usage."""

    def __init__(
        self,
        model: Model,
        tracing: Tracing,
        *,
        provider: str,
        said: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        self._model, self._tracing, self._provider = model, tracing, provider
        self._said = said or {}

    @property
    def name(self) -> str:
        return self._model.name

    async def complete(self, request: Request) -> Completion:
        name, attributes = self._start()
        with self._tracing.span(name, attributes, kind=SpanKind.CLIENT) as span:
            with plainly(self.name):
                completion = await self._model.complete(request)
            return self._noted(span, request, completion)

    def _start(self, *, streamed: bool = False) -> Start:
        name, attributes = names.chat(self.name, provider=self._provider)
        more = {names.STREAMED: True} if streamed else {}
        return name, {**attributes, **self._said, **more}

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        name, attributes = self._start(streamed=True)
        span = self._tracing.start(name, attributes, kind=SpanKind.CLIENT)
        began = time.perf_counter()
        deltas = self._model.stream(request)
        try:
            while True:
                with plainly(self.name), self._tracing.attach(span):
                    delta = await anext(deltas, None)
                if delta is None:
                    break
                if began:
                    span.set({names.FIRST_CHUNK: round(time.perf_counter() - began, 6)})
                    began = 0.0
                if delta.completion is not None:
                    delta = replace(delta, completion=self._noted(span, request, delta.completion))
                yield delta
        except Exception as error:
            span.fail(type(error).__name__)
            raise
        finally:
            if isinstance(deltas, AsyncGenerator):  # left early: nobody reads on
                await deltas.aclose()
            span.end()

    def _noted(self, span: Span, request: Request, completion: Completion) -> Completion:
        """The completion with its call counted, once the span says what came of it."""
        usage = completion.usage
        found: dict[str, AttributeValue] = {
            names.RESPONSE_MODEL: completion.model,
            names.FINISH_REASONS: [completion.finish_reason],
            names.INPUT_TOKENS: usage.input_tokens,
            names.OUTPUT_TOKENS: usage.output_tokens,
            names.CACHED_TOKENS: usage.cached_tokens,
        }
        if self._tracing.content:
            said = "\n".join(f"{message.role}: {message.content}" for message in request.messages)
            found |= {names.INPUT_MESSAGES: said, names.OUTPUT_MESSAGES: completion.text}
        span.set(found)
        if usage.model_calls:
            return completion
        return replace(completion, usage=replace(usage, model_calls=1))


@contextmanager
def plainly(name: str) -> Iterator[None]:
    """A model's own exception, as `Unavailable`."""
    try:
        yield
    except FairleadError:
        raise
    except Exception as error:
        said = str(error).partition("\n")[0][:200]
        raise Unavailable(
            f"model {name!r} failed: {type(error).__name__}: {said}",
            hint="Check the model's address, key and name, then ask again.",
        ) from error
