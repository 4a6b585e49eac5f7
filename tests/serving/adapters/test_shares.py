"""Which version answers: shares that only grow, and conversations that stay."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from fairlead.errors import InputError
from fairlead.model_sections import Rollout
from fairlead.serving.adapters import shares as module
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry, open_registry
from fairlead.serving.adapters.rollout import add, promote, roll_back, start_canary
from fairlead.serving.adapters.shares import Choice, Shares, parse_selector, place
from fairlead.settings import load
from tests.serving.adapters.conftest import TINY, AddVersion, OpenRegistry
from tests.serving.adapters.samples import weights, write_adapter

STABLE = parse_selector("support@stable")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registry is looked at for every request, as after a second."""
    monkeypatch.setattr(module, "FRESH", -1.0)
    yield


def version(choice: Choice) -> int:
    return choice.card.version if choice.card else 0


@given(st.text(), st.text(), st.text())
def test_a_place_is_always_the_same(digest: str, tenant: str, key: str) -> None:
    assert 0 <= place(digest, tenant, key) < 1
    assert place(digest, tenant, key) == place(digest, tenant, key)


def test_places_are_spread_evenly_and_differ_by_canary_and_tenant() -> None:
    keys = [f"thread-{number}" for number in range(20_000)]
    for digest, tenant in (("a", "x"), ("b", "x"), ("a", "y")):
        for share in (1, 10, 50):
            hit = sum(place(digest, tenant, key) < share / 100 for key in keys) / len(keys)
            assert abs(hit - share / 100) < 4 * (share / 100 * (1 - share / 100) / 20_000) ** 0.5
    both = sum(place("a", "x", key) < 0.1 and place("b", "x", key) < 0.1 for key in keys)
    assert 100 < both < 300  # 1 % of 20,000: no one is always the guinea pig


@pytest.mark.parametrize("text", ["", "Support@stable", "support@best", "a@b@c", "../x"])
def test_selectors_that_are_none(text: str) -> None:
    with pytest.raises(InputError):
        parse_selector(text)


def test_a_bare_name_is_its_stable_version() -> None:
    assert parse_selector("support") == parse_selector("support@") == STABLE


async def test_a_growing_share_takes_more_in_and_lets_nobody_out(
    registry: Registry, add_version: AddVersion
) -> None:
    add_version(stage="stable")
    canary = add_version(stage="canary")
    shares = Shares(registry)
    inside: set[str] = set()
    for share in (1, 10, 30, 80):
        start_canary(registry, Rollout(), canary, share, by="ada")
        found = {
            subject
            for subject in map(str, range(300))
            if version(await shares.choose(STABLE, tenant="t", subject=subject)) == canary.version
        }
        assert inside <= found and abs(len(found) / 300 - share / 100) < 0.1
        inside = found


async def test_without_an_adapter_the_base_answers_and_it_is_said(
    registry: Registry, add_version: AddVersion
) -> None:
    shares = Shares(registry)
    nothing = await shares.choose(STABLE, tenant="t", thread="a")
    assert nothing.card is None and "no version at all" in nothing.warning
    draft = add_version()
    waiting = await shares.choose(STABLE, tenant="t", subject="a")
    assert waiting.card is None and "no stable version" in waiting.warning
    exact = await shares.choose(parse_selector("support@1"), tenant="t")
    assert exact.card == draft and exact.why == "named"
    none = await shares.choose(parse_selector("support@canary"), tenant="t")
    assert none.card is None and "support@canary is not there" in none.warning


async def test_a_conversation_stays_while_canaries_come_and_go(
    registry: Registry, open_again: OpenRegistry, add_version: AddVersion
) -> None:
    """Begun, grown, promoted under it: it stays, in every process."""
    first = add_version(stage="stable")
    shares, other = Shares(registry), Shares(open_again())
    threads = [f"thread-{number}" for number in range(40)]

    async def versions() -> list[int]:
        mine = [await shares.choose(STABLE, tenant="t", thread=each) for each in threads]
        theirs = [await other.choose(STABLE, tenant="t", thread=each) for each in threads]
        assert [version(each) for each in mine] == [version(each) for each in theirs]
        assert not any(each.warning for each in (*mine, *theirs))
        return [version(each) for each in mine]

    assert set(await versions()) == {first.version}
    canary = add_version(stage="canary")
    start_canary(registry, Rollout(), canary, 50, by="ada")
    assert set(await versions()) == {first.version}
    threads += [f"new-{number}" for number in range(40)]
    began = await versions()
    assert set(began[:40]) == {first.version} and set(began[40:]) == {1, 2}
    promote(registry, Rollout(), canary, "stable", by="ada")
    assert await versions() == began
    threads.append("newest")
    assert (await versions())[-1] == canary.version
    add_version(stage="stable")
    assert (await versions())[:-1] == began


async def test_a_version_that_was_rolled_back_is_left_with_a_warning(
    registry: Registry, add_version: AddVersion
) -> None:
    add_version(stage="stable")
    canary = add_version(stage="canary")
    start_canary(registry, Rollout(), canary, 50, by="ada")
    shares = Shares(registry)
    threads = [f"thread-{number}" for number in range(30)]
    before = {t: version(await shares.choose(STABLE, tenant="t", thread=t)) for t in threads}
    assert set(before.values()) == {1, 2}
    roll_back(registry, "support", by="ada")
    for thread in threads:
        choice = await shares.choose(STABLE, tenant="t", thread=thread)
        assert version(choice) == 1
        assert bool(choice.warning) is (before[thread] == 2)
        if choice.warning:
            assert (
                "began with support@2, which was rolled back; support@1 goes on" in choice.warning
            )
        assert not (await shares.choose(STABLE, tenant="t", thread=thread)).warning
    promote(registry, Rollout(), registry.get("support", 1), "retired", by="ada")
    choice = await shares.choose(STABLE, tenant="t", thread=threads[0])
    assert choice.card is None and "which was withdrawn; the base model goes on" in choice.warning


async def test_a_conversation_that_began_on_the_base_stays_there(
    registry: Registry, add_version: AddVersion
) -> None:
    shares = Shares(registry)
    assert version(await shares.choose(STABLE, tenant="t", thread="a")) == 0
    add_version(stage="stable")
    stays = await shares.choose(STABLE, tenant="t", thread="a")
    assert (version(stays), stays.why, stays.warning) == (0, "base", "")
    assert version(await shares.choose(STABLE, tenant="t", thread="b")) == 1


async def test_a_rest_that_is_too_long_ends_a_conversation(
    registry: Registry, open_again: OpenRegistry, add_version: AddVersion
) -> None:
    clock = Clock()
    add_version(stage="stable")
    shares = Shares(registry, pin_hours=2, clock=clock)
    await shares.choose(STABLE, tenant="t", thread="a")
    add_version(stage="stable")
    for _ in range(5):  # ten hours, never two without a turn
        clock.now += 7000
        assert version(await shares.choose(STABLE, tenant="t", thread="a")) == 1
    assert shares.pins.held() == {("support", 1)}
    clock.now += 7300
    assert shares.pins.held() == set()
    moved = await shares.choose(STABLE, tenant="t", thread="a")
    assert version(moved) == 2 and "support@1, which rested too long" in moved.warning
    clock.now += 31 * 86_400
    assert shares.pins.forget() == 1


async def test_another_processes_turn_keeps_a_conversation_going(
    registry: Registry, open_again: OpenRegistry, add_version: AddVersion
) -> None:
    clock = Clock()
    add_version(stage="stable")
    one = Shares(registry, pin_hours=2, clock=clock)
    other = Shares(open_again(), pin_hours=2, clock=clock)
    await one.choose(STABLE, tenant="t", thread="a")
    add_version(stage="stable")
    clock.now += 7000
    await other.choose(STABLE, tenant="t", thread="a")
    clock.now += 7000
    assert version(await one.choose(STABLE, tenant="t", thread="a")) == 1


async def test_nothing_crosses_a_tenant(registry: Registry, add_version: AddVersion) -> None:
    shares = Shares(registry)
    add_version(stage="stable")
    await shares.choose(STABLE, tenant="one", thread="a")
    add_version(stage="stable")
    assert version(await shares.choose(STABLE, tenant="one", thread="a")) == 1
    assert version(await shares.choose(STABLE, tenant="two", thread="a")) == 2


async def test_a_version_that_is_not_loaded_gets_no_new_conversation(
    registry: Registry, add_version: AddVersion
) -> None:
    loaded: set[str] = set()
    shares = Shares(registry, ready=loaded.__contains__)
    first = add_version(stage="stable")
    assert version(await shares.choose(STABLE, tenant="t", thread="a")) == 1  # nothing else is
    loaded.add(first.served_name)
    second = add_version(stage="stable")
    assert version(await shares.choose(STABLE, tenant="t", thread="b")) == 1
    loaded.add(second.served_name)
    assert version(await shares.choose(STABLE, tenant="t", thread="c")) == 2
    canary = add_version(stage="canary")
    start_canary(registry, Rollout(), canary, 99, by="ada")
    subjects = [str(number) for number in range(20)]
    assert {version(await shares.choose(STABLE, tenant="t", subject=s)) for s in subjects} == {2}
    loaded.add(canary.served_name)
    found = [version(await shares.choose(STABLE, tenant="t", subject=s)) for s in subjects]
    assert found.count(3) > 15


async def test_two_processes_draw_for_one_thread(
    registry: Registry, open_again: OpenRegistry, add_version: AddVersion
) -> None:
    """The first write holds, also where the other process had another view of the registry."""
    add_version(stage="stable")
    other = Shares(open_again())
    other.refresh()
    add_version(stage="stable")
    one = Shares(registry)
    assert version(await one.choose(STABLE, tenant="t", thread="a")) == 2
    assert version(await other.choose(STABLE, tenant="t", thread="a")) == 2


async def test_a_known_thread_costs_no_look_at_the_database(
    registry: Registry, add_version: AddVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRESH", 60.0)
    monkeypatch.setattr(module, "REMEMBERED", 2)
    add_version(stage="stable")
    shares = Shares(registry)
    for thread in ("a", "b", "c"):
        await shares.choose(STABLE, tenant="t", thread=thread)

    def never(*given: object) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(type(registry.database), "rows", never)
    assert version(await shares.choose(STABLE, tenant="t", thread="c")) == 1
    assert version(await shares.choose(STABLE, tenant="t", subject="x")) == 1
    with pytest.raises(AssertionError):  # it was forgotten for the two after it
        await shares.choose(STABLE, tenant="t", thread="a")


class Conversations(RuleBasedStateMachine):
    """Whatever is done to versions, a conversation moves only when its version was given up."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.registry = open_registry(load({"storage": {"path": str(self.folder)}}).settings)
        self.shares = Shares(self.registry)
        self.began: dict[str, int] = {}
        self.made = 0

    def teardown(self) -> None:
        self.registry.close()
        shutil.rmtree(self.folder, onerror=lambda *_: None)

    def _candidate(self) -> AdapterCard:
        self.made += 1
        folder = write_adapter(
            self.folder / f"made{self.made}", weights(seed=self.made, layers=1, rank=1), r=1
        )
        card, _ = add(self.registry, Rollout(), folder, name="support", base=TINY, by="ada")
        return promote(self.registry, Rollout(), card, "candidate", by="ada")

    @rule()
    def new_stable(self) -> None:
        promote(self.registry, Rollout(), self._candidate(), "stable", by="ada")

    @rule(share=st.sampled_from([5, 50, 95]))
    def canary(self, share: float) -> None:
        running = self.registry.standing("support").canary
        start_canary(self.registry, Rollout(), running or self._candidate(), share, by="ada")

    @precondition(lambda self: self.registry.standing("support").canary)
    @rule()
    def canary_promoted(self) -> None:
        running = self.registry.standing("support").canary
        assert running
        promote(self.registry, Rollout(), running, "stable", by="ada")

    @rule()
    def rolled_back(self) -> None:
        try:
            roll_back(self.registry, "support", by="ada")
        except InputError:
            pass

    @rule(number=st.integers(0, 5))
    def asked(self, number: int) -> None:
        thread = f"thread-{number}"
        choice = asyncio.run(self.shares.choose(STABLE, tenant="t", thread=thread))
        if thread not in self.began:
            self.began[thread] = version(choice)
        elif version(choice) != self.began[thread]:
            given_up = self.registry.get("support", self.began[thread])
            assert given_up.condemned and "was rolled back" in choice.warning
            self.began[thread] = version(choice)
        else:
            assert not choice.warning or choice.why == "base"
        if choice.card:
            assert not choice.card.condemned


Conversations.TestCase.settings = hypothesis_settings(max_examples=6, stateful_step_count=30)
test_conversations = Conversations.TestCase
