"""The embedded store beside LanceDB and Chroma: the same chunks, vectors and questions, one run.

    python benchmarks/stores.py DOCUMENTS.jsonl [--chunks 200000] [--peers PYTHON]

DOCUMENTS.jsonl has an object with `id`, `title` and `text` a line. Fairlead reads and cuts it (all
gates on); the peers get the chunks that it made. Vectors are synthetic, in 500 loose clusters, and
made outside every clock. `--peers` is a Python with lancedb, pyarrow and chromadb in it; without,
Fairlead is measured alone. Each store runs in a process of its own. What is searched:

- Fairlead: BM25 and exact cosine, fused (`hybrid`), and with every stage of the pipeline (`full`);
- LanceDB: its hybrid of BM25 and IVF-PQ, fused by its default reranker;
- Chroma: its HNSW index, fused by rank with what holds one of the question's words (`$contains`);
  its local version has no BM25, so its words are found but not ranked.

Results of searches are never taken from a cache. Times are wall clock, of single searches.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

QUESTIONS = 100


def main() -> None:
    given = _arguments()
    work = Path(tempfile.mkdtemp(prefix="stores-", dir=given.dir))
    try:
        _prepare(given.documents, given.chunks, work)
        found = [_measured(sys.executable, "fairlead", work)]
        if given.peers:
            found += [_measured(given.peers, name, work) for name in ("lancedb", "chroma")]
        _report(found)
        if given.json:
            machine = {"processor": platform.processor(), "cores": os.cpu_count()}
            given.json.write_text(json.dumps({**machine, "stores": found}, indent=1))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("documents", type=Path)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--dir", type=Path, help="where the stores are made; default: TMPDIR")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    return parser.parse_args()


def _prepare(documents: Path, chunks: int, work: Path) -> None:
    """Takes as many documents as it needs, and asks with sentences from every hundredth."""
    questions: list[str] = []
    taken = size = 0
    with documents.open(encoding="utf-8") as lines, (work / "documents.jsonl").open("w") as out:
        for line in lines:
            held = json.loads(line)
            group = held["id"].partition("/")[0]
            kept = {**held, "metadata": {"group": group, "size": len(held["text"])}}
            out.write(json.dumps(kept) + "\n")
            taken += 1
            size += len(held["text"])
            words = held["text"].split()
            if taken % 50 == 0 and len(words) > 60 and len(questions) < QUESTIONS:
                questions.append(" ".join(words[40:49]))
            if size > chunks * 350:  # characters of a chunk of technical documentation
                break
    (work / "questions.json").write_text(json.dumps(questions))


def _measured(python: str, engine: str, work: Path) -> dict[str, Any]:
    script = str(Path(__file__).with_name("store_engines.py"))
    command = [python, script, engine, str(work)]
    environment = {**os.environ, "ANONYMIZED_TELEMETRY": "False"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{engine} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _report(found: Sequence[dict[str, Any]]) -> None:
    """A table with a column for each store."""
    rows: list[tuple[str, str]] = [
        ("chunks", "chunks"),
        ("ingest, s", "ingest_s"),
        ("chunks a second", "chunks_per_s"),
        ("disk, MB", "disk_mb"),
        ("peak RSS, MB", "rss_mb"),
        ("first search, ms", "first_ms"),
        ("search p50, ms", "hybrid.p50_ms"),
        ("search p95, ms", "hybrid.p95_ms"),
        ("vectors alone p50, ms", "dense.p50_ms"),
        ("vectors alone p95, ms", "dense.p95_ms"),
        ("whole pipeline p50, ms", "full.p50_ms"),
        ("whole pipeline p95, ms", "full.p95_ms"),
        ("with a filter p50, ms", "filtered.p50_ms"),
        ("with a filter p95, ms", "filtered.p95_ms"),
        ("8 readers p50, ms", "readers_8.p50_ms"),
        ("8 readers p95, ms", "readers_8.p95_ms"),
        ("8 readers, searches a second", "readers_8.per_s"),
        ("deleting a tenth, s", "delete_s"),
        ("after it p50, ms", "after_deletes.p50_ms"),
        ("after it p95, ms", "after_deletes.p95_ms"),
        ("recall@10 of dense search", "recall_at_10"),
        ("ingest again, same file, s", "reingest_same_file_s"),
        ("ingest again, every document compared, s", "reingest_compared_s"),
    ]
    print("|  | " + " | ".join(each["store"] for each in found) + " |")
    print("| --- |" + " ---: |" * len(found))
    for label, path in rows:
        print(f"| {label} | " + " | ".join(_shown(each, path) for each in found) + " |")


def _shown(found: dict[str, Any], path: str) -> str:
    value: Any = found
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return "–"
    if path == "recall_at_10":
        return f"{value:.3f}"
    return f"{value:,.1f}" if value < 1000 and not isinstance(value, int) else f"{value:,.0f}"


if __name__ == "__main__":
    main()
