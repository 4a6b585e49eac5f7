"""A model server that fails in every way we know, and what becomes of the runs.

Each run ships a parcel by a tool with an effect, then lets the served model answer; the embedded
answerer stands in. The server fails the first one to all requests of the run, at a moment drawn
from the seed. Looked at: does the run end within its deadline, does it end with an answer, is the
parcel shipped once, and did the right one answer: the served model where trying again helped, else
the embedded one, with a warning that says why.

    python -m benchmarks.faults [--runs 200] [--seed 1] [--only NAME] [--json]
"""

import argparse
import asyncio
import json
import logging
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fairlead import Answer, Assistant, Document, Principal, tool
from fairlead.agents import ScriptedPlanner
from fairlead.decisions import AnswerNow, AnyDecision, Call, Retrieve, View
from fairlead.protocols import Completion, Delta, Model, Request
from fairlead.schema import ToolCall
from fairlead.serving import open_model
from tests.serving.remote import protocol
from tests.serving.remote.protocol import Act, ChatServer, Connection, Seen

DEADLINE = 1.5
"""Seconds of a run."""
LATE = 0.5
"""Seconds beyond it that a busy machine may take."""
SAID = "Parcels are shipped daily [1]."
Make = Callable[[random.Random], Act]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail. `passing`: trying again helps, if the next answer is good."""

    name: str
    make: Make
    passing: bool
    streams: bool = False
    absent: bool = False
    """Nobody listens at all."""
    slow: bool = False
    """The server does not tell its control tokens either, which are asked for first."""


async def _good(connection: Connection, seen: Seen) -> None:
    words = [protocol.event({"content": f"{word} "}) for word in SAID.split(" ")]
    if seen.body.get("stream"):
        ending = [protocol.event({}, "stop"), protocol.DONE]
        await protocol.streaming([*words, *ending])(connection, seen)
    else:
        await protocol.reply(body=protocol.answered(SAID))(connection, seen)


def _plain(act: Act) -> Make:
    return lambda chance: act


def _slow(chance: random.Random) -> Act:
    seconds = chance.uniform(DEADLINE, 2 * DEADLINE)

    async def act(connection: Connection, seen: Seen) -> None:
        await asyncio.sleep(seconds)
        await _good(connection, seen)

    return act


def _later(act: Act) -> Make:
    """The same after a short while."""

    def make(chance: random.Random) -> Act:
        seconds = chance.uniform(0.0, 0.15)

        async def later(connection: Connection, seen: Seen) -> None:
            await asyncio.sleep(seconds)
            await act(connection, seen)

        return later

    return make


def _half_body(chance: random.Random) -> Act:
    raw = json.dumps(protocol.answered(SAID)).encode()
    cut = chance.randrange(len(raw))

    async def act(connection: Connection, seen: Seen) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}"
        await connection.send(head.encode() + b"\r\n\r\n" + raw[:cut])
        connection.writer.close()

    return act


def _half_json(chance: random.Random) -> Act:
    raw = json.dumps(protocol.answered(SAID)).encode()
    return protocol.reply(body=raw[: chance.randrange(1, len(raw))])


def _cut_stream(then: str, ending: tuple[bytes, ...] = (), *, partly: bool = False) -> Make:
    """Some words, perhaps none, and then the stream ends badly."""

    def make(chance: random.Random) -> Act:
        words = [protocol.event({"content": f"{word} "}) for word in SAID.split(" ")]
        kept = words[: chance.randrange(len(words))]
        if partly:
            whole = words[len(kept)]
            kept.append(whole[: chance.randrange(1, len(whole) - 2)])
        return protocol.streaming([*kept, *ending], pause=chance.uniform(0, 0.02), then=then)

    return make


def _endless(chance: random.Random) -> Act:
    pause = chance.uniform(0.001, 0.02)

    async def act(connection: Connection, seen: Seen) -> None:
        await connection.begin_stream()
        while True:
            await connection.chunk(protocol.event({"content": "and "}))
            await asyncio.sleep(pause)

    return act


def _busy(status: int, **headers: str) -> Make:
    return _later(protocol.reply(status, {"error": {"message": "busy"}}, **headers))


ERROR = b'data: {"error": {"message": "engine died", "code": 500}}\n\n'
FAULTS = (
    Fault(name="server absent", make=_plain(protocol.hang), passing=False, absent=True),
    Fault(name="slower than the deadline", make=_slow, passing=False, slow=True),
    Fault(name="connection reset", make=_later(protocol.reset), passing=True),
    Fault(name="connection closed", make=_later(protocol.drop), passing=True),
    Fault(name="malformed JSON", make=_half_json, passing=True),
    Fault(name="half a body", make=_half_body, passing=True),
    Fault(
        name="HTML instead of JSON",
        make=_later(protocol.reply(body=b"<html>Welcome", kind="text/html")),
        passing=False,
    ),
    Fault(name="429 without Retry-After", make=_busy(429), passing=True),
    Fault(name="429, Retry-After: 60", make=_busy(429, Retry_After="60"), passing=False),
    Fault(name="503 without Retry-After", make=_busy(503), passing=True),
    Fault(name="503, Retry-After: 0", make=_busy(503, Retry_After="0"), passing=True),
    Fault(
        name="200 with an error body",
        make=_later(protocol.reply(body={"error": {"message": "no", "code": 500}})),
        passing=True,
    ),
    Fault(
        name="unknown model or adapter",
        make=_later(protocol.reply(404, {"error": {"message": "no such model"}})),
        passing=False,
    ),
    Fault(
        name="half an SSE event",
        make=_cut_stream("close", partly=True),
        passing=False,
        streams=True,
    ),
    Fault(name="stream reset", make=_cut_stream("reset"), passing=False, streams=True),
    Fault(
        name="[DONE] without an end",
        make=_cut_stream("end", (protocol.DONE,)),
        passing=False,
        streams=True,
    ),
    Fault(
        name="error inside a stream",
        make=_cut_stream("end", (ERROR, protocol.DONE)),
        passing=False,
        streams=True,
    ),
    Fault(name="endless stream", make=_endless, passing=False, streams=True),
    Fault(name="stream that stalls", make=_cut_stream("stall"), passing=False, streams=True),
)


@dataclass
class Outcome:
    """What became of the runs of one fault."""

    name: str
    runs: int = 0
    seconds: list[float] = field(default_factory=list)
    served: int = 0
    """Answered by the served model."""
    embedded: int = 0
    wrong: list[str] = field(default_factory=list)
    """What should not have happened."""


class Now(Model):
    """The model of the run that is going on; it streams where the fault is one of streams."""

    def __init__(self) -> None:
        self.model: Model | None = None
        self.streams = False

    @property
    def name(self) -> str:
        return "served"

    async def complete(self, request: Request) -> Completion:
        assert self.model is not None
        if not self.streams:
            return await self.model.complete(request)
        async with aclosing(self.stream(request)) as deltas:  # type: ignore[type-var]  # generator
            async for delta in deltas:
                if delta.completion is not None:
                    return delta.completion
        raise AssertionError("a stream ends with its completion")

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        assert self.model is not None
        async for delta in self.model.stream(request):
            yield delta


def plan(view: View) -> AnyDecision:
    if not view.hops:
        return Retrieve(queries=("parcels",), reason="look")
    if len(view.hops) == 1:
        return Call(calls=(ToolCall(tool="ship", arguments={"run": view.thread}),), reason="ship")
    return AnswerNow(reason="done")


async def measured(fault: Fault, runs: int, seed: int) -> Outcome:
    found, shipped = Outcome(fault.name), list[str]()

    @tool(effect="send")
    async def ship(run: str) -> str:
        """Ships a parcel."""
        shipped.append(run)
        return "It was shipped."

    now = Now()
    now.streams = fault.streams
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "storage": {"path": folder},
            "retrieval": {"embedder": "none"},
            "policy": {"allow": ["ship"]},
            "telemetry": {"store": "off"},
        }
        parts: Any = {"tools": [ship], "planner": ScriptedPlanner(plan), "model": now}
        async with Assistant.open(values, **parts) as assistant:
            await assistant.ingest(
                [Document(id="p", text="Parcels are shipped daily.")], tenant="acme"
            )
            for number in range(runs):
                chance = random.Random(f"{seed} {fault.name} {number}")
                await one(fault, chance, f"run-{number}", assistant, now, shipped, found)
    return found


async def one(
    fault: Fault,
    chance: random.Random,
    thread: str,
    assistant: Assistant,
    now: Now,
    shipped: list[str],
    found: Outcome,
) -> None:
    act = fault.make(chance)
    failures = chance.choice([1, 1, 99])
    async with ChatServer() as server:
        server.acts.extend([act] * failures)
        server.always = _good
        if fault.slow:
            server.told = protocol.hang
        url = server.url
        if fault.absent:
            await server.stop()
        options: Any = {"connect": 0.3, "gap": 0.3, "tries": 3, "pause": 0.2}
        async with open_model(url, "served", server="vllm", seconds=0.8, **options) as model:
            now.model = model
            began = time.monotonic()
            try:
                answer = await assistant.ask(
                    "Ship a parcel. When are parcels shipped?",
                    principal=Principal(tenant="acme"),
                    thread=thread,
                    deadline=DEADLINE,
                )
            except Exception as error:
                found.wrong.append(f"{thread}: {type(error).__name__}: {error}")
                return
            finally:
                found.runs += 1
                found.seconds.append(time.monotonic() - began)
        calls = len(server.seen)
    found.wrong += [f"{thread}: {said}" for said in wrongs(fault, failures, answer, calls)]
    if found.seconds[-1] > DEADLINE + LATE:
        found.wrong.append(f"{thread}: took {found.seconds[-1]:.2f} s")
    if shipped.count(thread) != 1:
        found.wrong.append(f"{thread}: shipped {shipped.count(thread)} times")
    found.served += answer.route.model == "served" and answer.status == "answered"
    found.embedded += answer.route.model == "embedded" and answer.status == "answered"


def wrongs(fault: Fault, failures: int, answer: Answer, calls: int) -> Iterator[str]:
    """What the run should not have come to."""
    by = answer.route.model
    if fault.passing and failures == 1:
        if by != "served" or answer.status != "answered":
            yield f"{answer.status} by {by}, though trying again would have helped"
        elif calls != 2:
            yield f"{calls} requests"
    elif (
        by == "embedded"
        and answer.status == "answered"
        and not any("answered instead" in said for said in answer.warnings)
    ):
        yield "the embedded answerer stood in without a word"
    elif by == "served" and failures > 1:
        yield "the served model cannot have answered"
    elif answer.status != "answered":
        yield answer.status
    if answer.status == "answered" and "shipped" not in answer.text:
        yield f"said {answer.text!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # resets, which are meant
    chosen = [fault for fault in FAULTS if given.only in (None, fault.name)]
    outcomes = [asyncio.run(measured(fault, given.runs, given.seed)) for fault in chosen]
    report(outcomes, as_json=given.json)
    sys.exit(6 if any(outcome.wrong for outcome in outcomes) else 0)


def report(outcomes: list[Outcome], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([vars(outcome) for outcome in outcomes], indent=1))
        return
    print("| fault | runs | served model | embedded | median s | longest s | wrong |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for outcome in outcomes:
        print(
            f"| {outcome.name} | {outcome.runs} | {outcome.served} | {outcome.embedded}"
            f" | {statistics.median(outcome.seconds):.2f} | {max(outcome.seconds):.2f}"
            f" | {len(outcome.wrong)} |"
        )
    for outcome in outcomes:
        for said in outcome.wrong[:5]:
            print(f"{outcome.name}: {said}")


if __name__ == "__main__":
    main()
