"""A collection moved into another store, and both compared afterwards."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.errors import InputError
from fairlead.retrieval.store import Index
from fairlead.retrieval.stored import Archived
from fairlead.retrieval.vectors import Progress

_VECTORS = 256


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What was moved; counts and hashes are equal on both sides."""

    documents: int
    """Document versions, tombstones too."""
    chunks: int
    vectors: int
    versions: int
    digest: str
    """SHA-256 over every document version, chunk and interval."""


def copied(source: Index, target: Index, progress: Progress) -> Copied:
    """Copies one index into an empty one, and compares what both hold.

    Raises `InputError` where the target is not empty or the source holds nothing, and where the
    copy differs.
    """
    spec, versions = source.spec(), source.versions()
    if not versions:
        raise InputError(f"there is no collection {source.name!r} to copy")
    facts = source.information()
    total = facts.documents if facts else 0

    def counted() -> Iterator[Archived]:
        for at, each in enumerate(source.archive()):
            progress("copy", at, max(total, at + 1))
            yield each

    target.restore(versions, counted(), spec)
    keys = sorted(_keys(source))
    for at in range(0, len(keys), _VECTORS):
        vectors = source.vectors(keys[at : at + _VECTORS])
        if vectors:
            target.embed(vectors, embedder=spec.embedder)
        progress("vectors", min(at + _VECTORS, len(keys)), len(keys))
    target.learn(source.learned())
    target.hold([held for each in source.quarantine() if (held := source.quarantined(each.id))])
    for row in reversed(source.audit(1_000_000)):
        target.note(row)
    here, there = _summed(source), _summed(target)
    if here != there:
        raise InputError(
            f"the copy of {source.name!r} differs: {here} there, {there} here",
            hint="Delete the copy and copy again while nothing is ingested.",
        )
    return here


def _keys(index: Index) -> set[bytes]:
    return {piece.embedded for each in index.archive() for piece in each.entry.pieces}


def _summed(index: Index) -> Copied:
    """What an index holds, in numbers and one hash."""
    whole = hashlib.sha256()
    documents = chunks = 0
    keys: set[bytes] = set()
    for each in index.archive():
        documents += 1
        record = each.entry.record
        said = (
            record.id,
            each.version,
            str(each.added_in),
            str(each.removed_in or 0),
            record.source,
            record.digest(),
            str(each.erased),
            *(f"{p.passage_id} {p.chunk.start} {p.chunk.end}" for p in each.entry.pieces),
        )
        whole.update("\x1f".join(said).encode())
        chunks += len(each.entry.pieces)
        keys.update(piece.embedded for piece in each.entry.pieces)
    listed = sorted(keys)
    vectors = sum(
        len(index.vectors(listed[at : at + _VECTORS])) for at in range(0, len(listed), _VECTORS)
    )
    return Copied(
        documents=documents,
        chunks=chunks,
        vectors=vectors,
        versions=len(index.versions()),
        digest=whole.hexdigest(),
    )
