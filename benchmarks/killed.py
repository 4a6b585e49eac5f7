"""`kill -9` at random moments of ingest and ask; what was reported done must be there afterwards.

    python benchmarks/killed.py [--rounds 20] [--seed 1]

Each round starts the command line on a store that keeps growing over the rounds, kills it somewhere
between its start and its usual end, and then checks: every database passes SQLite's integrity check
and the collection its own (rows, text index and vectors agree), no document and no answered trace
that was reported before is gone, and the same command run again finishes. Exit status 1 where not.
"""

import argparse
import asyncio
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fairlead.retrieval import Library
from fairlead.schema import Principal
from fairlead.tracing import TraceReader

DOCUMENTS = Path(__file__).parents[1] / "examples" / "support_desk" / "documents"
FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))
QUESTION = "How long do I have to return a parcel in Germany?"


def killed(command: Sequence[str], folder: Path, after: float) -> str:
    """What the command had printed when it was killed, or all of it if it was faster."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as child:
        time.sleep(after)
        child.send_signal(signal.SIGKILL)
        assert child.stdout is not None
        return child.stdout.read()


def whole(command: Sequence[str], folder: Path) -> dict[str, object]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    document: dict[str, object] = json.loads(done.stdout)
    return document


def sound(folder: Path) -> None:
    """Raises where a database or the collection is not what it should be."""
    for path in (folder / ".fairlead").rglob("*.db"):
        database = sqlite3.connect(path)
        said = database.execute("PRAGMA integrity_check").fetchone()[0]
        database.close()
        assert said == "ok", f"{path}: {said}"
    library = Library(folder / ".fairlead" / "knowledge", None)
    report = asyncio.run(library.check(tenant="default"))
    asyncio.run(library.close())
    assert not report.problems, report.problems


def documents_of(folder: Path) -> int:
    library = Library(folder / ".fairlead" / "knowledge", None)
    infos = asyncio.run(library.collections(Principal(tenant="default").tenant))
    asyncio.run(library.close())
    return sum(info.documents for info in infos)


def changed(documents: Path, number: int) -> None:
    """Gives the next ingest something to do: one new document, and one that changed."""
    (documents / f"notice-{number}.md").write_text(f"# Notice {number}\n\n" + "All is well. " * 200)
    page = documents / "shop" / "contact.md"
    page.write_text(page.read_text(encoding="utf-8") + f"\nRevision {number}.\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(DOCUMENTS, folder / "documents")
        ingest = [FAIRLEAD, "ingest", "documents", "--json"]
        ask = [FAIRLEAD, "ask", QUESTION, "--thread", "t", "--json"]
        usual = {}
        for command in (ingest, ask):
            began = time.perf_counter()
            whole(command, folder)
            usual[command[1]] = time.perf_counter() - began
        reported, traces = documents_of(folder), set[str]()
        for number in range(args.rounds):
            command = ingest if number % 2 else ask
            changed(folder / "documents", number)
            after = dice.uniform(0.0, usual[command[1]])
            said = killed(command, folder, after)
            sound(folder)
            assert documents_of(folder) >= reported, "a document that was reported is gone"
            if command is ask and said:
                traces.add(json.loads(said)["trace_id"])
            began = time.perf_counter()
            finished = whole(command, folder)
            usual[command[1]] = time.perf_counter() - began
            sound(folder)
            if command is ingest:
                reported = documents_of(folder)
            else:
                assert finished["status"] == "answered", finished
                traces.add(str(finished["trace_id"]))
            reader = TraceReader(folder / ".fairlead" / "traces.db")
            assert all(reader.trace(trace).spans for trace in traces), "a trace is gone"
            how = "after its end" if said else "in the middle"
            print(
                f"{number + 1:3} {command[1]:7} killed at {after:5.2f} s, {how}: sound", flush=True
            )
        print(f"{args.rounds} rounds: {reported} documents, {len(traces)} traces, nothing lost")


if __name__ == "__main__":
    main()
