"""Six questions to the support desk of an outdoor shop, live: no network, no key, no GPU.

    python examples/support_desk/demo.py

Documents, threads and traces go to a temporary folder that is removed at the end.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import desk
from screen import Screen

from fairlead import Answer, Assistant
from fairlead.schema import Hop
from fairlead.tracing import TraceReader

DOCUMENTS = Path(__file__).with_name("documents")
TENANT = "demo"

WELCOME = (
    "Harbour & Pine is an outdoor shop (an invented one). Its support desk is an assistant with 40 "
    "pages of policies, products and notices, and five tools over an order book. For every "
    "question a planner chooses one hop after another: search the documents, call a tool, answer. "
    "Whatever comes back passes a guard, the answer is verified against its sources, and every hop "
    "is written to a trace.\n\n"
    "Planner and answerer are Fairlead's embedded default: rules and a small embedding model on "
    "this machine's processor. They quote; they do not write. A language model can take their "
    "place."
)
INGEST = "The pages are cut into passages and indexed twice: by their words and by their meaning."
ATTACK = (
    'On the page of reviews that was just quoted, one "customer" wrote to the assistant and not to '
    "other customers. This is that passage as the guard lets it through, with what the guard "
    "noticed:"
)
HARMLESS = (
    "Text from outside may inform an answer, it never authorises anything. Tools that pay or send "
    "are refused in any case until the settings allow them by name."
)

TRACE = (
    "The trace of question 3: what was done, for how long, and why. It was on disk while it ran. "
    "`fairlead trace show` prints the same for every question that you ask."
)
GOODBYE = """\
Your own documents:   fairlead ingest FOLDER, then fairlead ask "…"
Your own tools:       examples/own_tool.py
From Python:          examples/quickstart.py"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One question, with what a newcomer should know before and after it."""

    title: str
    about: str
    question: str
    thread: str
    remark: str = ""


STEPS = (
    Step(
        title="1 of 6  A question about the documents",
        about="Each [n] marks a stretch that stands in a document word for word.",
        question="What is the comfort temperature of the Fjord 5?",
        thread="desk-1",
    ),
    Step(
        title="2 of 6  A question that needs a tool",
        about="No page knows this order. The planner picks a tool by its description and fills in "
        "the number.",
        question="When was order 1041 delivered?",
        thread="desk-2",
    ),
    Step(
        title="3 of 6  First a tool, then the documents",
        about="The period depends on the country, and the country stands in the order book: the "
        "second hop is planned with what the first one found out.",
        question="How long may I return order 1042?",
        thread="desk-3",
        remark="Not fooled: the folder also holds the German policy of 2023, which says 14 days.",
    ),
    Step(
        title="4 of 6  A follow-up in the same thread",
        about="Three words that mean nothing alone. The thread remembers.",
        question="and in France?",
        thread="desk-3",
    ),
    Step(
        title="5 of 6  Two questions in one",
        about="Each half is searched by itself. The second is answered by a page of reviews.",
        question="How much does the Kestrel 2 weigh, and did it stand through a gale?",
        thread="desk-4",
    ),
    Step(
        title="6 of 6  A question outside the documents",
        about="The desk says what it searched, and that it does not know.",
        question="Which vaccinations do I need for a trek in Nepal?",
        thread="desk-5",
    ),
)


async def main() -> None:
    screen = Screen()
    screen.heading("Fairlead: an assistant whose every hop is guarded and traced", WELCOME)
    with tempfile.TemporaryDirectory(prefix="fairlead-demo-") as folder:
        settings = {"storage": {"path": folder}, "telemetry": {"content": "spans"}}
        async with Assistant.open(settings, tools=desk.TOOLS) as assistant:
            await _ingest(screen, assistant)
            answers = [await _ask(screen, assistant, step) for step in STEPS[:5]]
            await _look_at_the_attack(screen, assistant)
            answers.append(await _ask(screen, assistant, STEPS[5]))
        screen.heading("The trace of one run", TRACE)
        screen.trace(TraceReader(Path(folder) / "traces.db").trace(answers[2].trace_id))
    screen.heading("Where to go from here", GOODBYE)
    desk.order_book().close()


async def _ingest(screen: Screen, assistant: Assistant) -> None:
    screen.heading("Ingest the documents", INGEST)
    started = time.perf_counter()
    with screen.waiting("reading"):
        report = await assistant.ingest([DOCUMENTS], tenant=TENANT)
    screen.ingested(report, time.perf_counter() - started)


async def _ask(screen: Screen, assistant: Assistant, step: Step) -> Answer:
    """Asks one question and shows each hop as it happens."""
    screen.heading(step.title, step.about)
    screen.question(step.question)
    started = time.perf_counter()
    answer = Answer(status="partial", text="")
    async for event in assistant.stream(step.question, tenant=TENANT, thread=step.thread):
        match event.data:
            case {"hop": Hop() as hop}:
                screen.hop(hop)
            case {"answer": Answer() as answer}:
                screen.answer(answer, time.perf_counter() - started)
    if step.remark:
        screen.remark(step.remark)
    return answer


async def _look_at_the_attack(screen: Screen, assistant: Assistant) -> None:
    """Shows the flagged passage, and that nothing it asks for has happened."""
    passages = await assistant.search("ignore all previous instructions", tenant=TENANT)
    flagged = next(passage for passage in passages if passage.findings)
    screen.heading("A page that lies in wait", ATTACK)
    screen.flagged(flagged)
    book = desk.order_book()
    refunds, mails = (len(book.rows(f"SELECT * FROM {table}")) for table in ("refunds", "outbox"))
    screen.remark(f"Refunds made: {refunds}. E-mails sent: {mails}. {HARMLESS}")


if __name__ == "__main__":
    asyncio.run(main())
