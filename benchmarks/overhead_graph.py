"""Client CPU of the graph alone, beside the same loop in `langchain.agents.create_agent`.

The task: three decisions, two tool calls (one returning 1.7 kB), an answer of one sentence. No
model is asked on either side: our planner and answerer are scripted, the peer has a fake chat
model, so what is measured is what the framework itself costs.

    bare    our machine: guards on (the types demand them), no spans, no checkpoints
    whole   the same with every span stored in SQLite and a durable checkpoint per superstep
    peer    create_agent: no guard, no spans, no checkpoints
    empty   an empty linear graph of nine nodes in LangGraph, for scale

Each variant runs in a process of its own; all are shuffled within a repeat, and ratios are paired
within it. Unit: milliseconds of CPU (user and system, all threads) per run.

    python benchmarks/overhead_graph.py [--repeats 7] [--runs 200] [--json]
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.graphs import Parts
    from fairlead.tracing import Tracing

PASSAGE = ("Parcels to Norway take four to six working days and cost 12.90 euros. " * 24)[:1700]
QUESTION = "Where is order 1042, and what does shipping to Norway cost?"
ANSWER = "Order 1042 is on its way; shipping to Norway costs 12.90 euros."
VARIANTS = ("bare", "whole", "peer", "empty")
TARGETS = {"bare": 0.75, "whole": 1.5}
Run = Callable[[], Awaitable[None]]


def _parts(tracing: "Tracing") -> "Parts":
    """Our machine's parts: two tools, three scripted decisions, a scripted answerer."""
    from fairlead import tool
    from fairlead.agents import ScriptedPlanner
    from fairlead.decisions import AnswerNow, AnyDecision, Call, View
    from fairlead.graphs import Parts
    from fairlead.reports import CollectionInfo
    from fairlead.schema import Draft, ToolCall
    from fairlead.tools import Toolbox

    @tool(effect="read")
    async def find_order(order_id: int) -> str:
        """Finds an order."""
        return f"Order {order_id} is on its way."

    @tool(effect="read")
    async def shipping(country: str) -> str:
        """Says what shipping to a country costs."""
        return PASSAGE

    script: tuple[AnyDecision, ...] = (
        Call(calls=(ToolCall(tool="find_order", arguments={"order_id": 1042}),), reason="look"),
        Call(calls=(ToolCall(tool="shipping", arguments={"country": "NO"}),), reason="price"),
        AnswerNow(reason="both known"),
    )

    class Answerer:
        async def answer(self, view: View) -> Draft:
            assert len(view.tool_results) == 2
            assert PASSAGE in view.tool_results[1].text
            return Draft(text=ANSWER, status="asking")

    class Nothing:
        async def collections(self, tenant: str) -> tuple[CollectionInfo, ...]:
            return ()

    return Parts(
        planner=ScriptedPlanner(lambda view: script[len(view.hops)]),
        answerer=Answerer(),
        searcher=Nothing(),  # type: ignore[arg-type]  # never asked to search here
        tools=Toolbox([find_order, shipping]),
        tracing=tracing,
    )


def _ours(whole: bool, folder: Path) -> tuple[Run, Callable[[], None]]:
    from opentelemetry.trace import NoOpTracerProvider

    from fairlead.graphs import Checkpoints, build_machine
    from fairlead.schema import Principal
    from fairlead.tracing import SpanStore, Tracing

    store = SpanStore(folder / "traces.db") if whole else None
    tracing = Tracing(provider=None if whole else NoOpTracerProvider(), store=store)
    saver = Checkpoints(folder / "runs.db") if whole else None
    machine = build_machine(_parts(tracing), saver)
    principal = Principal(tenant="bench")
    number = iter(range(10**9))

    async def run() -> None:
        place = {"thread_id": str(next(number)), "fairlead_principal": principal}
        result = await machine.ainvoke(
            {"question": QUESTION}, {"configurable": place}, durability="sync" if whole else None
        )
        assert result["answer"].text == ANSWER
        assert len(result["answer"].hops) == 3

    def close() -> None:
        tracing.close()
        if saver:
            saver.close()

    return run, close


def _peer() -> tuple[Run, Callable[[], None]]:
    from langchain.agents import create_agent
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langchain_core.tools import tool

    @tool
    async def find_order(order_id: int) -> str:
        """Finds an order."""
        return f"Order {order_id} is on its way."

    @tool
    async def shipping(country: str) -> str:
        """Says what shipping to a country costs."""
        return PASSAGE

    def call(name: str, args: dict[str, Any]) -> AIMessage:
        return AIMessage("", tool_calls=[{"name": name, "args": args, "id": name}])

    class Fake(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "fake"

        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

        def _generate(self, messages: list[BaseMessage], *args: Any, **kw: Any) -> ChatResult:
            done = sum(message.type == "tool" for message in messages)
            said = (
                call("find_order", {"order_id": 1042}),
                call("shipping", {"country": "NO"}),
                AIMessage(ANSWER),
            )[done]
            return ChatResult(generations=[ChatGeneration(message=said.model_copy())])

        async def _agenerate(
            self, messages: list[BaseMessage], *args: Any, **kw: Any
        ) -> ChatResult:
            return self._generate(messages)

    agent = create_agent(Fake(), [find_order, shipping], system_prompt="You help customers.")

    async def run() -> None:
        result = await agent.ainvoke({"messages": [{"role": "user", "content": QUESTION}]})
        messages = result["messages"]
        assert messages[-1].text == ANSWER
        assert PASSAGE in messages[4].text

    return run, lambda: None


def _empty() -> tuple[Run, Callable[[], None]]:
    from typing import TypedDict

    from langgraph.graph import END, START, StateGraph

    class State(TypedDict, total=False):
        question: str

    async def node(state: State) -> State:
        return {}

    graph = StateGraph(State)
    names = [f"node_{n}" for n in range(9)]
    for name in names:
        graph.add_node(name, node)
    for left, right in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(left, right)
    machine = graph.compile()

    async def run() -> None:
        await machine.ainvoke({"question": QUESTION})

    return run, lambda: None


def measure(variant: str, runs: int) -> float:
    """Milliseconds of CPU per run of one variant, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        if variant in ("bare", "whole"):
            run, close = _ours(variant == "whole", Path(folder))
        else:
            run, close = _peer() if variant == "peer" else _empty()

        async def all_runs() -> float:
            for _ in range(max(20, runs // 5)):
                await run()
            began = time.process_time()
            for _ in range(runs):
                await run()
            close()
            return (time.process_time() - began) * 1000 / runs

        return asyncio.run(all_runs())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", choices=VARIANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(measure(args.measure, args.runs))
        return
    found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(args.repeats):
        for variant in random.sample(VARIANTS, len(VARIANTS)):
            command = [sys.executable, __file__, "--measure", variant, "--runs", str(args.runs)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[variant].append(float(done.stdout))
    report(found, as_json=args.json)


def report(found: dict[str, list[float]], *, as_json: bool) -> None:
    """Prints medians, spreads and the ratios to the peer."""
    rows = []
    for variant, values in found.items():
        ratios = [mine / peer for mine, peer in zip(values, found["peer"], strict=True)]
        rows.append(
            {
                "variant": variant,
                "cpu_ms": round(statistics.median(values), 2),
                "ratio": round(statistics.median(ratios), 2),
                "ratio_min": round(min(ratios), 2),
                "ratio_max": round(max(ratios), 2),
                "target": TARGETS.get(variant),
            }
        )
    if as_json:
        print(json.dumps({"load": os.getloadavg(), "rows": rows}, indent=1))
        return
    print(f"{len(found['peer'])} repeats, load {os.getloadavg()[0]:.1f}")
    print(f"{'variant':8} {'CPU ms/run':>10} {'x peer':>7} {'min':>6} {'max':>6} {'target':>7}")
    for row in rows:
        target = f"≤ {row['target']}" if row["target"] else ""
        print(
            f"{row['variant']:8} {row['cpu_ms']:>10} {row['ratio']:>7} {row['ratio_min']:>6}"
            f" {row['ratio_max']:>6} {target:>7}"
        )


if __name__ == "__main__":
    main()
