"""`kill -9` at random moments of an ingest of 2,000 documents; what it leaves must be sound.

    python -m benchmarks.killed_ingest [--store embedded|weaviate] [--kills 50] [--embedder real]

One ingest is killed again and again until it gets through, then the next one begins, until there
were as many kills as asked for. After every kill the collection is verified and every visible
document must be whole; when an ingest got through, its documents, passages and vectors must equal
those of an undisturbed one. Weaviate is the real server, started here from the binary that `make
servers` installs, and is not killed. The embedder is a fast stand-in, or the default one. Exit
status 1 where anything is not as it should be.
"""

import argparse
import asyncio
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.retrieval.store import Index
from fairlead.settings import Settings

DOCUMENTS, TENANT = 2000, "bench"


def main() -> None:
    given = _arguments()
    if given.child:
        _ingest(json.loads(given.child))
        return
    work = Path(tempfile.mkdtemp(prefix="killed-"))
    rng = random.Random(given.seed)
    _write(work / "documents.jsonl", given.documents, rng)
    try:
        with _server(given.store, work) as section:
            _rounds(given, work, section, rng)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--store", choices=("embedded", "weaviate"), default="embedded")
    parser.add_argument("--embedder", choices=("stand-in", "real"), default="stand-in")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _write(path: Path, count: int, rng: random.Random) -> None:
    """Documents of three to twelve paragraphs, with an end to some of them."""
    words = [
        f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re", "sol") for b in ("n", "r", "ta", "lu")
    ]
    with path.open("w") as out:
        for number in range(count):
            paragraphs = [
                " ".join(rng.choices(words, k=60)) + f" {number}."
                for _ in range(rng.randint(3, 12))
            ]
            text = f"# Page {number}\n\n" + "\n\n".join(paragraphs)
            out.write(json.dumps({"id": f"d{number}", "text": text}) + "\n")


@contextmanager
def _server(store: str, work: Path) -> Iterator[dict[str, Any]]:
    if store == "embedded":
        yield {}
        return
    from tests.servers.weaviate import Weaviate

    with Weaviate(work / "server") as server:
        yield {"url": server.url, "grpc_port": server.ports.grpc}


def _rounds(
    given: argparse.Namespace, work: Path, section: dict[str, Any], rng: random.Random
) -> None:
    def order(name: str) -> dict[str, Any]:
        prefix = {"prefix": f"K{name}"} if section else {}
        return {
            "root": str(work / name / "knowledge"),
            "documents": str(work / "documents.jsonl"),
            "embedder": given.embedder,
            "settings": {
                "retrieval": {"store": given.store, "cache": {"place": "off"}},
                "weaviate": {**section, **prefix},
            },
        }

    began = time.perf_counter()
    _child(order("undisturbed"), None)
    whole = time.perf_counter() - began
    wanted = _state(order("undisturbed"))
    print(f"undisturbed: {whole:.1f} s, {wanted[1]} passages")
    kills = ingests = 0
    while kills < given.kills:
        ingests += 1
        here = order(f"ingest{ingests}")
        while not _child(here, rng.uniform(0, whole / 3) if kills < given.kills else None):
            kills += 1
            problems = asyncio.run(_verified(here))
            if problems:
                sys.exit(f"after kill {kills}: {problems}")
        found = _state(here)
        if found != wanted:
            sys.exit(f"ingest {ingests} ended in another state: {found[1]} passages")
        print(f"ingest {ingests} got through after {kills} kills in all; its state is the same")
    print(f"{kills} kills, {ingests} ingests, {given.store}, {given.embedder}: all sound")


def _child(order: dict[str, Any], seconds: float | None) -> bool:
    """Whether the ingest got through; it is killed so many seconds after it began."""
    command = [sys.executable, "-m", "benchmarks.killed_ingest", "--child", json.dumps(order)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            return False
    if status:
        sys.exit(f"the ingest failed with status {status}")
    return True


def _ingest(order: dict[str, Any]) -> None:
    async def run() -> None:
        library = _library(order)
        print("begun", flush=True)
        await library.ingest([Path(order["documents"])], tenant=TENANT)
        await library.close()

    asyncio.run(run())


def _library(order: dict[str, Any]) -> Library:
    settings = Settings.model_validate(order["settings"])
    return Library(Path(order["root"]), _embedder(order["embedder"]), settings)


def _embedder(name: str) -> Embedder:
    if name == "real":
        from fairlead.serving import LocalEmbedder

        return LocalEmbedder()
    from benchmarks.store_engines import StandIn

    return StandIn()


async def _verified(order: dict[str, Any]) -> str:
    """What is wrong with a collection after a kill, in words; empty where nothing is."""
    library = _library(order)
    try:
        found = await library.check(tenant=TENANT)
        return "; ".join(found.problems)
    finally:
        await library.close()


def _state(order: dict[str, Any]) -> tuple[str, int]:
    """A hash of every live document, passage and vector, and how many passages there are."""

    async def run() -> tuple[str, int]:
        library = _library(order)
        try:
            return await asyncio.to_thread(_summed, library.store.index(TENANT, "default"))
        finally:
            await library.close()

    return asyncio.run(run())


def _summed(index: Index) -> tuple[str, int]:
    lines = []
    count = 0
    for each in index.archive():
        if each.removed_in is not None:
            continue
        record = each.entry.record
        lines.append(f"{record.id} {each.version} {record.digest()} {record.source}")
        vectors = index.vectors({piece.embedded for piece in each.entry.pieces})
        for piece in each.entry.pieces:
            near = vectors[piece.embedded].round(4).tobytes().hex()[:64]
            lines.append(f"{piece.passage_id} {piece.chunk.start} {piece.chunk.end} {near}")
            count += 1
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest(), count


if __name__ == "__main__":
    main()
