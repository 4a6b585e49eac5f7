"""`kill -9` at random moments of a turn: nothing that was done is lost or done twice."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairlead import Assistant
from fairlead.errors import FairleadError, NotFound
from fairlead.tracing import TraceReader

WORKER = '''
import asyncio, sys
from pathlib import Path
from fairlead import Assistant, Document, Principal, tool
from fairlead.agents import ScriptedPlanner
from fairlead.decisions import AnswerNow, Call, Retrieve
from fairlead.schema import ToolCall
from fairlead.serving import ScriptedModel

folder = Path(sys.argv[1])

@tool(effect="send")
async def ship(parcel: int) -> str:
    """Ships a parcel."""
    with (folder / "shipped.txt").open("a") as log:
        log.write(f"{parcel}\\n")
    await asyncio.sleep(0.02)
    return f"Parcel {parcel} was shipped."

def script(view):
    done = len(view.hops)
    if done == 0:
        return Retrieve(queries=("parcels",), reason="look")
    if done <= 3:
        return Call(calls=(ToolCall(tool="ship", arguments={"parcel": done}),), reason="ship")
    return AnswerNow(reason="all shipped")

def opened():
    return Assistant.open(
        {"storage": {"path": str(folder / "store")}, "retrieval": {"embedder": "none"},
         "policy": {"allow": ["ship"]}},
        tools=[ship], planner=ScriptedPlanner(script),
        model=ScriptedModel(lambda request: "Parcel 3 was shipped [4]."))

async def main():
    async with opened() as assistant:
        await assistant.ingest([Document(id="p", text="Parcels are shipped daily.")], tenant="acme")
        place = {"thread_id": "t", "fairlead_principal": Principal(tenant="acme")}
        state = await assistant.graph.aget_state({"configurable": place})
        if "answer" in state.values and not state.next:
            print("durable", flush=True)
        print("ready", flush=True)
        if sys.argv[2] == "resume" and state.values:
            answer = await assistant.resume("t", tenant="acme")
        else:
            answer = await assistant.ask("Ship three parcels", tenant="acme", thread="t")
        print("answered", answer.trace_id, answer.status, flush=True)

if __name__ == "__main__":
    asyncio.run(main())
'''


def run_worker(script: Path, folder: Path, how: str, kill_after: float | None) -> list[str]:
    """The worker's lines; it is killed `kill_after` seconds after it said it is ready."""
    command = [sys.executable, str(script), str(folder), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline().strip()]
        if lines == ["durable"]:
            lines.append(child.stdout.readline().strip())
        assert lines[-1] == "ready"
        if kill_after is not None:
            time.sleep(kill_after)
            child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().split("\n")
    return lines


def sound(folder: Path) -> None:
    for path in (folder / "store").rglob("*.db"):
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), path
        db.close()


@pytest.mark.parametrize(
    ("how", "seed"), [("ask", 0), ("ask", 1), ("ask", 2), ("resume", 2), ("resume", 3)]
)
def test_a_killed_turn_is_finished_once(tmp_path: Path, how: str, seed: int) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    said = run_worker(worker, tmp_path, "ask", random.Random(seed).uniform(0.0, 0.12))
    sound(tmp_path)
    answered = [line for line in said if line.startswith("answered")]
    for line in answered:  # what was reported done is there
        trace = TraceReader(tmp_path / "store" / "traces.db").trace(line.split()[1])
        assert all(span.end_ns for span in trace.spans)
    again = run_worker(worker, tmp_path, how, None)
    assert any(line.startswith("answered") for line in again)
    assert "durable" in again or not answered
    sound(tmp_path)
    shipped = (tmp_path / "shipped.txt").read_text().split()
    # Whoever cannot know whether the turn was finished resumes; asking then is a new turn.
    turns = 2 if how == "ask" and "durable" in again else 1
    assert all(shipped.count(parcel) <= turns for parcel in ("1", "2", "3")), shipped
    # A call killed between intent and outcome is not made again: its outcome is unknown.
    assert len(shipped) >= 3 * turns - 1


async def test_resume_gives_the_answer_of_a_finished_run_again(tmp_path: Path) -> None:
    values = {"storage": {"path": str(tmp_path)}, "retrieval": {"embedder": "none"}}
    async with Assistant.open(values) as assistant:
        answer = await assistant.ask("hello", tenant="acme", thread="t")
        assert await assistant.resume("t", tenant="acme") == answer
        with pytest.raises(NotFound):
            await assistant.resume("t", tenant="other")
        with pytest.raises(FairleadError):
            await assistant.resume("t", {"x": None}, tenant="acme")  # type: ignore[dict-item]  # wrong on purpose
