"""What is stored of a chunk: its place, what is read of it, what is searched, and its ids.

Independent of the store: both stores index the same words and embed the same text.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fairlead.retrieval.analysis import split_identifiers
from fairlead.retrieval.chunkers import Chunk, Chunker
from fairlead.retrieval.records import Record

_HEADER_FROM = 400
"""Characters of a passage from which its heading is embedded with it: a header longer than its
passage drowns it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a document version stands: what makes its passage ids its own."""

    tenant: str
    collection: str
    document_id: str
    version: str
    chunker: str


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One chunk of one document version, ready to be stored."""

    passage_id: str
    ordinal: int
    chunk: Chunk
    title: str
    """Document title and heading path, as they are searched."""
    body: str
    """Exactly the stored text's code points `chunk.start` to `chunk.end`."""
    carried: str
    """The text of `chunk.lead`, such as a table's header row."""
    meta: str
    """What is searched beyond the words: source, date, metadata, parts of identifiers."""
    digest: bytes
    """Of the body but for white space: equal passages are shown once."""
    to_embed: str
    embedded: bytes
    """Hash of `to_embed`: what a vector is stored under."""

    @property
    def titled(self) -> bytes:
        """Hash of the title, as the title's vector is stored under."""
        return text_hash(self.title)


def chunked(record: Record, chunker: Chunker, count: Callable[[str], int]) -> Sequence[Chunk]:
    """A record cut; one that a chunker makes nothing of is one chunk, so that it can be found."""
    found = chunker.chunk(
        record.text, start=record.body, markup=record.markup, count=count, source=record.source
    )
    return found or [Chunk(start=record.body, end=len(record.text))]


def pieces(record: Record, chunks: Sequence[Chunk], place: Place) -> tuple[Piece, ...]:
    """The chunks of a record in order."""
    meta = _meta(record)
    return tuple(_piece(record, each, at, place, meta) for at, each in enumerate(chunks))


def _piece(record: Record, chunk: Chunk, ordinal: int, place: Place, meta: str) -> Piece:
    body = record.text[chunk.start : chunk.end]
    identifiers = split_identifiers(body)
    carried = "\n".join(record.text[start:end] for start, end in chunk.lead)
    to_embed = embedded_text(record.title, chunk.headings, body, carried)
    key = (place.tenant, place.collection, place.document_id, place.version)
    return Piece(
        passage_id="p" + _sha(*key, str(ordinal), place.chunker, body).hex()[:20],
        ordinal=ordinal,
        chunk=chunk,
        title=" › ".join(dict.fromkeys((record.title, *chunk.headings))),
        body=body,
        carried=carried,
        meta=" ".join(part for part in (meta, identifiers, carried) if part),
        digest=_sha(" ".join(body.split()))[:16],
        to_embed=to_embed,
        embedded=text_hash(to_embed),
    )


def embedded_text(title: str, headings: Sequence[str], body: str, carried: str = "") -> str:
    """What is embedded of a chunk: what it carries, and its nearest heading where it is long."""
    said = f"{carried}\n{body}" if carried else body
    heading = headings[-1] if headings else title
    if len(body) < _HEADER_FROM or not heading or heading in body[: len(heading) + 8]:
        return said
    return f"{heading}\n{said}"


def text_hash(text: str) -> bytes:
    """Sixteen bytes that stand for a text to be embedded."""
    return _sha(text)[:16]


def content_hash(text: str) -> bytes:
    """Of a whole text but for white space and case: equal for exact duplicates."""
    return _sha(" ".join(text.split()).casefold())[:16]


def scalars(value: object) -> Iterable[str]:
    """The strings and numbers in a JSON value, as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from scalars(inner)
    elif isinstance(value, Mapping):
        yield from scalars(list(value.values()))


def _meta(record: Record) -> str:
    said = (record.source, record.published_at[:10], record.url, *scalars(record.metadata))
    return " ".join(filter(None, said))


def _sha(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode()).digest()
