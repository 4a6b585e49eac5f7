"""`fairlead ask`: one question, one answer."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.cli.answer import SCHEMA, exit_status, show_answer
from fairlead.cli.filters import parse_filters
from fairlead.cli.modules import load_tools
from fairlead.cli.options import DEFAULT, AsJson, Filters, Modules, Tenant, settings
from fairlead.cli.output import document, fields_of, line, say, warn
from fairlead.cli.question import read_question
from fairlead.cli.traces import draw_trace, stored_trace
from fairlead.cli.turn import audience, take_turn

if TYPE_CHECKING:
    from fairlead.schema import Answer


def ask(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="`-` reads it from stdin.")],
    thread: Annotated[
        str | None, typer.Option("--thread", metavar="NAME", help="Go on with this conversation.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show hops and words live.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show the trace after it.")] = False,
    tools: Modules = None,
    filters: Filters = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", metavar="SECONDS", help="Answer within.")
    ] = None,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Ask a question; the answer names its sources."""
    import asyncio

    arguments: dict[str, Any] = {
        "tenant": tenant,
        "thread": thread,
        "deadline": deadline,
        "filters": parse_filters(filters),
    }
    text = read_question(question)
    given = settings(ctx)
    hands = load_tools(tools)

    async def turn() -> "tuple[Answer, str]":
        from fairlead.assistant import Assistant

        with audience(stream=stream, as_json=as_json) as hearer:
            async with Assistant.open(given, tools=hands) as assistant:
                answer = await take_turn(assistant, text, hearer, arguments)
        return answer, hearer.told

    began = time.perf_counter()
    answer, told = asyncio.run(turn())
    if as_json:
        found = stored_trace(given, answer.trace_id, tenant) if trace else None
        more = {"trace": found.document()} if found else {}
        (line if stream else document)(SCHEMA, **fields_of(answer), **more)
        warn(*answer.warnings)
    else:
        show_answer(answer, time.perf_counter() - began, told=told)
        found = stored_trace(given, answer.trace_id, tenant) if trace else None
        if found:
            say("")
            draw_trace(found)
    raise typer.Exit(exit_status(answer))
