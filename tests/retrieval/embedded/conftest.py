"""Documents as an ingest gives them to a store, without an ingest."""

from typing import Any

from fairlead.retrieval.chunkers import estimate_tokens, open_chunker
from fairlead.retrieval.pieces import Place, chunked, content_hash, pieces
from fairlead.retrieval.records import Record
from fairlead.retrieval.stored import Entry


def entry(
    id_: str,
    text: str,
    *,
    chunker: str = "recursive",
    entities: tuple[tuple[str, ...], ...] = (),
    **more: Any,
) -> Entry:
    """One document as an ingest gives it to a store."""
    record = Record(id=id_, source=f"s-{id_}", origin=f"s-{id_}", title="", text=text, **more)
    place = Place(tenant="acme", collection="c", document_id=id_, version="1", chunker="x")
    chunks = chunked(record, open_chunker(chunker), estimate_tokens)
    return Entry(
        record=record,
        digest=record.digest(),
        content=content_hash(text),
        pieces=pieces(record, chunks, place),
        entities=entities,
        chunker=open_chunker(chunker).identity,
    )
