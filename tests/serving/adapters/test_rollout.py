"""Who may do what to a version: moves, shares, gates, approvals."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from fairlead.errors import CheckFailed, FairleadError, InputError, Refused
from fairlead.model_sections import Rollout
from fairlead.serving.adapters.registry import Registry, open_registry
from fairlead.serving.adapters.rollout import (
    add,
    approve,
    examine_folder,
    promote,
    readiness,
    roll_back,
    start_canary,
)
from fairlead.serving.adapters.stages import MOVES, STAGES, Stage, check_move
from fairlead.settings import load
from tests.serving.adapters.conftest import TINY, AddVersion
from tests.serving.adapters.samples import weights, write_adapter

NONE = Rollout()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("to", STAGES)
def test_only_the_moves_of_the_table_are_legal(stage: Stage, to: Stage) -> None:
    if to in MOVES[stage]:
        check_move("x@1", stage, to)
        return
    with pytest.raises(InputError, match=f"'x@1' is {stage}"):
        check_move("x@1", stage, to)


def test_an_illegal_move_changes_nothing(registry: Registry, add_version: AddVersion) -> None:
    draft, before = add_version(), registry.revision()
    with pytest.raises(InputError, match="is draft and cannot become stable"):
        promote(registry, NONE, draft, "stable", by="ada")
    with pytest.raises(InputError, match="needs a share"):
        promote(registry, NONE, draft, "canary", by="ada")
    with pytest.raises(InputError, match="cannot become canary"):
        start_canary(registry, NONE, draft, 10, by="ada")
    assert registry.revision() == before and registry.find("support").stage == "draft"


@pytest.mark.parametrize("by", ["", "  ", "a\nb", "x" * 201])
def test_nobody_changes_nothing(registry: Registry, add_version: AddVersion, by: str) -> None:
    draft = add_version()
    with pytest.raises(InputError, match="nobody's name"):
        promote(registry, NONE, draft, "candidate", by=by)
    assert registry.find("support").stage == "draft"


def test_shares_go_up_by_steps(registry: Registry, add_version: AddVersion) -> None:
    rollout = Rollout(steps=(25, 5))
    card = start_canary(registry, rollout, add_version(stage="candidate"), by="ada")
    assert (card.stage, card.share) == ("canary", 5)
    assert start_canary(registry, rollout, card, by="ada").share == 25
    with pytest.raises(InputError, match=r"rollout\.steps has no more"):
        start_canary(registry, rollout, registry.find("support"), by="ada")
    assert start_canary(registry, rollout, card, 40, by="ada").share == 40
    for share in (0, -1, 100, float("nan")):
        with pytest.raises(InputError, match="is none"):
            start_canary(registry, rollout, card, share, by="ada")
    assert registry.find("support").share == 40
    entry = registry.history("support")[0]
    assert (entry.action, entry.detail) == ("share", {"from": 25.0, "to": 40})


def test_gates_must_be_green(registry: Registry, add_version: AddVersion) -> None:
    rollout = Rollout(gates={"accuracy": 0.9, "form": 0.99})
    card = registry.score(add_version(stage="candidate"), {"accuracy": 0.85}, by="eval")
    with pytest.raises(CheckFailed) as caught:
        promote(registry, rollout, card, "stable", by="ada")
    assert "accuracy is 0.85 and must be at least 0.9" in caught.value.message
    assert "form is not recorded" in caught.value.message
    assert registry.find("support").stage == "candidate"
    registry.score(card, {"accuracy": 0.9, "form": 1.0}, by="eval")
    assert promote(registry, rollout, card, "stable", by="ada").stage == "stable"
    detail = registry.history("support")[0].detail
    assert detail["gates"] == {"accuracy": [0.9, 0.9], "form": [1.0, 0.99]}


def test_approvals_are_of_different_people_and_not_of_the_one_who_added_it(
    registry: Registry, add_version: AddVersion
) -> None:
    rollout = Rollout(approvals=2)
    card = add_version(stage="candidate", by="ada")
    with pytest.raises(Refused, match="0 of 2 approvals"):
        promote(registry, rollout, card, "stable", by="ada")
    with pytest.raises(Refused, match="'ada' added 'support@1'"):
        approve(registry, card, by="ada")
    approve(registry, card, by="bob", note="read 50 answers")
    approve(registry, card, by="bob")
    with pytest.raises(Refused, match=r"1 \(bob\) of 2"):
        promote(registry, rollout, card, "stable", by="ada")
    approve(registry, card, by="cleo")
    assert readiness(registry, rollout, card).ready
    assert promote(registry, rollout, card, "stable", by="ada").stage == "stable"
    assert registry.history("support")[0].detail["approvers"] == ["bob", "cleo"]
    with pytest.raises(InputError, match="nothing to approve"):
        approve(registry, registry.find("support"), by="dan")


def test_approvals_do_not_outlive_a_rollback(registry: Registry, add_version: AddVersion) -> None:
    rollout = Rollout(approvals=1)
    card = add_version(stage="canary")
    approve(registry, card, by="bob")
    bad, _ = roll_back(registry, "support", by="ada")
    card = promote(registry, rollout, bad, "candidate", by="ada")
    with pytest.raises(Refused, match="0 of 1 approvals"):
        promote(registry, rollout, card, "stable", by="ada")


def test_changed_content_is_not_promoted(registry: Registry, add_version: AddVersion) -> None:
    card = add_version(stage="candidate")
    file = registry.store.path(card.digest) / "adapter_model.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(CheckFailed, match="no longer what was admitted"):
        promote(registry, NONE, card, "stable", by="ada")
    with pytest.raises(CheckFailed, match="no longer what was admitted"):
        start_canary(registry, NONE, card, 10, by="ada")
    assert registry.find("support").stage == "candidate"
    assert promote(registry, NONE, card, "retired", by="ada").stage == "retired"


def test_looking_at_a_folder_registers_nothing(registry: Registry, tmp_path: Path) -> None:
    admitted = examine_folder(write_adapter(tmp_path / "given"), TINY, NONE)
    assert not registry.store.digests() and registry.versions() == []
    card, _ = add(registry, NONE, tmp_path / "given", name="support", base=TINY, by="ada")
    assert card.digest == admitted.digest
    wide = write_adapter(tmp_path / "wide", weights(rank=8), r=8)
    assert examine_folder(wide, TINY, NONE).config.rank == 8
    with pytest.raises(InputError, match="rank 8 is over"):
        examine_folder(wide, TINY, Rollout(max_rank=4))


class Stages(RuleBasedStateMachine):
    """Any order of commands: the registry does what a table of stages does, or refuses."""

    versions: Bundle[int] = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.registry = open_registry(load({"storage": {"path": str(self.folder)}}).settings)
        self.stages: dict[int, Stage] = {}
        self.stood: list[int] = []
        """Versions that were stable, in that order; the last one is, where there is one."""
        self.gone: set[int] = set()
        self.events = 0

    def teardown(self) -> None:
        self.registry.close()
        shutil.rmtree(self.folder, onerror=lambda *_: None)

    @initialize(target=versions)
    def begin(self) -> int:
        return self._add()

    @rule(target=versions)
    def added(self) -> int:
        return self._add()

    def _add(self) -> int:
        seed = len(self.stages)
        made = write_adapter(self.folder / f"made{seed}", weights(seed=seed, layers=1, rank=1), r=1)
        card, _ = add(self.registry, NONE, made, name="x", base=TINY, by="ada")
        assert card.version == seed + 1
        self.stages[card.version] = "draft"
        return card.version

    @rule(version=versions, to=st.sampled_from(STAGES))
    def moved(self, version: int, to: Stage) -> None:
        card, stage = self.registry.get("x", version), self.stages[version]
        legal = version not in self.gone and (to in MOVES[stage] or to == stage == "canary")
        legal &= to != "canary" or stage == "canary" or "canary" not in self.stages.values()
        try:
            if to == "canary":
                start_canary(self.registry, NONE, card, 20, by="ada")
            else:
                promote(self.registry, NONE, card, to, by="ada")
        except FairleadError:
            assert not legal
            return
        assert legal
        if to == "stable":
            for other, its in self.stages.items():
                if its == "stable":
                    self.stages[other] = "retired"
            self.stood.append(version)
        if stage == "stable":
            self.stood.remove(version)
        self.stages[version] = to

    @rule()
    def rolled_back(self) -> None:
        canary = next((v for v, stage in self.stages.items() if stage == "canary"), None)
        stable = next((v for v, stage in self.stages.items() if stage == "stable"), None)
        earlier = [v for v in self.stood if self.stages[v] == "retired"]
        try:
            bad, now = roll_back(self.registry, "x", by="ada")
        except InputError:
            assert canary is None and (stable is None or not earlier)
            return
        assert bad.version == (canary or stable) and bad.condemned
        self.stages[bad.version] = "retired"
        self.stood = [v for v in self.stood if v != bad.version]
        if canary is None:
            self.stages[earlier[-1]] = "stable"
            self.stood = [v for v in self.stood if v != earlier[-1]] + [earlier[-1]]
            stable = earlier[-1]
        assert (now.version if now else None) == stable

    @rule(version=versions)
    def removed(self, version: int) -> None:
        stage = self.stages[version]
        earlier = [v for v in self.stood if self.stages[v] == "retired"]
        legal = stage not in ("canary", "stable") and version not in {*earlier[-1:], *self.gone}
        try:
            self.registry.remove(self.registry.get("x", version), by="ada")
        except InputError:
            assert not legal
            return
        assert legal
        self.gone.add(version)
        self.stages[version] = "retired"
        self.stood = [v for v in self.stood if v != version]

    @invariant()
    def the_registry_is_as_the_table_says(self) -> None:
        found = self.registry.versions("x", removed=True)
        assert {card.version: card.stage for card in found} == self.stages
        assert len([card for card in found if card.stage == "stable"]) <= 1
        assert len([card for card in found if card.stage == "canary"]) <= 1
        for card in found:
            assert card.removed or self.registry.store.path(card.digest).is_dir()

    @invariant()
    def the_history_only_grows(self) -> None:
        history = self.registry.history("x")
        assert len(history) >= self.events
        assert [entry.id for entry in history] == sorted((e.id for e in history), reverse=True)
        self.events = len(history)


Stages.TestCase.settings = hypothesis_settings(max_examples=10, stateful_step_count=25)
test_any_order_of_commands = Stages.TestCase
