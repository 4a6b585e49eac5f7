"""Another chunker or embedder: the index is made anew beside the present one, and then swapped.

Searches go on with the present index until the swap, which is one step. What is ingested meanwhile
is made up for before it. An interrupted rebuild is taken up by the next of the same kind.
"""

from collections.abc import Callable
from dataclasses import replace

from fairlead.protocols import Embedder
from fairlead.retrieval.chunkers import Chunker, estimate_tokens
from fairlead.retrieval.entities import Extractor
from fairlead.retrieval.pieces import Place, chunked, pieces
from fairlead.retrieval.store import Index
from fairlead.retrieval.stored import Archived, Entry, Spec
from fairlead.retrieval.vectors import Progress

_DOCUMENTS = 32
_VECTORS = 64


def rebuilt(
    index: Index,
    spec: Spec,
    chunker: Chunker,
    embedder: Embedder | None,
    extractor: Extractor | None,
    progress: Progress,
) -> int:
    """Makes the index anew as `spec` says and swaps it in; how many document versions it holds.

    `embedder` None leaves the vectors for later.
    """
    index.begin_build(spec)
    count = embedder.count_tokens if embedder else estimate_tokens
    total = 0
    while True:
        while found := index.unbuilt(_DOCUMENTS):
            index.build(
                [(each.key, _entry(index, each, chunker, extractor, count)) for each in found], {}
            )
            total += len(found)
            progress("rebuild", total, total + 1)
        if embedder is not None:
            _embed(index, embedder, progress)
        if index.swap():
            return total


def _entry(
    index: Index,
    archived: Archived,
    chunker: Chunker,
    extractor: Extractor | None,
    count: Callable[[str], int],
) -> Entry:
    record = archived.entry.record
    place = Place(
        tenant=index.tenant,
        collection=index.name,
        document_id=record.id,
        version=archived.version,
        chunker=chunker.identity,
    )
    cut = pieces(record, chunked(record, chunker, count), place)
    entities = tuple(tuple(extractor(piece.body)) for piece in cut) if extractor else ()
    return replace(archived.entry, pieces=cut, entities=entities, chunker=chunker.identity)


def _embed(index: Index, embedder: Embedder, progress: Progress) -> None:
    waiting = index.build_pending()
    for at in range(0, len(waiting), _VECTORS):
        keys = [each.key for each in waiting[at : at + _VECTORS]]
        texts = index.pending_texts(keys)
        if texts:
            rows = embedder.embed(list(texts.values()))
            index.build([], dict(zip(texts, rows, strict=True)))
        progress("vectors", min(at + _VECTORS, len(waiting)), len(waiting))
