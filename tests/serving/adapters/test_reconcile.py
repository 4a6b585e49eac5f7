"""Servers have what the registry says: after promotions, rollbacks, restarts and trouble."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import pytest

from fairlead.errors import Unavailable
from fairlead.model_sections import Rollout
from fairlead.serving.adapters import reconcile as module
from fairlead.serving.adapters.pins import Pins
from fairlead.serving.adapters.reconcile import Reconciler
from fairlead.serving.adapters.registry import Registry
from fairlead.serving.adapters.rollout import promote, roll_back, start_canary
from fairlead.serving.adapters.shares import Shares, parse_selector
from tests.serving.adapters.conftest import AddVersion
from tests.serving.adapters.replicas import MemoryReplica, until

Make = Callable[..., Reconciler]
STRANGER = "other-1-0123456789ab"


@pytest.fixture
def replicas() -> list[MemoryReplica]:
    return [MemoryReplica("one"), MemoryReplica("two")]


@pytest.fixture
def make(
    registry: Registry, replicas: list[MemoryReplica], monkeypatch: pytest.MonkeyPatch
) -> Make:
    """A reconciler that does not wait for requests under way, unless it is told to."""
    monkeypatch.setattr(module, "LINGER", 0.0)

    def one(**options: object) -> Reconciler:
        pins = Pins(registry.database, hours=24)
        return Reconciler(registry, replicas, pins, **options)  # type: ignore[arg-type]

    return one


def names(*cards: object) -> set[str]:
    return {card.served_name for card in cards}  # type: ignore[attr-defined]


async def test_every_server_gets_what_answers_and_nothing_else(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    stable, canary = add_version(stage="stable"), add_version(stage="canary")
    for stage in ("draft", "candidate"):
        add_version(stage=stage)
    other = add_version("sales", stage="stable")
    found = await make().round()
    assert found.complete and found.ready == names(stable, canary, other)
    for replica in replicas:
        assert set(replica.adapters) == names(stable, canary, other)
        assert replica.adapters[stable.served_name] == registry.store.path(stable.digest)
    again = await make().round()
    assert again.complete and all(not state.added for state in again.replicas)


async def test_the_new_one_is_everywhere_before_the_old_one_goes(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    old = add_version(stage="stable")
    reconciler = make()
    await reconciler.round()
    replicas[1].up = False
    new = add_version(stage="stable")
    found = await reconciler.round()
    assert not found.complete and reconciler.ready(new.served_name)
    assert set(replicas[0].adapters) == names(old, new)  # the other server lacks the new one
    replicas[1].up = True
    found = await reconciler.round()
    assert found.complete
    for replica in replicas:
        assert replica.log == [
            f"+{old.served_name}",
            f"+{new.served_name}",
            f"-{old.served_name}",
        ]


async def test_conversations_keep_their_version_loaded(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    selector = parse_selector("support")
    old = add_version(stage="stable")
    shares = Shares(registry)
    await shares.choose(selector, tenant="t", thread="a")
    new = add_version(stage="stable")
    reconciler = make()
    found = await reconciler.round()
    assert found.complete and set(replicas[0].adapters) == names(old, new)
    replicas[0].restart()
    await reconciler.round()
    assert set(replicas[0].adapters) == names(old, new)
    registry.database.change("UPDATE adapter_pins SET used = used - 90000")
    assert (await reconciler.round()).complete
    assert set(replicas[0].adapters) == names(new)


async def test_what_was_rolled_back_goes(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    stable, canary = add_version(stage="stable"), add_version(stage="canary")
    start_canary(registry, Rollout(), canary, 99, by="ada")
    await Shares(registry).choose(parse_selector("support"), tenant="t", thread="a")
    reconciler = make()
    await reconciler.round()
    roll_back(registry, "support", by="ada")
    assert (await reconciler.round()).complete
    assert set(replicas[0].adapters) == names(stable)


async def test_requests_under_way_are_waited_for(
    registry: Registry,
    add_version: AddVersion,
    replicas: list[MemoryReplica],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINGER", 10.0)
    now = [0.0]
    reconciler = make(clock=lambda: now[0])
    stable, canary = add_version(stage="stable"), add_version(stage="canary")
    await reconciler.round()
    roll_back(registry, "support", by="ada")
    for seconds in (0.0, 9.0):
        now[0] = seconds
        assert not (await reconciler.round()).complete
        assert set(replicas[0].adapters) == names(stable, canary)
    again = promote(registry, Rollout(), registry.get("support", 2), "candidate", by="ada")
    again = start_canary(registry, Rollout(), again, 10, by="ada")
    now[0] = 11.0
    await reconciler.round()  # needed again: the clock starts anew
    roll_back(registry, "support", by="ada")
    now[0] = 20.0
    await reconciler.round()
    assert set(replicas[0].adapters) == names(stable, canary)
    now[0] = 31.0
    assert (await reconciler.round()).complete


async def test_a_server_that_restarts_is_healed(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    stable = add_version(stage="stable")
    reconciler = make()
    await reconciler.round()
    replicas[1].restart()
    found = await reconciler.round()
    assert found.complete and found.replicas[1].added == (stable.served_name,)
    assert not found.replicas[0].added


async def test_one_server_that_is_down_or_hangs_stops_no_other(
    registry: Registry,
    add_version: AddVersion,
    replicas: list[MemoryReplica],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    stable = add_version(stage="stable")
    reconciler = make()
    for trouble in ("up", "hangs"):
        setattr(replicas[0], trouble, trouble == "hangs")
        found = await reconciler.round()
        assert [state.answered for state in found.replicas] == [False, True]
        assert found.replicas[0].errors and not found.complete
        assert set(replicas[1].adapters) == names(stable) and found.ready == names(stable)
        replicas[0].up = True
    replicas[0].hangs = False
    assert (await reconciler.round()).complete


async def test_adapters_of_others_are_left_alone_and_reported(
    registry: Registry,
    add_version: AddVersion,
    replicas: list[MemoryReplica],
    make: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stable = add_version(stage="stable")
    for name in ("hand-made", STRANGER):
        replicas[0].adapters[name] = registry.store.root
    reconciler = make()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            found = await reconciler.round()
    assert found.complete and found.replicas[0].strangers == ("hand-made", STRANGER)
    assert set(replicas[0].adapters) == names(stable) | {"hand-made", STRANGER}
    assert caplog.text.count("'hand-made' is not of the registry") == 1


async def test_changed_content_is_not_loaded(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    good, bad = add_version("sales", stage="stable"), add_version(stage="stable")
    file = registry.store.path(bad.digest) / "adapter_model.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    found = await make().round()
    assert set(replicas[0].adapters) == names(good) == set(found.ready)
    assert "no longer what was admitted" in found.replicas[0].errors[0] and not found.complete


async def test_a_refusal_leaves_what_is_served_untouched(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    old = add_version(stage="stable")
    reconciler = make()
    await reconciler.round()
    replicas[1].max_rank = 2
    new = add_version(stage="stable")
    found = await reconciler.round()
    assert "greater than max_lora_rank 2" in found.replicas[1].errors[0]
    assert set(replicas[1].adapters) == names(old)
    assert set(replicas[0].adapters) == names(old, new)
    assert not reconciler.ready(new.served_name) and reconciler.ready(old.served_name)
    choice = await Shares(registry, ready=reconciler.ready).choose(
        parse_selector("support"), tenant="t", thread="a"
    )
    assert choice.card and choice.card.version == old.version


async def test_another_process_that_was_faster_is_no_trouble(
    registry: Registry,
    add_version: AddVersion,
    replicas: list[MemoryReplica],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between looking and loading, and between looking and unloading."""
    stable, canary = add_version(stage="stable"), add_version(stage="canary")
    load, unload = MemoryReplica.load, MemoryReplica.unload

    async def twice(self: MemoryReplica, name: str, *given: object) -> None:
        act = load if given else unload
        await act(self, name, *given)  # type: ignore[arg-type]
        await act(self, name, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryReplica, "load", twice)
    monkeypatch.setattr(MemoryReplica, "unload", twice)
    reconciler = make()
    found = await reconciler.round()
    assert found.complete and found.ready == names(stable, canary)
    roll_back(registry, "support", by="ada")
    found = await reconciler.round()
    assert found.complete and not any(state.errors for state in found.replicas)


async def test_versions_that_routes_name_are_loaded(
    registry: Registry, add_version: AddVersion, replicas: list[MemoryReplica], make: Make
) -> None:
    draft, candidate = add_version(), add_version(stage="candidate")
    bad = add_version(stage="canary")
    roll_back(registry, "support", by="ada")
    routes = [parse_selector(text) for text in ("support@1", "support@candidate", "support@3")]
    await make(wanted=routes).round()
    assert set(replicas[0].adapters) == names(draft, candidate)
    assert bad.served_name not in replicas[0].adapters


async def test_a_registry_that_is_away_changes_nothing(
    registry: Registry,
    add_version: AddVersion,
    replicas: list[MemoryReplica],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stable = add_version(stage="stable")
    reconciler = make()
    await reconciler.round()

    def away(*given: object, **named: object) -> None:
        raise Unavailable("the registry is away")

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "versions", away)
        with pytest.raises(Unavailable):
            await reconciler.round()
    assert set(replicas[0].adapters) == names(stable) and reconciler.ready(stable.served_name)


async def test_a_server_with_a_bug_stops_no_other(
    registry: Registry,
    add_version: AddVersion,
    replicas: list[MemoryReplica],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stable = add_version(stage="stable")

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(replicas[0], "loaded", broken)
    found = await make().round()
    assert found.replicas[0].errors == ("unexpected ZeroDivisionError",)
    assert set(replicas[1].adapters) == names(stable)


async def test_the_loop_goes_on_and_wakes_at_once(
    registry: Registry,
    add_version: AddVersion,
    replicas: list[MemoryReplica],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reconciler, failed = make(seconds=3600), []

    async def after() -> None:
        failed.append(1)
        raise ZeroDivisionError if len(failed) == 1 else Unavailable("away")

    running = asyncio.create_task(reconciler.run(after))
    await until(lambda: bool(failed))
    stable = add_version(stage="stable")
    reconciler.wake()
    await until(lambda: set(replicas[1].adapters) == names(stable))
    monkeypatch.setattr(module, "GLANCE", 0.01)
    await asyncio.sleep(0)
    reconciler.wake()  # so that the shorter look counts from now on
    await until(lambda: len(failed) >= 3)
    canary = add_version(stage="canary")  # nobody wakes it: it sees that the registry changed
    await until(lambda: set(replicas[1].adapters) == names(stable, canary))
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    reconciler.wake()


async def test_without_servers_everything_is_ready(registry: Registry) -> None:
    reconciler = Reconciler(registry, (), Pins(registry.database, hours=1))
    found = await reconciler.round()
    assert found.complete and reconciler.ready("anything") and not found.ready
