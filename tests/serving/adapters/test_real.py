"""Adapters on a real vLLM server: loaded, canaried, promoted, rolled back, restarted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead.protocols import Completion, Message, Request
from fairlead.serving.adapters import Control, open_registry
from fairlead.serving.adapters.bases import read_base
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.refusals import AdapterRefused
from fairlead.serving.adapters.rollout import add, promote, roll_back, start_canary
from fairlead.serving.models import open_control, open_models
from fairlead.serving.routes import RoutedModel
from fairlead.settings import Settings, load
from fairlead.tracing import Tracing
from tests.servers.random_model import write_adapter
from tests.servers.vllm import Vllm
from tests.serving.adapters.samples import write_adapter as write_sample

pytestmark = pytest.mark.vllm
TRACING = Tracing()


@pytest.fixture
def settings(vllm: Vllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DATA_KEY", vllm.key)
    monkeypatch.setenv("CONTROL_KEY", vllm.control_key)
    values: Any = {
        "storage": {"path": str(tmp_path / "stored")},
        "model": {
            "provider": "vllm",
            "url": vllm.url,
            "name": vllm.name,
            "api_key": {"env": "DATA_KEY"},
            "control_key": {"env": "CONTROL_KEY"},
        },
        "routes": {"answer": {"adapter": "support@stable", "max_tokens": 10, "temperature": 0}},
        "rollout": {"reconcile_seconds": 0.5},
    }
    return load(values).settings


def version(settings: Settings, vllm: Vllm, folder: Path, seed: int, stage: str) -> AdapterCard:
    registry = open_registry(settings)
    made = write_adapter(folder / f"made-{seed}", seed=seed)
    base = read_base(vllm.model, name="random")
    card, _ = add(registry, settings.rollout, made, name="support", base=base, by="ada")
    card = promote(registry, settings.rollout, card, "candidate", by="ada")
    if stage == "stable":
        card = promote(registry, settings.rollout, card, "stable", by="ada")
    if stage == "canary":
        card = start_canary(registry, settings.rollout, card, 50, by="ada")
    registry.close()
    return card


@asynccontextmanager
async def answering(settings: Settings) -> AsyncIterator[tuple[Control, RoutedModel]]:
    async with open_control(settings) as control:
        assert control is not None
        async with open_models(settings, adapters=control, tracing=TRACING) as models:
            model = models.route("answer")
            assert model is not None
            yield control, model


async def asked(model: RoutedModel, thread: str) -> Completion:
    messages = (Message(role="user", content="Hello there, how are you?"),)
    return await model.complete(Request(messages=messages, tenant="acme", thread=thread))


def by(completion: Completion) -> str:
    assert completion.route is not None
    return completion.route.version


async def settled(control: Control, *names: str) -> None:
    """Returns when all servers have these, and conversations may be given them."""
    async with asyncio.timeout(60):
        while not all(map(control.reconciler.ready, names)):  # noqa: ASYNC110 - of processes
            await asyncio.sleep(0.1)


async def test_canary_promotion_rollback_and_restart(
    vllm: Vllm, settings: Settings, tmp_path: Path
) -> None:
    one = version(settings, vllm, tmp_path, 11, "stable")
    threads = [f"thread {number}" for number in range(24)]
    async with answering(settings) as (control, model):
        await settled(control, one.served_name)
        before = await asked(model, "old")
        assert by(before) == "1" and before.warnings == () and before.model == one.served_name

        two = version(settings, vllm, tmp_path, 12, "canary")
        await asyncio.to_thread(control.shares.refresh)
        control.reconciler.wake()
        await settled(control, one.served_name, two.served_name)
        drawn = {thread: await asked(model, thread) for thread in threads}
        share = sum(by(completion) == "2" for completion in drawn.values())
        assert 5 <= share <= 19
        texts = {by(completion): completion.text for completion in drawn.values()}
        assert texts["1"] == before.text != texts["2"]
        for thread in threads[:8]:
            assert by(await asked(model, thread)) == by(drawn[thread])

        registry = open_registry(settings)
        promote(registry, settings.rollout, registry.get("support", 2), "stable", by="ada")
        await asyncio.to_thread(control.shares.refresh)
        await settled(control, two.served_name)
        assert by(await asked(model, "new")) == "2" and by(await asked(model, "old")) == "1"

        roll_back(registry, "support", by="ada")
        registry.close()
        await asyncio.to_thread(control.shares.refresh)
        await settled(control, one.served_name)
        moved = await asked(model, "new")
        assert by(moved) == "1" and "rolled back" in moved.warnings[0]
        assert by(await asked(model, "newer")) == "1"

        summary = await asyncio.to_thread(_summary, control, 1)
        assert summary.requests > 10 and summary.errors == 0

        vllm.kill()
        vllm.start()  # in this thread, with which the server would end
        async with asyncio.timeout(60):
            again = await asked(model, "old")
            while by(again) != "1" or again.warnings:  # until the next round has healed it
                assert "404" in again.warnings[0] or "no answer" in again.warnings[0]
                await asyncio.sleep(0.2)
                again = await asked(model, "old")
        assert again.text == before.text


def _summary(control: Control, number: int) -> Any:
    control.outcomes.flush()
    return control.outcomes.summary("support", number)


async def test_refusals_leave_the_serving_untouched(
    vllm: Vllm, settings: Settings, tmp_path: Path
) -> None:
    one = version(settings, vllm, tmp_path, 21, "stable")
    bad = write_adapter(tmp_path / "bad", seed=22)
    (bad / "adapter_model.bin").write_bytes(b"pickle")
    cut = write_adapter(tmp_path / "cut", seed=23)
    weights = cut / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    other = write_sample(tmp_path / "other")
    async with answering(settings) as (control, model):
        await settled(control, one.served_name)
        loaded = set(await control.reconciler._replicas[0].loaded())
        registry = open_registry(settings)
        base = read_base(vllm.model, name="random")
        for folder in (bad, cut, other):
            with pytest.raises(AdapterRefused):
                add(registry, settings.rollout, folder, name="support", base=base, by="eve")
        assert [card.version for card in registry.versions()] == [1]
        registry.close()
        await control.reconciler.round()
        assert set(await control.reconciler._replicas[0].loaded()) == loaded
        assert by(await asked(model, "still")) == "1"
