"""Client CPU of one model call, beside the `openai` package and a bare aiohttp call.

    ours    `fairlead.serving.open_model`: retries, breaker, deadline, checks and all
    openai  `AsyncOpenAI(...).chat.completions.create`, with its own retries and time-outs
    bare    one `aiohttp` POST and `orjson`, no more: the floor

Conversations of 4, 40 and 400 messages, and a stream of 200 pieces, against `model_server.py` in a
process and on a core of its own. Each variant runs in its own process; all are shuffled within a
repeat, ratios are paired within it, and the median with its range is reported. Unit: milliseconds
of CPU (user and system, all threads) per call. `--peers` is a Python with openai, aiohttp and
orjson in it.

    python benchmarks/model_client.py --peers PYTHON [--repeats 7] [--calls 300] [--json]
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SIZES = (4, 40, 400)
CASES = (*map(str, SIZES), "stream")
VARIANTS = ("ours", "openai", "bare")
TARGETS = {"4": 0.20, "40": 0.06, "400": 0.03, "stream": 0.25}
"""At most so much of `openai`."""
PIECES = 200
HERE = Path(__file__).parent
Call = Callable[[], Awaitable[None]]


def conversation(size: int) -> list[dict[str, str]]:
    """Rules, then questions and answers of some 300 characters in turns."""
    text = "Parcels to Norway take four to six working days and cost 12.90 euros. " * 4
    said = [{"role": "system", "content": "You answer questions about orders. " * 8}]
    for number in range(size - 1):
        role = "user" if number % 2 == 0 else "assistant"
        said.append({"role": role, "content": f"{number}. {text}"})
    return said


async def ours(url: str, case: str, run: Callable[[Call], Awaitable[float]]) -> float:
    from fairlead.protocols import Message, Request
    from fairlead.serving import open_model

    said = conversation(4 if case == "stream" else int(case))

    async with open_model(url, "base", server="vllm") as model:

        async def complete() -> None:
            assert (await model.chat(said, temperature=0.0)).text.startswith("Order 1042")

        async def stream() -> None:
            messages = tuple(Message(**each) for each in said)  # type: ignore[arg-type]  # roles
            pieces = 0
            async for delta in model.stream(Request(messages=messages, temperature=0.0)):
                pieces += bool(delta.text)
            assert pieces == PIECES

        return await run(stream if case == "stream" else complete)


async def openai(url: str, case: str, run: Callable[[Call], Awaitable[float]]) -> float:
    from openai import AsyncOpenAI  # type: ignore[import-not-found,unused-ignore]  # a peer

    said: Any = conversation(4 if case == "stream" else int(case))
    async with AsyncOpenAI(base_url=url, api_key="none") as client:

        async def complete() -> None:
            made = await client.chat.completions.create(
                model="base", messages=said, temperature=0.0
            )
            assert made.choices[0].message.content.startswith("Order 1042")

        async def stream() -> None:
            pieces = 0
            async for chunk in await client.chat.completions.create(
                model="base", messages=said, temperature=0.0, stream=True
            ):
                pieces += bool(chunk.choices[0].delta.content)
            assert pieces == PIECES

        return await run(stream if case == "stream" else complete)


async def bare(url: str, case: str, run: Callable[[Call], Awaitable[float]]) -> float:
    import aiohttp
    import orjson

    said = conversation(4 if case == "stream" else int(case))
    path = f"{url}/chat/completions"
    async with aiohttp.ClientSession() as session:

        async def complete() -> None:
            body = orjson.dumps({"model": "base", "messages": said, "temperature": 0.0})
            async with session.post(path, data=body) as response:
                found = orjson.loads(await response.read())
            assert found["choices"][0]["message"]["content"].startswith("Order 1042")

        async def stream() -> None:
            body = orjson.dumps({"model": "base", "messages": said, "stream": True})
            pieces = 0
            async with session.post(path, data=body) as response:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        delta = orjson.loads(line[6:])["choices"][0]["delta"]
                        pieces += bool(delta.get("content"))
            assert pieces == PIECES

        return await run(stream if case == "stream" else complete)


def worker(variant: str, case: str, url: str, calls: int) -> None:
    """Prints milliseconds of CPU per call."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})

    async def run(call: Call) -> float:
        for _ in range(max(10, calls // 10)):
            await call()
        began = time.process_time()
        for _ in range(calls):
            await call()
        return (time.process_time() - began) / calls * 1000

    sys.stdout.write(f"{asyncio.run(globals()[variant](url, case, run)):.6f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", metavar="PYTHON", required=True)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    core = str((os.cpu_count() or 1) - 1)
    command = [
        sys.executable,
        str(HERE / "model_server.py"),
        "--core",
        core,
        "--pieces",
        str(PIECES),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        found: dict[tuple[str, str], list[float]] = {
            (variant, case): [] for variant in VARIANTS for case in CASES
        }
        for _ in range(given.repeats):
            for variant, case in random.sample(list(found), len(found)):
                calls = given.calls if case in ("4", "40") else max(20, given.calls // 5)
                found[variant, case].append(_measured(given.peers, variant, case, url, calls))
        server.terminate()
    _report(found, as_json=given.json)


def _measured(peers: str, variant: str, case: str, url: str, calls: int) -> float:
    python = sys.executable if variant == "ours" else peers
    command = [python, __file__, "worker", variant, case, url, str(calls)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent) if variant == "ours" else ""}
    return float(subprocess.check_output(command, text=True, env=environment, cwd=HERE))


def _report(found: dict[tuple[str, str], list[float]], *, as_json: bool) -> None:
    rows = []
    for case in CASES:
        ratios = [
            mine / theirs
            for mine, theirs in zip(found["ours", case], found["openai", case], strict=True)
        ]
        rows.append(
            {
                "case": case,
                **{variant: statistics.median(found[variant, case]) for variant in VARIANTS},
                "ratio": statistics.median(ratios),
                "low": min(ratios),
                "high": max(ratios),
                "target": TARGETS[case],
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print("messages  ours ms  openai ms  bare ms  ours / openai        at most")
    for row in rows:
        spread = f"{row['ratio']:.3f} ({row['low']:.3f}-{row['high']:.3f})"
        print(
            f"{row['case']:>8}  {row['ours']:7.3f}  {row['openai']:9.3f}  {row['bare']:7.3f}"
            f"  {spread:20}  {row['target']:.2f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        main()
