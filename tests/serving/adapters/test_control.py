"""A whole rollout in one process: servers, shares, outcomes, guards."""

import asyncio
import random
from pathlib import Path

import pytest

from fairlead.model_sections import Rollout
from fairlead.serving.adapters import control as module
from fairlead.serving.adapters import reconcile, shares
from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.control import controlled
from fairlead.serving.adapters.outcomes import Outcome
from fairlead.serving.adapters.rollout import add, promote, start_canary
from fairlead.serving.adapters.shares import parse_selector
from fairlead.settings import Settings, load
from tests.serving.adapters.replicas import MemoryReplica, until
from tests.serving.adapters.samples import weights, write_adapter

SUPPORT = parse_selector("support@stable")


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(reconcile, "LINGER", 0.0)
    monkeypatch.setattr(reconcile, "GLANCE", 0.01)
    monkeypatch.setattr(shares, "FRESH", 0.0)
    monkeypatch.setattr(module, "_TIDYING", 0.0)
    given = {
        "storage": {"path": str(tmp_path / "stored")},
        "rollout": {"reconcile_seconds": 0.02},
    }
    return load(given).settings


async def test_a_bad_canary_comes_and_goes(quick: Settings, tmp_path: Path) -> None:
    replicas, chance = [MemoryReplica("one"), MemoryReplica("two")], random.Random(1)
    async with controlled(quick, replicas) as control:
        for seed in (1, 2):
            folder = write_adapter(tmp_path / f"made{seed}", weights(seed=seed, layers=1))
            card, _ = add(
                control.registry,
                Rollout(),
                folder,
                name="support",
                base=Base(name="tiny"),
                by="ada",
            )
            promote(control.registry, Rollout(), card, "candidate", by="ada")
        promote(control.registry, Rollout(), control.registry.get("support", 1), "stable", by="ada")
        start_canary(control.registry, Rollout(), card, 30, by="ada")
        control.reconciler.wake()
        number, answered_by = 0, set()
        async with asyncio.timeout(30):
            while control.registry.standing("support").canary:
                number += 1
                choice = await control.shares.choose(SUPPORT, tenant="t", thread=f"t{number}")
                assert choice.card
                if choice.card.served_name not in replicas[number % 2].adapters:
                    await asyncio.sleep(0.001)  # before the first round: it would be answered 404
                    continue
                answered_by.add(choice.card.version)
                control.outcomes.record(
                    Outcome(
                        name="support",
                        version=choice.card.version,
                        tenant="t",
                        trial=choice.trial,
                        draw=choice.draw,
                        error=choice.card.version == 2 and chance.random() < 0.5,
                        ms=50,
                    )
                )
                await asyncio.sleep(0)
        assert answered_by == {1, 2}
        (stable,) = [control.registry.get("support", 1).served_name]
        await until(lambda: all(set(replica.adapters) == {stable} for replica in replicas))
        entry = control.registry.history("support", 2)[0]
        assert (entry.action, entry.actor) == ("rolled back", "fairlead")
        assert entry.why.startswith("error_rate")


async def test_it_starts_with_servers_that_are_away(quick: Settings, tmp_path: Path) -> None:
    replica = MemoryReplica("one")
    replica.up = False
    async with controlled(quick, [replica]) as control:
        assert control.reconciler.last and not control.reconciler.last.complete
        choice = await control.shares.choose(SUPPORT, tenant="t", thread="a")
        assert choice.card is None
