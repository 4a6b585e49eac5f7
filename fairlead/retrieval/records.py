"""What reading makes of a source: one record per document, or a reject that says why not."""

import hashlib
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fairlead.errors import InputError
from fairlead.retrieval.loaders.loaded import Malformed, Markup
from fairlead.retrieval.times import parse_time, utc
from fairlead.schema import Document, Finding, Json

FIELDS = (
    "id",
    "text",
    "title",
    "source",
    "url",
    "published_at",
    "valid_until",
    "version",
    "language",
    "metadata",
    "acl",
)


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What an HTTP server gave with a page, to be asked later whether it has changed."""

    url: str
    """The address that answered, after redirects."""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What is stored of a source since an earlier ingest: `Record` has fields of these names."""

    fingerprint: str = ""
    validators: Validators | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """One document as it will be stored. `text` is verbatim; `body` is where its front matter ends.

    `origin` is the file's own source, also where the document brought another: pruning goes by it.
    A page that a sitemap listed has `SITEMAP/PAGE`.
    """

    id: str
    source: str
    origin: str
    title: str
    text: str
    body: int = 0
    markup: Markup = "markdown"
    url: str = ""
    published_at: str = ""
    valid_until: str = ""
    version: str = ""
    language: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    acl: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    fetched_at: str = ""
    validators: Validators | None = None
    """Of a web page."""
    fingerprint: str = ""
    """SHA-256 over the file and whatever read it; empty where one file holds several documents."""
    place: str = ""
    """Where it stood, such as `notes.jsonl#L3`."""

    def digest(self, *more: str) -> str:
        """SHA-256 over what a reader can be shown, and `more`.

        When and by which request it was read is left out, and of the findings all but their kinds:
        a page whose hidden parts change with each visit has not changed.
        """
        rest = (
            self.id,
            self.source,
            self.origin,
            self.title,
            self.body,
            self.markup,
            self.url,
            self.published_at,
            self.valid_until,
            self.version,
            self.language,
            dict(self.metadata),
            list(self.acl),
            sorted({finding.kind for finding in self.findings}),
            more,
        )
        head = json.dumps(rest, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(f"{head}\n{self.text}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A source that was not stored. `origin` is the file it belongs to."""

    source: str
    reason: str
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """A source that is what it was when `Earlier` was stored: nothing was read."""

    id: str
    source: str
    origin: str


def derived_id(collection: str, source: str) -> str:
    """The id of a document that brought none: the same wherever it is ingested from."""
    return "d" + hashlib.sha256(f"{collection}\n{source}".encode()).hexdigest()[:20]


def from_mapping(
    value: object, *, place: str, origin: str, collection: str
) -> tuple[Record, tuple[str, ...]]:
    """The document in a JSON object, and its unknown top-level keys (they went into `metadata`).

    Raises `Malformed` for a missing or wrongly typed field.
    """
    if not isinstance(value, Mapping):
        raise Malformed("is no JSON object")
    encodable(value)
    identity = value.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or not identity.strip():
        raise Malformed("has no 'id' (a string that is not empty)")
    unknown = tuple(key for key in value if key not in FIELDS)
    metadata = value.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise Malformed("'metadata' is no JSON object")
    source = _string(value, "source")
    record = Record(
        id=identity,
        source=source or place,
        origin=origin,
        title=_string(value, "title"),
        text=_text(value.get("text")),
        url=_string(value, "url"),
        published_at=_time(value, "published_at"),
        valid_until=_time(value, "valid_until"),
        version=_string(value, "version"),
        language=_string(value, "language"),
        metadata={**{key: value[key] for key in unknown}, **metadata},
        acl=_readers(value.get("acl")),
        place=place,
    )
    return record, unknown


def from_document(document: Document, collection: str) -> Record:
    """A record of a `Document` value. Raises `Malformed` as `from_mapping` does."""
    values: dict[str, Any] = {
        name: getattr(document, name) for name in FIELDS if getattr(document, name)
    }
    values["metadata"] = dict(document.metadata)
    for name in ("published_at", "valid_until"):
        if moment := getattr(document, name):
            values[name] = moment.isoformat()
    fingerprint = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    place = document.source or document.id or f"document-{fingerprint}"
    values["id"] = document.id or derived_id(collection, place)
    record, _ = from_mapping(values, place=place, origin=place, collection=collection)
    return record


def encodable(value: object) -> None:
    """Raises `Malformed` where a value holds what cannot be stored as UTF-8 text or JSON."""
    try:
        for said in _strings(value):
            if "\0" in said:
                raise Malformed("holds a NUL character")
            said.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("holds a lone surrogate (half of a character)") from None
    except RecursionError:
        raise Malformed("is nested too deeply") from None


def _strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, keys too. Raises `Malformed` for what is no JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Malformed(f"holds {value}, which is no JSON number")


def _string(value: Mapping[str, object], name: str) -> str:
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Malformed(f"{name!r} is no string")
    return found.strip()


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise Malformed("has no 'text' (a string)")
    if not text.strip():
        raise Malformed("is empty")
    return text


def _time(value: Mapping[str, object], name: str) -> str:
    found = value.get(name)
    if found is None or found == "":
        return ""
    if not isinstance(found, str):
        raise Malformed(f"{name!r} is no string")
    try:
        return utc(parse_time(found))
    except InputError:
        raise Malformed(f"{name!r} is no time: {found!r}") from None


def _readers(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) and each for each in value):
        return tuple(value)
    raise Malformed("'acl' is no list of names")


def packed_record(record: Record) -> bytes:
    """A record as it lies in quarantine."""
    return zlib.compress(json.dumps(asdict(record), ensure_ascii=False).encode(), 1)


def unpacked_record(stored: bytes) -> Record:
    held = json.loads(zlib.decompress(bytes(stored)))
    findings = tuple(Finding(**finding) for finding in held.pop("findings"))
    validators = held.pop("validators")
    return Record(
        **{**held, "acl": tuple(held["acl"])},
        findings=findings,
        validators=Validators(**validators) if validators else None,
    )
