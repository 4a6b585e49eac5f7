"""What one collection asks of its documents: the settings that gates go by, checked once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.errors import SettingsError
from fairlead.forms import check_schema
from fairlead.retrieval.filters import Kind
from fairlead.retrieval.gates.language import plain_code
from fairlead.schema import Json
from fairlead.sections import Collection, Guard


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Of one collection. `digest` changes whenever a document could come out differently."""

    guard: Guard = field(default_factory=Guard)
    fields: Mapping[str, Kind] = field(default_factory=dict)
    schema: Mapping[str, Json] | None = None
    languages: tuple[str, ...] = ()
    min_chars: int = 0
    max_chars: int = 64_000_000
    ttl_days: float | None = None
    """How long a document stays that was not seen again at its source."""

    @staticmethod
    def of(collection: Collection, guard: Guard) -> "Rules":
        """Raises `SettingsError` for a JSON Schema that cannot be read or is none."""
        return Rules(
            guard=guard,
            fields=dict(collection.fields),
            schema=_schema(collection.schema_),
            languages=tuple(map(plain_code, collection.languages)),
            min_chars=collection.min_chars,
            max_chars=collection.max_chars,
            ttl_days=collection.ttl_days,
        )

    @property
    def digest(self) -> str:
        said = self.guard.model_dump(mode="json", exclude={"duplicates", "near_duplicate"})
        rest = (
            said,
            dict(self.fields),
            self.schema,
            self.languages,
            self.min_chars,
            self.max_chars,
        )
        return json.dumps(rest, sort_keys=True, default=str)


def _schema(given: Mapping[str, Json] | Path | None) -> Mapping[str, Json] | None:
    if given is None or isinstance(given, Mapping):
        found: Any = given
    else:
        try:
            found = json.loads(given.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"cannot read the JSON Schema {str(given)!r}: {error}",
                hint="Name a JSON file, relative to the current folder.",
            ) from error
    if found is not None:
        _check(found)
    schema: Mapping[str, Json] | None = found
    return schema


def _check(schema: object) -> None:
    if not isinstance(schema, Mapping):
        raise SettingsError("a JSON Schema of metadata is an object", hint="Write a table.")
    try:
        check_schema(schema)
    except ValueError as error:
        raise SettingsError(
            f"the JSON Schema of the metadata is none: {error}",
            hint="See https://json-schema.org/draft/2020-12.",
        ) from error
