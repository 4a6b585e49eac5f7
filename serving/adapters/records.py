"""What the registry holds, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.schema import Json
from fairlead.serving.adapters.digest import served_name
from fairlead.serving.adapters.stages import Stage


@dataclass(frozen=True, kw_only=True)
class AdapterCard:
    """One version of an adapter. `version` counts from 1 for each name, and is never used again."""

    name: str
    version: int
    digest: str
    """SHA-256 of what is stored and served, in hex."""
    base: str
    base_digest: str
    """Empty where only the base's name is known."""
    rank: int
    targets: tuple[str, ...]
    data_digest: str
    """Of the training data, as whoever trained it says; may be empty."""
    stage: Stage
    share: float
    """Percent of new conversations that it answers, as the registry has it."""
    scores: Mapping[str, float] = field(default_factory=dict)
    card: Mapping[str, Json] = field(default_factory=dict)
    """Whatever else its maker tells: purpose, limits, how it was trained."""
    flags: tuple[str, ...] = ()
    size: int = 0
    added_by: str
    added_at: str
    changed_at: str
    stood: int = 0
    """Counts the versions of this name that became stable; 0 for one that never was."""
    condemned: bool = False
    """It was rolled back; only a person makes it a candidate again."""
    removed: bool = False
    """Its content was deleted; what is known of it stays, for the answers that it gave."""
    marked: int = 0
    """The last outcome that was recorded before it became a canary."""
    trial: int = 0
    """Its time as a canary, by a number that no other has; 0 where it never was one."""

    @property
    def served_name(self) -> str:
        """As model servers know it."""
        return served_name(self.name, self.version, self.digest)

    @property
    def label(self) -> str:
        """As people call it: `support@3`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One line of the history: who did what to a version, when and why. Never changed."""

    id: int
    at: str
    name: str
    version: int
    action: str
    actor: str
    why: str
    detail: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Approved:
    """One person's yes to one content."""

    actor: str
    digest: str
    at: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What of one name answers now."""

    stable: AdapterCard | None = None
    canary: AdapterCard | None = None
    previous: AdapterCard | None = None
    """The version that a rollback of the stable one goes back to."""
