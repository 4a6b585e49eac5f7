"""One turn of the assistant, shown while it happens."""

import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from fairlead.cli.output import console, error_lines, fields_of, line, lively, printable

if TYPE_CHECKING:
    from fairlead.assistant import Assistant
    from fairlead.schema import Answer, Event


class Audience(Protocol):
    """Who is told what happens in a run."""

    told: str
    """The answer's text as far as it was printed already."""

    def hear(self, event: "Event") -> None: ...


class Silent:
    """Nobody watches: the answer is enough."""

    told = ""

    def hear(self, event: "Event") -> None:
        """Lets it pass."""


class Lines:
    """A program reads along: every event is a line of JSON, but the last, which is the answer."""

    told = ""

    def hear(self, event: "Event") -> None:
        """Prints the event."""
        if event.kind != "done":
            line("fairlead.event/1", **fields_of(event))


class Reader:
    """A person reads along: hops on stderr, the answer's words on stdout as they come."""

    def __init__(self) -> None:
        self.told = ""

    def hear(self, event: "Event") -> None:
        """Prints a finished hop or a piece of the answer."""
        if event.kind == "hop_finished":
            self._end_line()
            error_lines(hop_line(event))
        elif event.kind == "token":
            piece = str(event.data.get("text", ""))
            self.told += piece
            sys.stdout.write(printable(piece))
            sys.stdout.flush()
        elif event.kind == "done":
            self._end_line()

    def _end_line(self) -> None:
        if self.told and not self.told.endswith("\n"):
            self.told += "\n"
            sys.stdout.write("\n")
            sys.stdout.flush()


class Spinner:
    """A person waits at a terminal: one moving line on stderr says what the run is doing."""

    told = ""

    def __init__(self, status: Any) -> None:
        self._status = status

    def hear(self, event: "Event") -> None:
        """Says what the hop that begins is about."""
        from rich.text import Text  # a plain string would be read as markup

        if event.kind == "hop_started":
            kind, reason = event.data.get("kind", ""), event.data.get("reason", "")
            self._status.update(Text(printable(f"{kind}: {reason}")))


@contextmanager
def audience(*, stream: bool, as_json: bool) -> Iterator[Audience]:
    """Whoever fits the options and the terminal."""
    if stream:
        yield Lines() if as_json else Reader()
    elif lively():
        with console(stderr=True).status("thinking") as status:
            yield Spinner(status)
    else:
        yield Silent()


def hop_line(event: "Event") -> str:
    """A finished hop in one line."""
    hop = event.data.get("hop")
    kind, reason = getattr(hop, "kind", ""), getattr(hop, "reason", "")
    detail, ms = getattr(hop, "detail", ""), getattr(hop, "ms", 0.0)
    said = f"{reason} → {detail}" if detail else reason
    return f"{event.hop}. {kind:<8} {said} ({ms:.0f} ms)"


async def take_turn(
    assistant: "Assistant", question: str, hearer: Audience, arguments: Mapping[str, Any]
) -> "Answer":
    """Asks, tells the audience, and returns the answer. A failure carries the run's trace id."""
    trace_id = ""
    answer: Answer | None = None
    try:
        stream = cast("AsyncGenerator[Event, None]", assistant.stream(question, **arguments))
        async with aclosing(stream) as events:  # a reader who goes away ends the run
            async for event in events:
                trace_id = event.trace_id or trace_id
                hearer.hear(event)
                if event.kind == "done":
                    answer = event.data["answer"]  # type: ignore[assignment]  # of this kind
    except Exception as error:
        if trace_id and not getattr(error, "trace_id", ""):
            error.trace_id = trace_id  # type: ignore[attr-defined]  # for the message
        raise
    if answer is None:
        raise RuntimeError("the run ended without an answer")
    return answer
