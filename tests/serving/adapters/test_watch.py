"""Canaries on trial: who is counted, what is found, and what the history then says."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from fairlead.model_sections import CanaryGuard, CanaryGuards, Rollout
from fairlead.serving.adapters.guards import Rate
from fairlead.serving.adapters.outcomes import Outcome, Outcomes
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry
from fairlead.serving.adapters.rollout import promote, roll_back, start_canary
from fairlead.serving.adapters.shares import Shares, parse_selector
from fairlead.serving.adapters.trial import Alarm, Before, Seen, Trial
from fairlead.serving.adapters.watch import RolledBack, Watch
from tests.serving.adapters.conftest import AddVersion, OpenRegistry

Make = Callable[[random.Random, bool], Seen]


def on_trial(
    make: Make, *, rollout: Rollout | None = None, conversations: int = 600, seed: int = 1
) -> tuple[Trial, Alarm | None]:
    """A trial at 20 percent, each outcome of a conversation of its own."""
    usual = Rate(bad=10, seen=1000)
    before = Before(
        rates={"error_rate": usual, "format_failures": usual, "verifier_failures": usual},
        slow_ms=100.0,
    )
    trial, chance = Trial(rollout or Rollout(), before), random.Random(seed)
    for draw in range(conversations * 5):
        seen = make(chance, chance.random() < 0.2)
        if alarm := trial.saw(replace(seen, draw=draw)):
            return trial, alarm
    return trial, None


def fine(chance: random.Random, canary: bool) -> Seen:
    return Seen(
        canary=canary,
        draw=0,
        error=chance.random() < 0.01,
        ms=chance.expovariate(1 / 33.4),
        bad_format=chance.random() < 0.01,
        unverified=chance.random() < 0.01,
        down=chance.random() < 0.2 if chance.random() < 0.3 else None,
    )


def test_a_good_canary_raises_no_alarm() -> None:
    trial, alarm = on_trial(fine)
    assert alarm is None and trial.conversations > 500
    assert max(trial.evidence().values()) < trial.threshold == 100


@pytest.mark.parametrize(
    ("metric", "change"),
    [
        ("error_rate", {"error": 0.15}),
        ("latency_p95", {"ms": 3.0}),
        ("format_failures", {"bad_format": 0.15}),
        ("verifier_failures", {"unverified": 0.25}),
        ("thumbs_down", {"down": 0.7}),
    ],
)
def test_each_guard_finds_what_it_looks_for(metric: str, change: dict[str, float]) -> None:
    def bad(chance: random.Random, canary: bool) -> Seen:
        seen = fine(chance, canary)
        for name, value in change.items() if canary else ():
            if name == "ms":
                seen = replace(seen, ms=chance.expovariate(1 / 33.4) * value)
            elif getattr(seen, name) is not None:
                seen = replace(seen, **{name: chance.random() < value})
        return seen

    _, alarm = on_trial(bad)
    assert alarm and alarm.metric == metric and alarm.test == "comparison"
    assert alarm.e_value >= alarm.threshold == 100 and alarm.tests == 5
    assert alarm.canary.value > alarm.stable.value
    said = str(alarm)
    assert said.startswith(metric) and f"{alarm.canary.bad} of {alarm.canary.seen}" in said
    assert f"stable {alarm.stable.bad} of {alarm.stable.seen}" in said and "of 100 needed" in said


def test_guards_can_be_off_and_limits_be_declared() -> None:
    off = CanaryGuard(on=False)
    guards = CanaryGuards(error_rate=off, format_failures=CanaryGuard(limit=0.05))
    rollout = Rollout(guards=guards)

    def broken(chance: random.Random, canary: bool) -> Seen:
        return Seen(canary=canary, draw=0, error=True)

    trial, alarm = on_trial(broken, rollout=rollout)
    assert alarm is None and "error_rate" not in trial.evidence()

    def formless(chance: random.Random, canary: bool) -> Seen:  # as bad as the stable version
        return Seen(canary=canary, draw=0, bad_format=chance.random() < 0.2)

    _, alarm = on_trial(formless, rollout=rollout)
    assert alarm and (alarm.metric, alarm.test, alarm.limit) == ("format_failures", "limit", 0.05)
    assert "over the limit 5.0%" in str(alarm)


def test_a_canary_has_a_few_conversations_before_it_is_judged() -> None:
    def broken(chance: random.Random, canary: bool) -> Seen:
        return Seen(canary=canary, draw=0, error=canary)

    for least in (1, 20):
        trial, alarm = on_trial(broken, rollout=Rollout(min_conversations=least))
        assert alarm and trial.conversations == max(least, trial.conversations)
        assert trial.conversations <= max(20, least)


def test_a_conversation_counts_once_for_each_guard() -> None:
    trial = Trial(Rollout(), Before(rates={}))
    for _ in range(500):
        trial.saw(Seen(canary=True, draw=1, error=True, bad_format=None))
        trial.saw(Seen(canary=False, draw=2, error=False))
    assert trial.alarm() is None and trial.conversations == 1
    assert max(trial.evidence().values()) == pytest.approx(1)


def test_what_is_slow_is_learnt_where_it_is_not_known() -> None:
    chance = random.Random(5)
    trial = Trial(Rollout(), Before(rates={}))
    found = None
    for draw in range(5000):
        canary = chance.random() < 0.2
        ms = chance.expovariate(1 / 100) * (3 if canary else 1)
        found = found or trial.saw(Seen(canary=canary, draw=draw, error=False, ms=ms))
    assert found and found.metric == "latency_p95"
    assert found.slow_ms and 200 < found.slow_ms < 500


SELECTOR = parse_selector("support@stable")


class Traffic:
    """Conversations of one turn each, through the shares, recorded as they come out."""

    def __init__(self, registry: Registry, seed: int = 7) -> None:
        self.shares = Shares(registry)
        self.outcomes = Outcomes(registry.database)
        self.chance = random.Random(seed)
        self.number = 0

    async def flow(self, conversations: int, *, errors: dict[int, float], turns: int = 1) -> int:
        """Lets them ask; `errors` is the rate of each version. How many the canary got."""
        self.shares.refresh()
        of_canary = set()
        for _ in range(conversations):
            self.number += 1
            for _ in range(turns):
                choice = await self.shares.choose(
                    SELECTOR, tenant="t", thread=f"thread-{self.number}"
                )
                assert choice.card
                error = self.chance.random() < errors[choice.card.version]
                self.outcomes.record(
                    Outcome(
                        name="support",
                        version=choice.card.version,
                        tenant="t",
                        trial=choice.trial,
                        draw=choice.draw,
                        error=error,
                        ms=self.chance.expovariate(1 / 50),
                    )
                )
                if choice.card.stage == "canary":
                    of_canary.add(self.number)
        self.outcomes.flush()
        return len(of_canary)


@pytest.fixture
def traffic(registry: Registry) -> Traffic:
    return Traffic(registry)


def running_canary(registry: Registry, add_version: AddVersion, share: float = 20) -> AdapterCard:
    add_version(stage="stable")
    return start_canary(registry, Rollout(), add_version(stage="candidate"), share, by="ada")


async def test_a_bad_canary_is_rolled_back_and_the_history_says_why(
    registry: Registry, add_version: AddVersion, traffic: Traffic
) -> None:
    add_version(stage="stable")
    await traffic.flow(200, errors={1: 0.01})
    canary = start_canary(registry, Rollout(), add_version(stage="candidate"), 20, by="ada")
    watch = Watch(registry, Rollout())
    done: list[RolledBack] = []
    got = 0
    while not done:
        got += await traffic.flow(50, errors={1: 0.01, 2: 0.3})
        assert got < 150
        done = watch.check()
    (rolled,) = done
    assert rolled.card.version == canary.version and rolled.card.condemned
    standing = registry.standing("support")
    assert standing.canary is None and standing.stable and standing.stable.version == 1
    entry = registry.history("support", canary.version)[0]
    assert (entry.action, entry.actor, entry.why) == ("rolled back", "fairlead", str(rolled.alarm))
    assert entry.detail["metric"] == "error_rate" and entry.detail["automatic"] is True
    assert entry.detail["canary"] == {
        "bad": rolled.alarm.canary.bad,
        "seen": rolled.alarm.canary.seen,
    }
    assert entry.detail["threshold"] == 100 and entry.detail["alpha"] == 0.05
    traffic.shares.refresh()
    choice = await traffic.shares.choose(SELECTOR, tenant="t", thread="thread-201")
    assert choice.card and choice.card.version == 1
    assert watch.check() == []
    traffic.outcomes.close()


async def test_a_good_canary_stays(
    registry: Registry, add_version: AddVersion, traffic: Traffic
) -> None:
    canary = running_canary(registry, add_version)
    watch = Watch(registry, Rollout())
    got = await traffic.flow(400, errors={1: 0.02, 2: 0.02})
    assert got > 50 and watch.check() == []
    evidence = watch.evidence(canary)
    assert set(evidence) == set(CanaryGuards.model_fields) and max(evidence.values()) < 100
    assert registry.standing("support").canary == canary
    traffic.outcomes.close()


async def test_a_watch_that_starts_later_comes_to_the_same(
    registry: Registry, open_again: OpenRegistry, add_version: AddVersion, traffic: Traffic
) -> None:
    canary = running_canary(registry, add_version)
    watch = Watch(registry, Rollout())
    for _ in range(3):
        await traffic.flow(60, errors={1: 0.05, 2: 0.07})
        assert watch.check() == []
    assert Watch(open_again(), Rollout()).evidence(canary) == watch.evidence(canary)
    traffic.outcomes.close()


async def test_conversations_that_began_before_do_not_count(
    registry: Registry, add_version: AddVersion, traffic: Traffic
) -> None:
    """Long threads of the stable version are no fair comparison for new ones."""
    add_version(stage="stable")
    for number in range(20):
        await traffic.shares.choose(SELECTOR, tenant="t", thread=f"thread-{number}")
    canary = start_canary(registry, Rollout(), add_version(stage="candidate"), 20, by="ada")
    traffic.number = -1
    assert await traffic.flow(20, errors={1: 0.0, 2: 1.0}) == 0
    rows = registry.database.rows("SELECT DISTINCT trial FROM adapter_outcomes")
    assert rows == [(0,)]
    traffic.number = 100
    await traffic.flow(20, errors={1: 0.0, 2: 0.0})
    rows = registry.database.rows("SELECT DISTINCT trial FROM adapter_outcomes ORDER BY trial")
    assert rows == [(0,), (canary.trial,)]
    traffic.outcomes.close()


async def test_a_second_trial_of_a_version_begins_anew(
    registry: Registry, add_version: AddVersion, traffic: Traffic
) -> None:
    canary = running_canary(registry, add_version)
    await traffic.flow(60, errors={1: 0.0, 2: 1.0})
    roll_back(registry, "support", by="ada")
    again = promote(registry, Rollout(), registry.get("support", 2), "candidate", by="ada")
    again = start_canary(registry, Rollout(), again, 20, by="ada")
    assert again.trial > canary.trial
    watch = Watch(registry, Rollout())
    assert watch.check() == []
    assert max(watch.evidence(again).values()) == pytest.approx(1)
    traffic.outcomes.close()


async def test_an_alarm_that_could_not_be_written_is_not_forgotten(
    registry: Registry,
    add_version: AddVersion,
    traffic: Traffic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running_canary(registry, add_version)
    await traffic.flow(300, errors={1: 0.0, 2: 0.8})
    watch = Watch(registry, Rollout())
    with monkeypatch.context() as patched:

        def failing(*given: object, **named: object) -> None:
            raise RuntimeError("the disk is full")

        patched.setattr(Registry, "roll_back", failing)
        with pytest.raises(RuntimeError):
            watch.check()
    assert len(watch.check()) == 1
    traffic.outcomes.close()
