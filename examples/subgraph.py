"""An assistant inside your own LangGraph, and LangGraph's own streaming.

    python examples/subgraph.py

`assistant.graph` is a compiled graph: input `question`, output `answer`. Thread and principal
travel in the config, which LangGraph hands down to every sub-graph. As a node of another graph each
call is a turn of its own: what was said before is the host's to remember.
"""

import asyncio
import tempfile
from typing import TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from fairlead import Answer, Assistant, Document, Principal
from fairlead.graphs.values import Values

NOTICE = Document(
    id="opening-hours",
    title="Opening hours",
    text="The shop in Kiel is open Tuesday to Saturday from 10:00 to 18:00.",
)


class Ticket(TypedDict, total=False):
    """The host's state; it shares `question` and `answer` with the assistant."""

    question: str
    answer: Answer
    letter: str


async def write_letter(state: Ticket) -> Ticket:
    answer = state["answer"]
    sources = ", ".join(citation.source or citation.tool for citation in answer.citations)
    return {"letter": f"Dear customer,\n{answer.text}\n(according to: {sources})"}


async def main() -> None:
    principal = Principal(tenant="demo", subject="ticket-desk")
    config: RunnableConfig = {
        "configurable": {"thread_id": "ticket-7", "fairlead_principal": principal}
    }
    with tempfile.TemporaryDirectory() as folder:
        async with Assistant.open({"storage": {"path": folder}}) as assistant:
            await assistant.ingest([NOTICE], tenant="demo")

            host = StateGraph(Ticket)
            host.add_node("desk", assistant.graph)
            host.add_node("write_letter", write_letter)
            host.add_edge(START, "desk")
            host.add_edge("desk", "write_letter")
            host.add_edge("write_letter", END)
            # `Values` reads and writes Fairlead's types, and rebuilds no others from a checkpoint.
            tickets = host.compile(checkpointer=InMemorySaver(serde=Values()))
            ticket = await tickets.ainvoke({"question": "When is the shop in Kiel open?"}, config)
            print(ticket["letter"])

            print("\nThe same graph, streamed by LangGraph:")
            config["configurable"]["thread_id"] = "ticket-8"
            async for update in assistant.graph.astream(
                {"question": "Is the shop open on Saturday?"}, config, stream_mode="updates"
            ):
                print(" ", ", ".join(update))


if __name__ == "__main__":
    asyncio.run(main())
