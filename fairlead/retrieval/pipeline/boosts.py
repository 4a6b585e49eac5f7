"""What a collection's settings say speaks for a document whatever the question: news, authority."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fairlead.schema import Hit


@dataclass(frozen=True, kw_only=True)
class Boosts:
    """Added to scores from 0 to 1."""

    half_life_days: float = 0.0
    """After so many days a document's recency counts half; 0 for no recency."""
    recency: float = 0.0
    """What a document of today gets."""
    authority: Mapping[str, float] = field(default_factory=dict)
    """Source or beginning of a source → what its documents get; the longest that fits counts."""
    now: datetime | None = None

    def __bool__(self) -> bool:
        return bool((self.recency and self.half_life_days) or self.authority)

    def of(self, hit: Hit) -> float:
        """What a passage gets; nothing for recency where its date is unknown."""
        return self._recency(hit.published_at) + self._authority(hit.source)

    def _recency(self, published_at: datetime | None) -> float:
        if not self.recency or not self.half_life_days or published_at is None:
            return 0.0
        age = (self.now or datetime.now(UTC)) - published_at
        days = max(0.0, age.total_seconds() / 86400)
        return float(self.recency * 0.5 ** (days / self.half_life_days))

    def _authority(self, source: str) -> float:
        fitting = [start for start in self.authority if source.startswith(start)]
        return self.authority[max(fitting, key=len)] if fitting else 0.0
