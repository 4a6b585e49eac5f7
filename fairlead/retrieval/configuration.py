"""What the settings say of each collection, made ready for use once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property

from fairlead.retrieval.chunkers import Chunker, open_chunker
from fairlead.retrieval.entities import Extractor, open_extractor
from fairlead.retrieval.filters import Kind
from fairlead.retrieval.gates import Rules
from fairlead.retrieval.pipeline.boosts import Boosts
from fairlead.sections import Collection
from fairlead.settings import Settings


class Configured:
    """One collection's settings; `pii` overrides the policy for personal data."""

    def __init__(self, settings: Settings, name: str, *, pii: str | None = None) -> None:
        self._settings = settings
        self.section = settings.collections.get(name, Collection())
        self._pii = pii

    @cached_property
    def rules(self) -> Rules:
        """Raises `SettingsError` for a JSON Schema that is none."""
        guard = self._settings.guard
        if self._pii is not None:
            guard = guard.model_copy(update={"pii": self._pii})
        return Rules.of(self.section, guard)

    def chunker(self, name: str | None = None) -> Chunker:
        """The one named, else the collection's. Raises `InputError` for an unknown one."""
        return open_chunker(name or self.section.chunker)

    def chunker_of(self, identity: str) -> Chunker:
        """What an index was cut with; the collection's where it was not cut yet.

        Raises `InputError` for somebody else's that the settings do not name any more.
        """
        own = self.chunker()
        return own if identity in ("", own.identity) else open_chunker(identity)

    @cached_property
    def extractor(self) -> Extractor | None:
        return None if self.section.entities == "off" else open_extractor(self.section.entities)

    @property
    def declared(self) -> Mapping[str, Kind]:
        """Fields that may be filtered on, with their types; empty where none are declared."""
        return dict(self.section.fields)

    @property
    def boosts(self) -> Boosts:
        boost = self.section.boost
        return Boosts(
            half_life_days=boost.half_life_days,
            recency=boost.recency,
            authority=boost.authority,
            now=datetime.now(UTC),
        )
