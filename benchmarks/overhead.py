"""Client CPU of one run with a model behind HTTP, beside `create_agent` with `ChatOpenAI`.

The task: plan, call a tool, call another that returns 1.7 kB, answer. Both sides talk to the same
`model_server.py`, which answers at once, on a core of its own. Ours is `Assistant.ask`: a model
plans each hop (a JSON Schema each, checked), the guards look at everything, every span is stored, a
checkpoint per superstep is durable, the answer is verified with citations; four model calls. The
peer is `create_agent` bare: three model calls, no guard, spans or checkpoints.

    one     one run after the other, each on a thread of its own
    run 20  the twentieth run of one conversation (the peer with `InMemorySaver`)
    at 64   64 runs at the same time

Each in a process of its own; all are shuffled within a repeat, ratios are paired within it. Unit:
milliseconds of CPU (user and system, all threads) per run. Many runs, since a full garbage
collection comes once in a hundred of them, takes a tenth of a second, and counts. `--peers` is a
Python with langchain and langchain-openai in it.

    python benchmarks/overhead.py --peers PYTHON [--repeats 7] [--runs 640] [--json]
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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PASSAGE = ("Parcels to Norway take four to six working days and cost 12.90 euros. " * 24)[:1700]
QUESTION = "Where is order 1042, and what does shipping to Norway cost?"
ANSWER = "Order 1042 is on its way [1]. Shipping to Norway costs 12.90 euros [2]."
RULES = "You help the customers of a shop with their orders. Be short and exact. " * 12
CASES = ("one", "run 20", "at 64")
TARGETS = {"one": 0.65, "run 20": 0.15, "at 64": 1 / 1.8}
"""At most so much of the peer; at 64 in flight 1.8 times its runs per core-second."""
Run = Callable[[str], Awaitable[None]]


def replies() -> dict[str, list[dict[str, Any]]]:
    def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        function = {"name": name, "arguments": json.dumps(arguments)}
        calls = [{"id": f"call-{name}", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls}

    def decides(**decision: Any) -> dict[str, Any]:
        return {"role": "assistant", "content": json.dumps(decision)}

    order, country = {"order_id": 1042}, {"country": "NO"}
    answered = {"role": "assistant", "content": ANSWER}
    return {
        "/planner": [
            decides(
                kind="call",
                reason="The order is asked for.",
                calls=[{"tool": "find_order", "arguments": order}],
            ),
            decides(
                kind="call",
                reason="The price is missing.",
                calls=[{"tool": "shipping", "arguments": country}],
            ),
            decides(kind="answer", reason="Both are known."),
        ],
        "/answer": [answered],
        "/peer": [call("find_order", order), call("shipping", country), answered],
    }


@asynccontextmanager
async def ours(url: str, folder: Path) -> AsyncIterator[Run]:
    from fairlead import Assistant, tool

    @tool(effect="read")
    async def find_order(order_id: int) -> str:
        """Finds an order."""
        return f"Order {order_id} is on its way."

    @tool(effect="read")
    async def shipping(country: str) -> str:
        """Says what shipping to a country costs."""
        return f"{PASSAGE} Read {next(number)} times."

    number = iter(range(10**9))  # no two results are alike: what is kept of one helps no other
    served = {"provider": "vllm", "name": "base"}
    values = {
        "storage": {"path": str(folder)},
        "retrieval": {"embedder": "none"},
        "model": {**served, "url": f"{url}/answer/v1"},
        "models": {"planner": {**served, "url": f"{url}/planner/v1"}},
        "routes": {"planner": {"model": "planner"}, "answer": {"model": "base"}},
    }
    async with Assistant.open(values, tools=[find_order, shipping]) as assistant:

        async def run(thread: str) -> None:
            answer = await assistant.ask(QUESTION, tenant="bench", thread=thread)
            assert answer.status == "answered" and "12.90 euros" in answer.text, answer
            assert [hop.kind for hop in answer.hops] == ["call", "call", "answer"]
            assert len(answer.citations) == 2 and not answer.warnings, answer.warnings

        yield run


@asynccontextmanager
async def peer(url: str, folder: Path) -> AsyncIterator[Run]:
    from langchain.agents import create_agent
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI  # type: ignore[import-not-found,unused-ignore]  # peer
    from langgraph.checkpoint.memory import InMemorySaver

    @tool
    async def find_order(order_id: int) -> str:
        """Finds an order."""
        return f"Order {order_id} is on its way."

    @tool
    async def shipping(country: str) -> str:
        """Says what shipping to a country costs."""
        return f"{PASSAGE} Read {next(number)} times."

    number = iter(range(10**9))
    model = ChatOpenAI(model="base", base_url=f"{url}/peer/v1", api_key="none")
    tools = [find_order, shipping]
    bare: Any = create_agent(model, tools, system_prompt=RULES)
    keeping: Any = create_agent(model, tools, system_prompt=RULES, checkpointer=InMemorySaver())

    async def run(thread: str) -> None:
        agent = keeping if thread.startswith("kept") else bare
        config = {"configurable": {"thread_id": thread}}
        asked = {"messages": [{"role": "user", "content": QUESTION}]}
        messages = (await agent.ainvoke(asked, config))["messages"]
        assert messages[-1].text == ANSWER and PASSAGE in messages[-2].text

    yield run


async def one(run: Run, runs: int) -> float:
    for number in range(max(20, runs // 5)):
        await run(f"warm-{number}")
    began = time.process_time()
    for number in range(runs):
        await run(f"one-{number}")
    return (time.process_time() - began) / runs


async def run_20(run: Run, runs: int) -> float:
    threads = [f"kept-{number}" for number in range(max(3, runs // 20))]
    for _ in range(19):
        for thread in threads:
            await run(thread)
    began = time.process_time()
    for thread in threads:
        await run(thread)
    return (time.process_time() - began) / len(threads)


async def at_64(run: Run, runs: int) -> float:
    async def worker(number: int, rounds: int) -> None:
        for each in range(rounds):
            await run(f"at-{rounds}-{number}-{each}")

    async def all_of(rounds: int) -> None:
        await asyncio.gather(*(worker(number, rounds) for number in range(64)))

    await all_of(1)
    rounds = max(2, runs // 64)
    began = time.process_time()
    await all_of(rounds)
    return (time.process_time() - began) / (64 * rounds)


async def measured(variant: str, case: str, url: str, runs: int) -> float:
    """Seconds of CPU per run; what a store is still to write counts."""
    job = {"one": one, "run 20": run_20, "at 64": at_64}[case]
    with tempfile.TemporaryDirectory() as folder:
        async with (ours if variant == "ours" else peer)(url, Path(folder)) as run:
            return await job(run, runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", metavar="PYTHON", required=True)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--runs", type=int, default=640)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = {
        (variant, case): [] for variant in ("ours", "peer") for case in CASES
    }
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "replies.json"
        said.write_text(json.dumps(replies()))
        core = str((os.cpu_count() or 1) - 1)
        command = [sys.executable, str(HERE / "model_server.py"), "--core", core]
        command += ["--replies", str(said)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            for _ in range(given.repeats):
                for variant, case in random.sample(list(found), len(found)):
                    found[variant, case].append(_timed(given, variant, case, url))
            server.terminate()
    report(found, as_json=given.json)


def _timed(given: argparse.Namespace, variant: str, case: str, url: str) -> float:
    python = sys.executable if variant == "ours" else given.peers
    command = [python, __file__, "worker", variant, case, url, str(given.runs)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent) if variant == "ours" else ""}
    environment["OPENAI_API_KEY"] = "none"
    return float(subprocess.check_output(command, text=True, env=environment, cwd=HERE)) * 1000


def report(found: dict[tuple[str, str], list[float]], *, as_json: bool) -> None:
    rows = []
    for case in CASES:
        mine, theirs = found["ours", case], found["peer", case]
        ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
        rows.append(
            {
                "case": case,
                "ours": statistics.median(mine),
                "peer": statistics.median(theirs),
                "ratio": statistics.median(ratios),
                "low": min(ratios),
                "high": max(ratios),
                "target": TARGETS[case],
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print("case     ours ms  peer ms  ours / peer          at most")
    for row in rows:
        spread = f"{row['ratio']:.3f} ({row['low']:.3f}-{row['high']:.3f})"
        print(
            f"{row['case']:8} {row['ours']:7.2f}  {row['peer']:7.2f}  {spread:20}"
            f" {row['target']:.2f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {0})
        _, _, variant, case, url, runs = sys.argv
        sys.stdout.write(f"{asyncio.run(measured(variant, case, url, int(runs))):.9f}\n")
    else:
        main()
