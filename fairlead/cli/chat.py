"""`fairlead chat`: a conversation on one thread."""

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

import typer

from fairlead.cli.answer import SCHEMA, show_answer
from fairlead.cli.modules import load_tools
from fairlead.cli.options import DEFAULT, AsJson, Modules, Tenant, settings
from fairlead.cli.output import error_lines, fields_of, line, say, warn
from fairlead.cli.turn import audience, take_turn
from fairlead.errors import FairleadError

LEAVE = {"/quit", "/exit", "/q"}


def chat(
    ctx: typer.Context,
    thread: Annotated[
        str | None, typer.Option("--thread", metavar="NAME", help="Go on with this conversation.")
    ] = None,
    tools: Modules = None,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Talk with the assistant on one thread.

    One question a line; `/quit` or Ctrl-D leaves.
    """
    import asyncio

    given, hands = settings(ctx), load_tools(tools)
    name = thread or f"chat-{uuid.uuid4().hex[:8]}"
    arguments: dict[str, Any] = {"tenant": tenant, "thread": name}
    from fairlead.assistant import Assistant

    # One event loop for all turns; it rests while the person types, so that Ctrl-C reaches input().
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            assistant = runner.run(stack.enter_async_context(Assistant.open(given, tools=hands)))

            def turn(question: str) -> None:
                began = time.perf_counter()
                with audience(stream=False, as_json=as_json) as hearer:
                    answer = runner.run(take_turn(assistant, question, hearer, arguments))
                if as_json:
                    line(SCHEMA, **fields_of(answer))
                    warn(*answer.warnings)
                else:
                    show_answer(answer, time.perf_counter() - began)
                    say("")

            _talk(turn, name)
        finally:
            runner.run(stack.aclose())


def _talk(turn: Callable[[str], None], thread: str) -> None:
    person = sys.stdin.isatty() and sys.stdout.isatty()
    if not person:
        for question in _lines():
            turn(question)
        return
    error_lines(f"Thread {thread}. Leave with /quit or Ctrl-D.")
    for question in _typed():
        try:
            turn(question)
        except KeyboardInterrupt:
            error_lines("Interrupted.")
        except FairleadError as error:  # the conversation goes on
            error_lines(f"Error: {error.message}", *filter(None, [error.hint]))


def _typed() -> Iterator[str]:
    """What a person types, until they leave."""
    import readline  # noqa: F401 - gives input() history and line editing

    while True:
        try:
            question = input("› ").strip()
        except EOFError:
            say("")
            return
        if question in LEAVE:
            return
        if question:
            yield question


def _lines() -> Iterator[str]:
    """The lines of stdin, none of them read further than a question may be long."""
    from fairlead.schema import QUESTION_LIMIT

    while text := sys.stdin.readline(QUESTION_LIMIT + 2):
        if text.strip() in LEAVE:
            return
        if text.strip():
            yield text.strip()
