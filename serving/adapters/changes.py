"""Spans of what reconciliation changes: one for a round, one for each change on each server.

A round that changes nothing has none, and neither has a change that failed in the round before and
fails again: rounds follow each other every few seconds.
"""

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Literal, Protocol, TypeAlias

from opentelemetry.trace import SpanKind

from fairlead.errors import FairleadError
from fairlead.serving.adapters.records import AdapterCard
from fairlead.tracing import Span, Tracing, names

Verb: TypeAlias = Literal["load", "unload"]
Key: TypeAlias = tuple[Verb, str, str]
"""A change: verb, server, served name."""


class Found(Protocol):
    """What a round found on one server."""

    @property
    def name(self) -> str: ...

    @property
    def answered(self) -> bool: ...

    @property
    def errors(self) -> tuple[str, ...]: ...


class Change:
    """One change under way."""

    def __init__(self, span: Span | None) -> None:
        self.span = span
        self.failed = False

    def fail(self, error: BaseException) -> None:
        """Says that nothing was changed, and why."""
        self.failed = True
        if self.span and isinstance(error, FairleadError):
            self.span.fail(error.code, error.message)
        elif self.span and isinstance(error, Exception):
            self.span.fail(type(error).__name__)
        elif self.span:
            self.span.set({names.ENDED: "cancelled"})


class Changes:
    """The changes of one round. Its span begins with the first of them."""

    def __init__(self, tracing: Tracing, before: Set[Key] = frozenset()) -> None:
        """`before`: what failed in the round before."""
        self._tracing, self._before = tracing, before
        self._round: Span | None = None
        self.failed: set[Key] = set()

    @contextmanager
    def change(self, verb: Verb, replica: str, card: AdapterCard) -> Iterator[Change]:
        """A change that is made inside the block, and was not where the block says so or raises."""
        key = (verb, replica, card.served_name)
        change = Change(None if key in self._before else self._begun(verb, replica, card))
        try:
            yield change
        except BaseException as error:  # cancelled, too: the server took too long
            change.fail(error)
            raise
        finally:
            if change.failed:
                self.failed.add(key)
            else:
                change.span = change.span or self._begun(verb, replica, card)
            if change.span:
                change.span.end()

    def _begun(self, verb: Verb, replica: str, card: AdapterCard) -> Span:
        if self._round is None:
            self._round = self._tracing.start(*names.reconcile())
        start = names.adapter_change(
            verb, replica, name=card.name, version=card.version, digest=card.digest
        )
        return self._tracing.start(*start, kind=SpanKind.CLIENT, parent=self._round)

    def end(self, states: Sequence[Found] = (), *, complete: bool = False) -> None:
        """Ends the round's span, where there is one, with what it came to."""
        if self._round is None:
            return
        away = [state.name for state in states if not state.answered]
        self._round.set(
            {
                names.ADAPTERS_COMPLETE: complete,
                names.ADAPTERS_ERRORS: sum(len(state.errors) for state in states),
                **({names.ADAPTERS_AWAY: away} if away else {}),
            }
        )
        self._round.end()
