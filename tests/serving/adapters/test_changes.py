"""Spans of reconciliation and of rollbacks: what changed, where, and nothing where nothing did."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.model_sections import Rollout
from fairlead.serving.adapters import control as control_module
from fairlead.serving.adapters import reconcile as module
from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.control import controlled
from fairlead.serving.adapters.outcomes import Outcome, Outcomes
from fairlead.serving.adapters.pins import Pins
from fairlead.serving.adapters.reconcile import Reconciler
from fairlead.serving.adapters.registry import Registry
from fairlead.serving.adapters.rollout import add, promote, start_canary
from fairlead.serving.adapters.watch import Watch
from fairlead.settings import load
from fairlead.tracing import SpanStore, TraceReader, Tracing
from tests.serving.adapters.conftest import AddVersion
from tests.serving.adapters.replicas import MemoryReplica, until
from tests.serving.adapters.samples import weights, write_adapter

Spans = Callable[[], list[list[Any]]]


@pytest.fixture
def tracing(tmp_path: Path) -> Iterator[Tracing]:
    made = Tracing(store=SpanStore(tmp_path / "traces.db"))
    yield made
    made.close()


@pytest.fixture
def spans(tracing: Tracing, tmp_path: Path) -> Spans:
    """Every trace so far, the oldest first."""

    def read() -> list[list[Any]]:
        tracing.flush()
        reader = TraceReader(tmp_path / "traces.db")
        return [list(reader.trace(each.trace_id).spans) for each in reversed(reader.traces())]

    return read


@pytest.fixture
def replicas() -> list[MemoryReplica]:
    return [MemoryReplica("http://one/v1"), MemoryReplica("http://two/v1")]


@pytest.fixture
def reconciler(
    registry: Registry,
    replicas: list[MemoryReplica],
    tracing: Tracing,
    monkeypatch: pytest.MonkeyPatch,
) -> Reconciler:
    monkeypatch.setattr(module, "LINGER", 0.0)
    pins = Pins(registry.database, hours=24)
    return Reconciler(registry, replicas, pins, tracing=tracing)


def told(span: Any) -> tuple[str, str, str, str]:
    said = span.attributes
    return (
        span.name,
        said["fairlead.replica"],
        said["fairlead.lora.version"],
        said["fairlead.lora.digest"],
    )


async def test_a_round_is_a_span_with_one_for_each_change(
    add_version: AddVersion, reconciler: Reconciler, spans: Spans
) -> None:
    await reconciler.round()
    assert spans() == []
    old = add_version(stage="stable")
    await reconciler.round()
    new = add_version(stage="stable")
    await reconciler.round()
    first, second = spans()
    for round_, *changes in (first, second):
        assert round_.name == "fairlead.adapters.reconcile" and round_.status == "ok"
        assert round_.attributes["fairlead.adapters.complete"] is True
        assert round_.attributes["fairlead.adapters.errors"] == 0
        assert {change.parent_span_id for change in changes} == {round_.span_id}
        assert {change.kind for change in changes} == {"client"}
        assert {change.attributes["fairlead.lora.name"] for change in changes} == {"support"}
    urls = ("http://one/v1", "http://two/v1")
    load = "fairlead.adapters.load support"
    assert sorted(map(told, first[1:])) == [(load, url, "1", old.digest) for url in urls]
    assert sorted(map(told, second[1:])) == [
        *((load, url, "2", new.digest) for url in urls),
        *(("fairlead.adapters.unload support", url, "1", old.digest) for url in urls),
    ]
    for _ in range(3):
        await reconciler.round()
    assert len(spans()) == 2


async def test_a_failure_is_told_once_and_its_end_too(
    add_version: AddVersion,
    reconciler: Reconciler,
    replicas: list[MemoryReplica],
    spans: Spans,
) -> None:
    add_version(stage="stable")
    replicas[0].max_rank = 1
    for _ in range(3):
        await reconciler.round()
    ((round_, *changes),) = spans()
    assert round_.attributes["fairlead.adapters.complete"] is False
    assert round_.attributes["fairlead.adapters.errors"] == 1
    assert {change.attributes["fairlead.replica"]: change.status for change in changes} == {
        "http://one/v1": "error",
        "http://two/v1": "ok",
    }
    (failed,) = [change for change in changes if change.status == "error"]
    assert failed.error_type == "bad_input"
    replicas[0].max_rank = 16
    await reconciler.round()
    _, (round_, mended) = spans()
    assert round_.attributes["fairlead.adapters.complete"] is True
    assert mended.status == "ok" and mended.attributes["fairlead.replica"] == "http://one/v1"


async def test_a_server_that_is_away_is_named_where_others_change(
    add_version: AddVersion,
    reconciler: Reconciler,
    replicas: list[MemoryReplica],
    spans: Spans,
) -> None:
    replicas[1].up = False
    await reconciler.round()
    assert spans() == []
    add_version(stage="stable")
    for _ in range(2):
        await reconciler.round()
    ((round_, change),) = spans()
    assert round_.attributes["fairlead.adapters.away"] == ["http://two/v1"]
    assert round_.attributes["fairlead.adapters.errors"] == 1 and change.status == "ok"


async def test_a_server_that_hangs_or_has_a_bug_changed_nothing(
    add_version: AddVersion,
    reconciler: Reconciler,
    replicas: list[MemoryReplica],
    spans: Spans,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(served_name: str, path: Path) -> None:
        await asyncio.Event().wait()

    async def fail(served_name: str, path: Path) -> None:
        raise KeyError(served_name)

    add_version(stage="stable")
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setattr(replicas[0], "load", hang)
    monkeypatch.setattr(replicas[1], "load", fail)
    for _ in range(2):
        await reconciler.round()
    ((round_, *changes),) = spans()
    assert round_.status == "ok" and len(round_.attributes["fairlead.adapters.away"]) == 2
    ended = {change.attributes["fairlead.replica"]: change for change in changes}
    assert ended["http://one/v1"].attributes["fairlead.ended"] == "cancelled"
    assert ended["http://two/v1"].error_type == "KeyError"


async def test_a_round_that_is_cancelled_leaves_no_span_open(
    add_version: AddVersion,
    reconciler: Reconciler,
    replicas: list[MemoryReplica],
    spans: Spans,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = asyncio.Event()

    async def hang(served_name: str, path: Path) -> None:
        begun.set()
        await asyncio.Event().wait()

    add_version(stage="stable")
    monkeypatch.setattr(replicas[0], "load", hang)
    task = asyncio.create_task(reconciler.round())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ((round_, *changes),) = spans()
    assert all(span.end_ns is not None for span in (round_, *changes))


def test_a_rollback_names_its_guard_and_numbers(
    registry: Registry, add_version: AddVersion, tracing: Tracing, spans: Spans
) -> None:
    stable, canary = add_version(stage="stable"), add_version(stage="canary")
    canary = start_canary(registry, Rollout(), canary, 30, by="ada")
    outcomes = Outcomes(registry.database)
    watch = Watch(registry, Rollout(), tracing=tracing)
    for draw in range(200):
        card = canary if draw % 3 == 0 else stable
        outcomes.record(
            Outcome(
                name="support", version=card.version, tenant="t", trial=canary.trial, draw=draw,
                error=card is canary, ms=50,
            )
        )  # fmt: skip
    outcomes.close()
    assert spans() == []
    (done,) = watch.check()
    ((span,),) = spans()
    assert watch.check() == [] and len(spans()) == 1
    assert span.name == "fairlead.adapters.rollback support" and span.status == "ok"
    said, alarm = span.attributes, done.alarm
    assert said["fairlead.lora.version"] == str(canary.version)
    assert said["fairlead.lora.digest"] == canary.digest
    assert said["fairlead.rollout.guard"] == "error_rate" == alarm.metric
    assert said["fairlead.rollout.test"] == "comparison"
    assert said["fairlead.rollout.e_value"] == alarm.e_value >= 100
    assert said["fairlead.rollout.threshold"] == 100
    assert said["fairlead.rollout.canary.bad"] == said["fairlead.rollout.canary.seen"] >= 20
    assert said["fairlead.rollout.stable.bad"] == 0 < said["fairlead.rollout.stable.seen"]
    assert said["fairlead.guard.reason"] == str(alarm)


async def test_what_goes_on_by_itself_hangs_below_nothing(
    tmp_path: Path, tracing: Tracing, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GLANCE", 0.01)
    monkeypatch.setattr(control_module, "_TIDYING", 0.0)
    given = {
        "storage": {"path": str(tmp_path / "stored")},
        "rollout": {"reconcile_seconds": 0.02},
    }
    replica, settings = MemoryReplica("http://one/v1"), load(given).settings
    with tracing.span("startup", {}):
        async with controlled(settings, [replica], tracing=tracing) as control:
            folder = write_adapter(tmp_path / "made", weights(seed=1, layers=1))
            card, _ = add(
                control.registry, Rollout(), folder, name="support", base=Base(name="tiny"), by="a"
            )
            card = promote(control.registry, Rollout(), card, "candidate", by="a")
            promote(control.registry, Rollout(), card, "stable", by="a")
            control.reconciler.wake()
            await until(lambda: bool(replica.adapters))
    first, second = spans()
    assert [span.name for span in first] == ["startup"]
    assert second[0].name == "fairlead.adapters.reconcile" and not second[0].parent_span_id
