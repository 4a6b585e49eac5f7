"""What `stores.py` measures: one function for each store, run in a process of its own."""

import asyncio
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION, CLUSTERS, K = 384, 500, 10
BATCH = 2000
Vectors = NDArray[np.float32]
Search = Callable[[str, Vectors, str], Sequence[str]]
"""Question, its vector, a group to stay within (or empty): ids of chunks, best first."""


def vector_of(text: str) -> Vectors:
    """A unit vector that only the text decides, near one of 500 centres."""
    seed = hashlib.blake2b(text.encode(), digest_size=8).digest()
    number = int.from_bytes(seed, "big")
    noise = np.random.default_rng(number).standard_normal(DIMENSION, dtype=np.float32)
    centre = np.random.default_rng(number % CLUSTERS).standard_normal(DIMENSION, dtype=np.float32)
    row: Vectors = centre + 0.8 * noise
    return row / np.float32(np.linalg.norm(row))


class StandIn:
    """An embedder that looks its vectors up; counts tokens as the real one does."""

    identity, dimension = "stand-in/384", DIMENSION

    def __init__(self) -> None:
        from fairlead.serving import LocalEmbedder

        self._real = LocalEmbedder()
        self.seconds = 0.0

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        began = time.perf_counter()
        rows = np.stack([vector_of(text) for text in texts])
        self.seconds += time.perf_counter() - began
        return rows

    def count_tokens(self, text: str) -> int:
        return self._real.count_tokens(text)


def _fairlead(work: Path) -> dict[str, Any]:
    from fairlead.retrieval import Library
    from fairlead.settings import Settings

    off = dict.fromkeys(("mend", "decompose", "expand", "rerank", "diversify", "gate"), False)
    plain = {"stages": {**off, "pack": False}, "cache": {"place": "off"}}
    root = work / "fairlead" / "knowledge"
    embedder = StandIn()

    async def run() -> dict[str, Any]:
        source = work / "documents.jsonl"
        library = Library(root, embedder, Settings.model_validate({"retrieval": plain}))
        began = time.perf_counter()
        report = await library.ingest([source], tenant="bench")
        first = time.perf_counter() - began - embedder.seconds
        began = time.perf_counter()
        await library.ingest([source], tenant="bench")
        unchanged = time.perf_counter() - began
        with source.open("a") as lines:  # another hash of the file: every document is looked at
            lines.write(json.dumps({"id": "new", "text": "One more document."}) + "\n")
        began = time.perf_counter()
        await library.ingest([source], tenant="bench")
        compared = time.perf_counter() - began
        await library.close()
        _dump_chunks(root, work)
        fresh = Library(root, embedder, Settings.model_validate({"retrieval": plain}))
        found = {
            "chunks": report.chunks["added"],
            "documents": report.documents["added"],
            "ingest_s": first,
            "chunks_per_s": report.chunks["added"] / first,
            "reingest_same_file_s": unchanged,
            "reingest_compared_s": compared,
            "disk_mb": _folder_mb(root),
            **await _searched(fresh, work),
        }
        await fresh.close()
        full = Library(
            root, embedder, Settings.model_validate({"retrieval": {"cache": {"place": "off"}}})
        )
        found["full"] = await _timed(full, work, "")
        await full.close()
        return found

    return asyncio.run(run())


async def _searched(library: Any, work: Path) -> dict[str, Any]:
    found: dict[str, Any] = {
        "first_ms": (await _times(library, [_questions(work)[0]], ""))[0],
        "hybrid": await _timed(library, work, ""),
        "dense": _percentiles(await _times(library, _questions(work), "", "dense")),
        "filtered": await _timed(library, work, _group(work)),
        "readers_8": await _timed_together(library, work),
        "recall_at_10": await _recall(library, work),
    }
    doomed = [json.loads(line)["id"] for line in _lines(work / "documents.jsonl")][::10]
    began = time.perf_counter()
    await library.upkeep.delete(doomed, tenant="bench", collection="default")
    found["delete_s"] = time.perf_counter() - began
    found["after_deletes"] = await _timed(library, work, "")
    return found


async def _times(
    library: Any, questions: Sequence[str], group: str, mode: str = "hybrid"
) -> list[float]:
    from fairlead import Principal

    reader = Principal(tenant="bench")
    spent = []
    for question in questions:
        filters = {"group": group} if group else None
        began = time.perf_counter()
        await library.search(question, principal=reader, k=K, filters=filters, mode=mode)
        spent.append((time.perf_counter() - began) * 1000)
    return spent


async def _timed(library: Any, work: Path, group: str) -> dict[str, float]:
    return _percentiles(await _times(library, _questions(work), group))


async def _timed_together(library: Any, work: Path) -> dict[str, float]:
    questions = _questions(work)
    began = time.perf_counter()
    lists = await asyncio.gather(*(_times(library, questions[at::8], "") for at in range(8)))
    spent = time.perf_counter() - began
    return {**_percentiles([t for each in lists for t in each]), "per_s": len(questions) / spent}


async def _recall(library: Any, work: Path) -> float:
    """Of the ten nearest by float32 cosine over every chunk, those that the index finds."""
    from fairlead import Principal
    from fairlead.retrieval.stored import Scope

    ids, vectors = _chunk_ids(work), np.load(work / "vectors.npy", mmap_mode="r")
    scope = Scope(principal=Principal(tenant="bench"), now=datetime.now(UTC))
    shares = []
    async with library.store.index("bench", "default").snapshot(scope) as snapshot:
        for question in _questions(work)[:100]:
            nearest = np.argsort(-(vectors @ vector_of(question)))[:K]
            found = await snapshot.dense(vector_of(question), K)
            hits = (await snapshot.candidates(list(found))).values()
            shares.append(len({each.hit.passage_id for each in hits} & {ids[at] for at in nearest}))
    return float(np.mean(shares)) / K


def _lancedb(work: Path) -> dict[str, Any]:
    import lancedb
    import pyarrow as pa

    database = lancedb.connect(work / "lancedb")
    ids, vectors = _chunk_ids(work), np.load(work / "vectors.npy", mmap_mode="r")
    table: Any = None
    began = time.perf_counter()
    for at, rows in _chunks(work):
        some = vectors[at : at + len(rows)]
        flat = pa.array(some.ravel(), type=pa.float32())
        batch = pa.table(
            {
                "id": [row["id"] for row in rows],
                "group": [row["group"] for row in rows],
                "document": [row["document"] for row in rows],
                "text": [row["text"] for row in rows],
                "vector": pa.FixedSizeListArray.from_arrays(flat, DIMENSION),
            }
        )
        if table is None:
            table = database.create_table("chunks", batch)
        else:
            table.add(batch)
    table.create_index(metric="cosine", vector_column_name="vector")
    table.create_fts_index("text", use_tantivy=False)
    spent = time.perf_counter() - began

    def search(question: str, vector: Vectors, group: str) -> Sequence[str]:
        asked = table.search(query_type="hybrid").vector(vector).text(question)
        if group:
            asked = asked.where(f"group = '{group}'", prefilter=True)
        return [row["id"] for row in asked.limit(K).to_list()]

    def dense(question: str, vector: Vectors, group: str) -> Sequence[str]:
        return [row["id"] for row in table.search(vector).limit(K).to_list()]

    def delete(doomed: Sequence[str]) -> None:
        for at in range(0, len(doomed), 500):
            listed = ", ".join(
                "'" + each.replace("'", "''") + "'" for each in doomed[at : at + 500]
            )
            table.delete(f"document IN ({listed})")

    return {
        "chunks": len(ids),
        "ingest_s": spent,
        "chunks_per_s": len(ids) / spent,
        "disk_mb": _folder_mb(work / "lancedb"),
        **_peer(search, dense, delete, work, vectors),
    }


def _chroma(work: Path) -> dict[str, Any]:
    import chromadb

    client = chromadb.PersistentClient(path=str(work / "chroma"))
    space = {"hnsw:space": "cosine"}
    collection: Any = client.create_collection("chunks", metadata=space, embedding_function=None)
    ids, vectors = _chunk_ids(work), np.load(work / "vectors.npy", mmap_mode="r")
    began = time.perf_counter()
    for at, rows in _chunks(work):
        collection.add(
            ids=[row["id"] for row in rows],
            embeddings=np.asarray(vectors[at : at + len(rows)]),
            documents=[row["text"] for row in rows],
            metadatas=[{"group": row["group"], "document": row["document"]} for row in rows],
        )
    spent = time.perf_counter() - began

    def dense(question: str, vector: Vectors, group: str) -> Sequence[str]:
        where = {"where": {"group": group}} if group else {}
        found = collection.query(
            query_embeddings=[vector], n_results=K, include=["documents", "metadatas"], **where
        )
        listed: Sequence[str] = found["ids"][0]
        return listed

    def search(question: str, vector: Vectors, group: str) -> Sequence[str]:
        where = {"where": {"group": group}} if group else {}
        words = [{"$contains": word} for word in question.split() if len(word) > 3]
        holding = {"where_document": {"$or": words}} if len(words) > 1 else {}
        by_words = collection.get(limit=K, include=[], **holding, **where)["ids"]
        places: dict[str, float] = {}
        for ranking in (dense(question, vector, group), by_words):
            for rank, each in enumerate(ranking):
                places[each] = places.get(each, 0.0) + 1 / (60 + rank)
        return sorted(places, key=lambda each: -places[each])[:K]

    def delete(doomed: Sequence[str]) -> None:
        for at in range(0, len(doomed), 200):
            collection.delete(where={"document": {"$in": list(doomed[at : at + 200])}})

    return {
        "chunks": len(ids),
        "ingest_s": spent,
        "chunks_per_s": len(ids) / spent,
        "disk_mb": _folder_mb(work / "chroma"),
        **_peer(search, dense, delete, work, vectors),
    }


def _peer(
    search: Search,
    dense: Search,
    delete: Callable[[Sequence[str]], None],
    work: Path,
    vectors: Vectors,
) -> dict[str, Any]:
    """What is measured of every peer, with its own ways to search and delete."""
    ids, questions = _chunk_ids(work), _questions(work)
    asked = [vector_of(each) for each in questions]

    def timed(at: int, group: str = "", way: Search = search) -> float:
        began = time.perf_counter()
        way(questions[at], asked[at], group)
        return (time.perf_counter() - began) * 1000

    everything = range(len(questions))
    found: dict[str, Any] = {
        "first_ms": timed(0),
        "hybrid": _percentiles([timed(at) for at in everything]),
        "dense": _percentiles([timed(at, way=dense) for at in everything]),
        "filtered": _percentiles([timed(at, _group(work)) for at in everything]),
    }
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        spent = list(pool.map(timed, everything))
    rate = len(questions) / (time.perf_counter() - began)
    found["readers_8"] = {**_percentiles(spent), "per_s": rate}
    shares = []
    for question, vector in list(zip(questions, asked, strict=True))[:100]:
        nearest = np.argsort(-(vectors @ vector))[:K]
        shares.append(len({*dense(question, vector, "")} & {ids[at] for at in nearest}) / K)
    found["recall_at_10"] = float(np.mean(shares))
    doomed = [json.loads(line)["id"] for line in _lines(work / "documents.jsonl")][::10]
    began = time.perf_counter()
    delete(doomed)
    found["delete_s"] = time.perf_counter() - began
    found["after_deletes"] = _percentiles([timed(at) for at in everything])
    return found


# --- the chunks, for the peers --------------------------------------------------------------------


def _dump_chunks(root: Path, work: Path) -> None:
    """Chunks and vectors as Fairlead stored them, in its order."""
    from fairlead.retrieval.embedded import EmbeddedStore

    store = EmbeddedStore(root)
    vectors = []
    with (work / "chunks.jsonl").open("w") as out:
        for each in store.index("bench", "default").archive():
            record = each.entry.record
            for piece in each.entry.pieces:
                row = {
                    "id": piece.passage_id,
                    "document": record.id,
                    "group": str(record.metadata.get("group", "")),
                    "text": piece.body,
                }
                out.write(json.dumps(row) + "\n")
                vectors.append(vector_of(piece.to_embed))
    np.save(work / "vectors.npy", np.stack(vectors))


def _chunks(work: Path) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Batches of them, each with the number of its first."""
    rows: list[dict[str, str]] = []
    at = 0
    for line in _lines(work / "chunks.jsonl"):
        rows.append(json.loads(line))
        if len(rows) == BATCH:
            yield at, rows
            at, rows = at + len(rows), []
    if rows:
        yield at, rows


def _chunk_ids(work: Path) -> list[str]:
    return [row["id"] for _, rows in _chunks(work) for row in rows]


def _questions(work: Path) -> list[str]:
    found: list[str] = json.loads((work / "questions.json").read_text())
    return found


def _group(work: Path) -> str:
    """The group that the middle document is in."""
    lines = list(_lines(work / "documents.jsonl"))
    group: str = json.loads(lines[len(lines) // 2])["metadata"]["group"]
    return group


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from file


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    return {"p50_ms": float(np.percentile(times, 50)), "p95_ms": float(np.percentile(times, 95))}


def _folder_mb(folder: Path) -> float:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6


def _peak_mb() -> float:
    """Of this process; Linux counts in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


ENGINES = {"fairlead": _fairlead, "lancedb": _lancedb, "chroma": _chroma}

if __name__ == "__main__":
    engine, work = sys.argv[1], Path(sys.argv[2])
    print(json.dumps({"store": engine, **ENGINES[engine](work), "rss_mb": _peak_mb()}))
