"""The registry: every version of every adapter, its stage, and the history of who did what.

Changes are transactions, one at a time across processes. Rules about who may change what stand in
`rollout`; what stands here holds whoever asks: legal moves, one stable and one canary version per
name, a history that only grows, and no version without its content.
"""

import json
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fairlead.errors import InputError, NotFound, Unavailable
from fairlead.schema import Json
from fairlead.serving.adapters.catalog import COLUMNS, Catalog
from fairlead.serving.adapters.content import ContentStore
from fairlead.serving.adapters.digest import checked_name
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.stages import LIVE, Stage, check_move
from fairlead.serving.adapters.tables import STEPS
from fairlead.settings import Settings
from fairlead.storage import Database, shared_database

if TYPE_CHECKING:  # it reads weights, which takes numpy
    from fairlead.serving.adapters.admission import Admitted


def open_registry(settings: Settings) -> "Registry":
    """The registry that the settings name; nothing is read or written yet."""
    root = settings.storage.path
    database = shared_database(root / "adapters.db", settings.storage.url, STEPS)
    return Registry(database, ContentStore(root / "adapters"))


class Registry(Catalog):
    """Versions of adapters in `database`, their content in `store`. Usable from any thread."""

    def __init__(self, database: Database, store: ContentStore) -> None:
        super().__init__(database)
        self.store = store

    def close(self) -> None:
        """Closes the database; the next use opens it again."""
        self.database.close()

    def changing(self) -> AbstractContextManager[None]:
        """A block in which nobody else changes the registry, and all changes hold or none."""
        return self.database.transaction()

    def add(
        self,
        name: str,
        admitted: "Admitted",
        *,
        by: str,
        data_digest: str = "",
        card: Mapping[str, Json] | None = None,
        why: str = "",
    ) -> tuple[AdapterCard, bool]:
        """The draft that stands for stored content, and whether it is new.

        Content that the name has already is its old version, whatever became of that. Raises
        `InputError` for a name with another base: one name belongs to one base.
        """
        checked_name(name)
        with self.changing():
            known = self.versions(name, removed=True)
            same = next((e for e in known if e.digest == admitted.digest and not e.removed), None)
            if same:
                return same, False
            _check_base(name, known, admitted)
            if not self.store.path(admitted.digest).is_dir():
                raise Unavailable(
                    f"the content of {name!r} was deleted meanwhile", hint="Add it again."
                )
            version, now = max((each.version for each in known), default=0) + 1, _now()
            row = (
                name, version, admitted.digest, admitted.base.name, admitted.base.digest,
                admitted.config.rank, json.dumps(admitted.config.targets), data_digest,
                json.dumps(card or {}), json.dumps(admitted.examined.flags), admitted.size,
                "draft", 0.0, 0, 0, 0, 0, by, now, now, None,
            )  # fmt: skip
            marks = ", ".join("?" * len(row))
            self.database.change(f"INSERT INTO adapters ({COLUMNS}) VALUES ({marks})", row)
            detail: dict[str, Json] = {"digest": admitted.digest, "base": admitted.base.name}
            self._note(name, version, "added", by, why, detail | {"data_digest": data_digest})
            return self.get(name, version), True

    def move(
        self,
        card: AdapterCard,
        to: Stage,
        *,
        by: str,
        why: str = "",
        share: float = 0.0,
        detail: Mapping[str, Json] | None = None,
    ) -> AdapterCard:
        """The version in its new stage; what was stable before is retired by a new stable one.

        Raises `InputError` for an illegal move, `NotFound` for a version that was removed.
        """
        with self.changing():
            card = self._present(card)
            check_move(card.label, card.stage, to)
            standing = self.standing(card.name)
            if to == "canary" and standing.canary:
                raise InputError(
                    f"{standing.canary.label!r} is the canary already",
                    hint="Promote it or roll it back first.",
                )
            if to == "stable" and standing.stable:
                self._set(standing.stable, "retired")
                self._note_card(standing.stable, "replaced", by, why, {"by": card.version})
            if to == "candidate":
                self.database.change(
                    "DELETE FROM adapter_approvals WHERE name = ? AND version = ?",
                    (card.name, card.version),
                )
            self._set(card, to, share=share, withdrawn=card.stage == "stable")
            said = {"from": card.stage, "to": to, **(detail or {})}
            self._note_card(card, "canary" if to == "canary" else "moved", by, why, said)
            return self.get(card.name, card.version)

    def set_share(self, card: AdapterCard, share: float, *, by: str, why: str = "") -> AdapterCard:
        """The canary with another share. Raises `InputError` for what is no canary."""
        with self.changing():
            card = self._present(card)
            if card.stage != "canary":
                raise InputError(f"{card.label!r} is {card.stage}, no canary")
            self.database.change(
                "UPDATE adapters SET share = ?, changed_at = ? WHERE name = ? AND version = ?",
                (share, _now(), card.name, card.version),
            )
            self._note_card(card, "share", by, why, {"from": card.share, "to": share})
            return self.get(card.name, card.version)

    def roll_back(
        self, name: str, *, by: str, why: str = "", detail: Mapping[str, Json] | None = None
    ) -> tuple[AdapterCard, AdapterCard | None]:
        """Condemns the canary; without one the stable version, for the one before it.

        Returns what was rolled back and what is stable now. Raises `NotFound` for an unknown name,
        `InputError` where there is nothing to go back to.
        """
        with self.changing():
            standing = self.standing(name)
            bad = standing.canary or standing.stable
            if bad is None:
                self.find(name)
                raise InputError(f"{name!r} has neither a canary nor a stable version")
            if bad.stage == "stable" and standing.previous is None:
                raise InputError(
                    f"there is no version of {name!r} before {bad.label!r} to go back to",
                    hint=f"`fairlead adapters promote {bad.label} --to retired` leaves the base.",
                )
            self._set(bad, "retired", condemned=True)
            self._note_card(bad, "rolled back", by, why, {"from": bad.stage, **(detail or {})})
            if bad.stage == "stable" and standing.previous:
                self._set(standing.previous, "stable")
                self._note_card(standing.previous, "restored", by, why, {"after": bad.version})
            return self.get(name, bad.version), self.standing(name).stable

    def score(self, card: AdapterCard, scores: Mapping[str, float], *, by: str) -> AdapterCard:
        """The version with scores recorded; a metric that it has already gets the new value.

        Raises `InputError` for a score that is no finite number.
        """
        for metric, value in scores.items():
            if not math.isfinite(value):
                raise InputError(f"score {metric!r} of {card.label!r} is {value}, no number")
        with self.changing():
            card = self._present(card)
            self.database.change_many(
                "INSERT INTO adapter_scores (name, version, metric, value) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name, version, metric) DO UPDATE SET value = excluded.value",
                [(card.name, card.version, metric, value) for metric, value in scores.items()],
            )
            self._note_card(card, "scored", by, "", dict(scores))
            return self.get(card.name, card.version)

    def approve(self, card: AdapterCard, *, by: str, note: str = "") -> None:
        """Records one person's yes to this content; a second one of the same person adds none."""
        with self.changing():
            card = self._present(card)
            added = self.database.change(
                "INSERT INTO adapter_approvals (name, version, actor, digest, at, note)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (card.name, card.version, by, card.digest, _now(), note),
            )
            if added:
                self._note_card(card, "approved", by, note, {"digest": card.digest})

    def remove(self, card: AdapterCard, *, by: str, why: str = "") -> AdapterCard:
        """Deletes the content of a version that answers nowhere; the record of it stays.

        Raises `InputError` for a version that answers, or that a rollback would go back to.
        """
        with self.changing():
            card = self._present(card)
            previous = self.standing(card.name).previous
            if card.stage in LIVE or (previous and previous.version == card.version):
                what = f"is {card.stage}" if card.stage in LIVE else "is what a rollback goes to"
                raise InputError(
                    f"{card.label!r} {what} and cannot be removed", hint="Promote another first."
                )
            self.database.change(
                "UPDATE adapters SET removed_at = ?, stage = 'retired', changed_at = ?"
                " WHERE name = ? AND version = ?",
                (now := _now(), now, card.name, card.version),
            )
            self._note_card(card, "removed", by, why, {"from": card.stage})
        with (
            self.changing()
        ):  # a crash in between leaves content without a version, not the reverse
            if not self.cards("digest = ? AND removed_at IS NULL", card.digest):
                self.store.remove(card.digest)
        return self.get(card.name, card.version)

    def strays(self) -> list[str]:
        """Digests of stored content that no version has: an addition was cut off, or goes on."""
        known = {card.digest for card in self.versions()}
        return [digest for digest in self.store.digests() if digest not in known]

    def _present(self, card: AdapterCard) -> AdapterCard:
        """The version as it is now. Raises `NotFound` where it was removed."""
        card = self.get(card.name, card.version)
        if card.removed:
            raise NotFound(
                f"{card.label!r} was removed", hint="Add it again; it gets a new number."
            )
        return card

    def _set(
        self,
        card: AdapterCard,
        to: Stage,
        *,
        share: float = 0.0,
        condemned: bool = False,
        withdrawn: bool = False,
    ) -> None:
        """A version that was condemned or withdrawn is none that a rollback goes back to."""
        stood, marked, trial = "stood", "marked", "trial"
        names: tuple[str, ...] = ()
        if to == "stable":
            stood, names = "(SELECT max(stood) + 1 FROM adapters WHERE name = ?)", (card.name,)
        elif condemned or withdrawn:
            stood = "0"
        if to == "canary":
            marked = "(SELECT coalesce(max(id), 0) FROM adapter_outcomes)"
            trial = "(SELECT coalesce(max(id), 0) + 1 FROM adapter_history)"
        self.database.change(
            f"UPDATE adapters SET stage = ?, share = ?, condemned = ?, changed_at = ?,"
            f" stood = {stood}, marked = {marked}, trial = {trial} WHERE name = ? AND version = ?",
            (to, share, int(condemned), _now(), *names, card.name, card.version),
        )

    def _note_card(
        self, card: AdapterCard, action: str, by: str, why: str, detail: Mapping[str, Json]
    ) -> None:
        self._note(card.name, card.version, action, by, why, detail)

    def _note(
        self, name: str, version: int, action: str, by: str, why: str, detail: Mapping[str, Json]
    ) -> None:
        self.database.change(
            "INSERT INTO adapter_history (at, name, version, action, actor, why, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (_now(), name, version, action, by, why, json.dumps(detail)),
        )


def _check_base(name: str, known: list[AdapterCard], admitted: "Admitted") -> None:
    base = admitted.base
    for card in known:
        if card.removed:
            continue
        if card.base_digest and base.digest and card.base_digest != base.digest:
            said = (
                f"{base.name!r} ({base.digest[:12]}), not {card.base!r} ({card.base_digest[:12]})"
            )
        elif not (card.base_digest and base.digest) and not base.is_called(card.base):
            said = f"{base.name!r}, not {card.base!r}"
        else:
            continue
        raise InputError(
            f"{name!r} is an adapter of another base: this one is for {said}",
            hint="Give adapters of another base another name: both cannot answer on one server.",
        )


def _now() -> str:
    """RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
