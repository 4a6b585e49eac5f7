"""Real processes: killed at random moments of an ingest, and two of them at once."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.retrieval import Library
from fairlead.schema import Principal

_INGEST = """
import asyncio, sys, time
from pathlib import Path
import numpy as np
from fairlead.retrieval import Library

class Slow:
    identity, dimension = "slow/8", 8
    def embed(self, texts, *, query=False):
        time.sleep(0.01)
        rows = np.array([[len(t) % n + 1.0 for n in range(1, 9)] for t in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
    def count_tokens(self, text):
        return len(text.split())

async def main():
    library = Library(Path(sys.argv[1]), Slow())
    print("ready", flush=True)
    report = await library.ingest([sys.argv[2]], tenant="acme", prune=True)
    print(report.documents, report.vectors, flush=True)
    await library.close()

asyncio.run(main())
"""


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(400):
        text = "\n\n".join(f"## Part {p}\n\nDocument {n} says {p * n} parcels." for p in range(5))
        (folder / f"{n}.md").write_text(f"# Document {n}\n\n{text}\n", encoding="utf-8")
    return folder


def started(root: Path, folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _INGEST, str(root), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


async def test_killed_at_any_moment_nothing_is_half_written(tmp_path: Path, many: Path) -> None:
    dice = random.Random(7)
    root = tmp_path / "knowledge"
    reader = Principal(tenant="acme")
    documents = 0
    for _ in range(5):
        process = started(root, many)
        await asyncio.sleep(dice.uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        library = Library(root, None)
        found = await library.check(tenant="acme")
        assert found.ok, found.problems
        assert found.documents >= documents  # what was reported done is not gone
        documents = found.documents
        hits = (await library.search("parcels", principal=reader, k=20)).hits
        assert bool(hits) == bool(documents)
        await library.close()
    said, wrong = started(root, many).communicate()
    assert not wrong and "'rejected': 0" in said and "'pending': 0" in said
    library = Library(root, None)
    found = await library.check(tenant="acme")
    assert found.ok and (found.documents, found.chunks) == (400, 2000)
    await library.close()


async def test_two_at_once_both_succeed(tmp_path: Path, many: Path) -> None:
    root = tmp_path / "knowledge"
    both = [started(root, many), started(root, many)]
    ends = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    library = Library(root, None)
    found = await library.check(tenant="acme")
    assert found.ok and (found.documents, found.chunks) == (400, 2000)
    await library.close()
