"""What reading makes of a source: one record per document, or a reject that says why not."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from fairlead.errors import InputError
from fairlead.schema import Document, Json

FIELDS = (
    "id",
    "text",
    "title",
    "source",
    "url",
    "published_at",
    "version",
    "language",
    "metadata",
    "acl",
)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One document as it will be stored. `text` is verbatim; `body` is where its front matter ends.

    `origin` is the file's own source, also where the document brought another: pruning goes by it.
    """

    id: str
    source: str
    origin: str
    title: str
    text: str
    body: int = 0
    markdown: bool = True
    url: str = ""
    published_at: str = ""
    version: str = ""
    language: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    acl: tuple[str, ...] = ()

    def digest(self, *more: str) -> str:
        """SHA-256 over everything that is stored, and `more`."""
        rest = (
            self.id,
            self.source,
            self.origin,
            self.title,
            self.body,
            self.markdown,
            self.url,
            self.published_at,
            self.version,
            self.language,
            dict(self.metadata),
            list(self.acl),
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


class Malformed(Exception):
    """One document cannot be used; the message says why, for the report."""


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
        published_at=_time(value.get("published_at")),
        version=_string(value, "version"),
        language=_string(value, "language"),
        metadata={**{key: value[key] for key in unknown}, **metadata},
        acl=_readers(value.get("acl")),
    )
    return record, unknown


def from_document(document: Document, collection: str) -> Record:
    """A record of a `Document` value. Raises `Malformed` as `from_mapping` does."""
    values: dict[str, Any] = {
        name: getattr(document, name) for name in FIELDS if getattr(document, name)
    }
    values["metadata"] = dict(document.metadata)
    if document.published_at:
        values["published_at"] = document.published_at.isoformat()
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


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC; a time without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stamp(moment: datetime) -> str:
    """The same with microseconds always, so that stamps order as strings."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """A date or time in ISO form (UTC where it names no zone). Raises `InputError` for others."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"{text!r} is no date or time", hint="Write it like 2026-03-01 or 2026-03-01T12:00:00Z."
        ) from None


def until(expires: "datetime | date | str | None") -> str:
    """When a document expires, as stored; empty for never. A date means the start of that day."""
    if expires is None:
        return ""
    if isinstance(expires, str):
        return stamp(parse_time(expires))
    if not isinstance(expires, datetime):
        expires = datetime(expires.year, expires.month, expires.day, tzinfo=UTC)
    return stamp(expires)


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


def _time(value: object) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise Malformed("'published_at' is no string")
    try:
        return utc(parse_time(value))
    except InputError:
        raise Malformed(f"'published_at' is no time: {value!r}") from None


def _readers(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) and each for each in value):
        return tuple(value)
    raise Malformed("'acl' is no list of names")
