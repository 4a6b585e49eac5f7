"""What the registry says: versions of adapters by name, number or stage, and their history."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fairlead.errors import NotFound
from fairlead.serving.adapters.records import AdapterCard, Approved, HistoryEntry, Standing
from fairlead.serving.adapters.stages import LIVE, stage_named
from fairlead.storage import Database
from fairlead.storage.database import Row

COLUMNS: Final = (
    "name, version, digest, base, base_digest, rank, targets, data_digest, card, flags, size,"
    " stage, share, stood, condemned, marked, trial, added_by, added_at, changed_at, removed_at"
)


class Catalog:
    """Reads the registry in `database`. Usable from any thread."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def versions(self, name: str | None = None, *, removed: bool = False) -> list[AdapterCard]:
        """By name, newest first; those whose content was deleted only where asked for."""
        where = [] if removed else ["removed_at IS NULL"]
        where += ["name = ?"] if name is not None else []
        return self.cards(" AND ".join(where) or "1 = 1", *([] if name is None else [name]))

    def get(self, name: str, version: int) -> AdapterCard:
        """One version, a removed one too. Raises `NotFound` where there is none."""
        found = self.cards("name = ? AND version = ?", name, version)
        if not found:
            raise NotFound(
                f"there is no adapter {name}@{version}", hint="`fairlead adapters ls` lists them."
            )
        return found[0]

    def find(self, given: str) -> AdapterCard:
        """The version that `name@version`, `name@stage` or a bare name (its newest) means.

        Raises `NotFound` where there is none, `InputError` for another form.
        """
        name, at, which = given.partition("@")
        if which.isdecimal() and len(which) < 10:
            return self.get(name, int(which))
        found = self.versions(name)
        if at:
            stage = stage_named(which)
            found = [card for card in found if card.stage == stage]
        if not found:
            raise NotFound(
                f"there is no adapter {given!r}", hint="`fairlead adapters ls` lists them."
            )
        return found[0]

    def standing(self, name: str) -> Standing:
        """What of a name answers now; nothing for a name that does not exist."""
        return _standing(self.versions(name))

    def standings(self) -> dict[str, Standing]:
        """Of every name."""
        names: dict[str, list[AdapterCard]] = {}
        for card in self.versions():
            names.setdefault(card.name, []).append(card)
        return {name: _standing(cards) for name, cards in names.items()}

    def history(
        self, name: str | None = None, version: int | None = None, *, limit: int = 1000
    ) -> list[HistoryEntry]:
        """Newest first."""
        rows = self.database.rows(
            "SELECT id, at, name, version, action, actor, why, detail FROM adapter_history"
            " WHERE (? = 1 OR name = ?) AND (? = 1 OR version = ?) ORDER BY id DESC LIMIT ?",
            (int(name is None), name or "", int(version is None), version or 0, limit),
        )
        keys = ("id", "at", "name", "version", "action", "actor", "why")
        return [
            HistoryEntry(**dict(zip(keys, row, strict=False)), detail=json.loads(row[7]))
            for row in rows
        ]

    def revision(self) -> int:
        """Rises with every change of the registry."""
        ((last,),) = self.database.rows("SELECT coalesce(max(id), 0) FROM adapter_history")
        return int(last)

    def approvals(self, card: AdapterCard) -> list[Approved]:
        """Who approved this content since it last became a candidate, oldest first."""
        rows = self.database.rows(
            "SELECT actor, digest, at, note FROM adapter_approvals"
            " WHERE name = ? AND version = ? AND digest = ? ORDER BY at, actor",
            (card.name, card.version, card.digest),
        )
        return [Approved(actor=a, digest=d, at=at, note=note) for a, d, at, note in rows]

    def cards(self, where: str, *parameters: object) -> list[AdapterCard]:
        """Those that a condition in SQL holds for, by name, newest first."""
        rows = self.database.rows(
            f"SELECT {COLUMNS} FROM adapters WHERE {where} ORDER BY name, version DESC", parameters
        )
        if not rows:
            return []
        scores: dict[tuple[str, int], dict[str, float]] = {}
        names = sorted({row[0] for row in rows})
        marks = ", ".join("?" * len(names))
        for name, version, metric, value in self.database.rows(
            f"SELECT name, version, metric, value FROM adapter_scores WHERE name IN ({marks})"
            " ORDER BY metric",
            names,
        ):
            scores.setdefault((name, version), {})[metric] = value
        return list(_cards(rows, scores))


def _cards(
    rows: list[Row], scores: Mapping[tuple[str, int], Mapping[str, float]]
) -> Iterator[AdapterCard]:
    names = COLUMNS.replace(" ", "").split(",")
    tables: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
    canaries = {t["name"]: t["share"] for t in tables if t["stage"] == "canary"}
    for table in tables:
        removed = table.pop("removed_at") is not None
        if table["stage"] == "stable":
            table["share"] = 100.0 - canaries.get(table["name"], 0.0)
        for field in ("targets", "flags"):
            table[field] = tuple(json.loads(table[field]))
        table["card"], table["condemned"] = json.loads(table["card"]), bool(table["condemned"])
        known = scores.get((table["name"], table["version"]), {})
        yield AdapterCard(**table, removed=removed, scores=known)


def _standing(cards: list[AdapterCard]) -> Standing:
    by_stage = {card.stage: card for card in cards if card.stage in LIVE}
    earlier = [c for c in cards if c.stage == "retired" and c.stood and not c.condemned]
    return Standing(
        stable=by_stage.get("stable"),
        canary=by_stage.get("canary"),
        previous=max(earlier, key=lambda card: card.stood, default=None),
    )
