"""Gives live chunks their vectors, in batches that can be interrupted at any moment."""

from collections.abc import Callable

from fairlead.protocols import Embedder
from fairlead.retrieval.store import Index

_BATCH = 64

Progress = Callable[[str, int, int], None]
"""Called with a stage (`text`, `vectors` or `rebuild`), how many are done, and of how many."""


def embed_pending(
    index: Index, embedder: Embedder, progress: Progress, stopped: Callable[[], bool]
) -> int:
    """Embeds the texts of live chunks without a vector; how many chunks got one."""
    identity = embedder.identity
    waiting = index.pending(identity)
    chunks = sum(each.chunks for each in waiting)
    done = 0
    if waiting:
        progress("vectors", 0, chunks)
    for at in range(0, len(waiting), _BATCH):
        if stopped():
            return done
        some = waiting[at : at + _BATCH]
        texts = index.pending_texts([each.key for each in some])
        if texts:
            rows = embedder.embed(list(texts.values()))
            index.embed(dict(zip(texts, rows, strict=True)), embedder=identity)
        done += sum(each.chunks for each in some)
        progress("vectors", done, chunks)
    return done
