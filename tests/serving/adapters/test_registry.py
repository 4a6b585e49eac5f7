"""The registry, on SQLite and on PostgreSQL: what is in it, and what never happens to it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fairlead.errors import InputError, NotFound, SettingsError, Unavailable
from fairlead.model_sections import Rollout
from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry, open_registry
from fairlead.serving.adapters.rollout import add, promote, roll_back
from fairlead.settings import load
from tests.serving.adapters.conftest import TINY, AddVersion, OpenRegistry
from tests.serving.adapters.samples import weights, write_adapter


def test_what_is_added_is_read_back(
    registry: Registry, open_again: OpenRegistry, tmp_path: Path
) -> None:
    card, new = add(
        registry,
        Rollout(),
        write_adapter(tmp_path / "given"),
        name="support",
        base=TINY,
        by="ada",
        data_digest="abc",
        card={"purpose": "replies", "seeds": [1, 2]},
    )
    assert new
    assert (card.name, card.version, card.stage, card.share) == ("support", 1, "draft", 0)
    assert (card.base, card.base_digest, card.rank) == ("tiny", "d" * 64, 4)
    assert (card.targets, card.data_digest) == (("q_proj", "v_proj"), "abc")
    assert card.card == {"purpose": "replies", "seeds": [1, 2]}
    assert card.served_name == f"support-1-{card.digest[:12]}"
    assert open_again().find("support@1") == card
    assert registry.store.check(card.digest).is_dir()
    (entry,) = registry.history("support")
    assert (entry.action, entry.actor, entry.version) == ("added", "ada", 1)
    assert entry.detail["digest"] == card.digest


def test_the_same_content_is_the_same_version(registry: Registry, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "given")
    first, _ = add(registry, Rollout(), folder, name="support", base=TINY, by="ada")
    again, new = add(registry, Rollout(), folder, name="support", base=TINY, by="bob")
    assert again == first and not new and len(registry.history()) == 1
    other, new = add(registry, Rollout(), folder, name="sales", base=TINY, by="bob")
    assert new and other.version == 1 and registry.store.digests() == [first.digest]


def test_one_name_belongs_to_one_base(
    registry: Registry, add_version: AddVersion, tmp_path: Path
) -> None:
    add_version()
    folder = write_adapter(tmp_path / "given")
    for other in (Base(name="tiny", digest="e" * 64), Base(name="x/tiny", digest="e" * 64)):
        with pytest.raises(InputError, match="adapter of another base"):
            add(registry, Rollout(), folder, name="support", base=other, by="ada")
    known = Base(name="tiny")  # its digest is not known: the name must do
    assert add(registry, Rollout(), folder, name="support", base=known, by="ada")[1]
    assert len(registry.versions()) == 2


@pytest.mark.parametrize("name", ["", "Support", "../x", "a@b", "x" * 65, "-x"])
def test_names_that_no_adapter_has(registry: Registry, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be an adapter's name"):
        add(registry, Rollout(), write_adapter(tmp_path / "g"), name=name, base=TINY, by="ada")
    assert not registry.store.digests()


def test_versions_are_found_by_number_stage_and_name(
    registry: Registry, add_version: AddVersion
) -> None:
    stable, canary, draft = (add_version(stage=each) for each in ("stable", "canary", "draft"))
    assert registry.find("support@stable").version == stable.version
    assert registry.find("support@canary").version == canary.version
    assert registry.find("support") == draft == registry.find("support@3")
    assert [card.version for card in registry.versions("support")] == [3, 2, 1]
    assert (registry.find("support@stable").share, canary.share) == (90, 10)
    for given in ("support@4", "support@retired", "other", "other@stable", "support@99999999999"):
        with pytest.raises(InputError):
            registry.find(given)
    with pytest.raises(InputError, match="no stage 'best'"):
        registry.find("support@best")


def test_a_new_stable_version_retires_the_old_one(
    registry: Registry, add_version: AddVersion
) -> None:
    first, second = add_version(stage="stable"), add_version(stage="stable")
    standing = registry.standing("support")
    assert standing.stable and standing.stable.version == second.version
    assert standing.previous and standing.previous.version == first.version
    assert registry.find("support@1").stage == "retired"
    assert [e.action for e in registry.history("support", 1)][:2] == ["replaced", "moved"]


def test_rollbacks_go_back_and_back(registry: Registry, add_version: AddVersion) -> None:
    for _ in range(3):
        add_version(stage="stable")
    bad, stable = roll_back(registry, "support", by="ada", why="complaints", detail={"n": 7})
    assert (bad.version, bad.stage, bad.condemned) == (3, "retired", True)
    assert stable and stable.version == 2
    entry = registry.history("support", 3)[0]
    assert (entry.action, entry.why, entry.detail["n"]) == ("rolled back", "complaints", 7)
    _, stable = roll_back(registry, "support", by="ada")
    assert stable and stable.version == 1
    with pytest.raises(InputError, match="no version of 'support' before 'support@1'"):
        roll_back(registry, "support", by="ada")
    assert registry.find("support@stable").version == 1


def test_a_rollback_ends_the_canary_first(registry: Registry, add_version: AddVersion) -> None:
    stable, canary = add_version(stage="stable"), add_version(stage="canary")
    bad, left = roll_back(registry, "support", by="ada")
    assert bad.version == canary.version and bad.condemned
    assert left and left.version == stable.version and left.share == 100
    again = promote(registry, Rollout(), bad, "candidate", by="ada")
    assert (again.stage, again.condemned) == ("candidate", False)


def test_what_was_withdrawn_or_condemned_is_nothing_to_go_back_to(
    registry: Registry, add_version: AddVersion
) -> None:
    first = add_version(stage="stable")
    promote(registry, Rollout(), first, "retired", by="ada")
    assert registry.standing("support").stable is None
    second = add_version(stage="stable")
    assert registry.standing("support").previous is None
    add_version(stage="stable")
    roll_back(registry, "support", by="ada")  # the third is condemned, the second stable again
    third = promote(registry, Rollout(), registry.get("support", 3), "candidate", by="ada")
    promote(registry, Rollout(), third, "retired", by="ada")
    standing = registry.standing("support")
    assert standing.stable and standing.stable.version == second.version
    assert standing.previous is None


def test_only_one_canary(registry: Registry, add_version: AddVersion) -> None:
    add_version(stage="canary")
    with pytest.raises(InputError, match="'support@1' is the canary already"):
        add_version(stage="canary")
    assert registry.find("support@2").stage == "candidate"


def test_removing_leaves_the_record(
    registry: Registry, add_version: AddVersion, tmp_path: Path
) -> None:
    card = add_version()
    gone = registry.remove(card, by="ada")
    assert gone.removed and gone.stage == "retired" and not registry.store.digests()
    assert registry.versions() == [] and registry.versions(removed=True) == [gone]
    assert registry.get("support", 1).digest == card.digest
    with pytest.raises(NotFound, match="was removed"):
        registry.move(gone, "candidate", by="ada")
    assert add_version().version == 2
    folder = tmp_path / "made0"
    again, new = add(registry, Rollout(), folder, name="support", base=TINY, by="ada")
    assert new and again.version == 3 and again.digest == card.digest


def test_what_answers_or_may_have_to_is_not_removed(
    registry: Registry, add_version: AddVersion
) -> None:
    for _ in range(2):
        add_version(stage="stable")
    add_version(stage="canary")
    for version in (1, 2, 3):
        with pytest.raises(InputError, match="cannot be removed"):
            registry.remove(registry.get("support", version), by="ada")
    assert len(registry.store.digests()) == 3


def test_content_that_another_name_has_stays(registry: Registry, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "given")
    cards = [
        add(registry, Rollout(), folder, name=name, base=TINY, by="ada")[0] for name in ("a", "b")
    ]
    registry.remove(cards[0], by="ada")
    assert registry.store.check(cards[1].digest)
    registry.remove(cards[1], by="ada")
    assert not registry.store.digests()


def test_content_deleted_meanwhile_is_not_registered(
    registry: Registry, add_version: AddVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between storing and registering, another process removed the version that had it too."""
    card = add_version("other")
    keep = registry.store.keep

    def meanwhile(folder: Path) -> str:
        digest = keep(folder)
        registry.remove(card, by="bob")
        return digest

    monkeypatch.setattr(registry.store, "keep", meanwhile)
    with pytest.raises(Unavailable, match="deleted meanwhile"):
        add(registry, Rollout(), tmp_path / "made0", name="support", base=TINY, by="ada")
    assert registry.versions() == []


def test_scores(registry: Registry, add_version: AddVersion) -> None:
    card = registry.score(add_version(), {"accuracy": 0.5, "form": 1}, by="eval")
    card = registry.score(card, {"accuracy": 0.75}, by="eval")
    assert card.scores == {"accuracy": 0.75, "form": 1.0}
    assert registry.history("support")[0].detail == {"accuracy": 0.75}
    with pytest.raises(InputError, match="'accuracy'"):
        registry.score(card, {"accuracy": float("nan")}, by="eval")
    assert registry.find("support").scores == card.scores


def test_the_history_is_never_changed(registry: Registry, add_version: AddVersion) -> None:
    add_version()
    before = registry.history()
    for sql in ("UPDATE adapter_history SET actor = 'x'", "DELETE FROM adapter_history"):
        with pytest.raises((Unavailable, SettingsError), match="never changed"):
            registry.database.change(sql)
    assert registry.history() == before


def test_the_revision_rises_with_every_change(registry: Registry, add_version: AddVersion) -> None:
    seen = [registry.revision()]
    card = add_version(stage="canary")
    seen.append(registry.revision())
    registry.set_share(card, 50, by="ada")
    seen.append(registry.revision())
    roll_back(registry, "support", by="ada")
    seen.append(registry.revision())
    assert seen == sorted(set(seen))


def test_many_processes_add_at_once(
    open_again: OpenRegistry, registry: Registry, tmp_path: Path
) -> None:
    """Numbers are given once each; adding takes turns or is told to try again."""
    cards: list[AdapterCard] = []

    def several(start: int) -> None:
        mine = open_again()
        for seed in range(start, start + 4):
            folder = write_adapter(tmp_path / f"f{seed}", weights(seed=seed, layers=1))
            while True:
                try:
                    cards.append(
                        add(mine, Rollout(), folder, name="support", base=TINY, by="ada")[0]
                    )
                    break
                except Unavailable:
                    continue

    threads = [threading.Thread(target=several, args=(start,)) for start in (0, 4, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(card.version for card in cards) == list(range(1, 13))
    assert len(registry.store.digests()) == len(registry.versions()) == 12


CRASH = """
import os, sys
from pathlib import Path
from fairlead.model_sections import Rollout
from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.registry import Registry, open_registry
from fairlead.serving.adapters.rollout import add
from fairlead.settings import load
point, folder, root = sys.argv[1:]
registry = open_registry(load({"storage": {"path": root}}).settings)
if point == "before the row":
    Registry.add = lambda *a, **k: os._exit(9)
else:
    Registry._note = lambda *a, **k: os._exit(9)
add(registry, Rollout(), Path(folder), name="support", base=Base(name="tiny"), by="ada")
"""


@pytest.mark.parametrize("point", ["before the row", "before the commit"])
def test_a_crash_while_adding_registers_nothing(tmp_path: Path, point: str) -> None:
    folder, root = write_adapter(tmp_path / "given"), tmp_path / "stored"
    command = [sys.executable, "-c", CRASH, point, str(folder), str(root)]
    assert subprocess.run(command, timeout=60).returncode == 9
    registry = open_registry(load({"storage": {"path": str(root)}}).settings)
    assert registry.versions(removed=True) == [] and registry.history() == []
    assert len(registry.strays()) == 1
    card, new = add(registry, Rollout(), folder, name="support", base=TINY, by="ada")
    assert new and card.version == 1 and registry.store.digests() == [card.digest]
    assert registry.strays() == []
    registry.close()
