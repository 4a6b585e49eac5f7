"""Adapters of the tiny model on a real vLLM server, through an assistant and its settings.

One answers formally and one with notes, from the same sources: who answered can be read.
"""

import asyncio
import itertools
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fairlead import Answer, Assistant
from fairlead.serving.adapters import open_registry
from fairlead.serving.adapters.bases import read_base
from fairlead.serving.adapters.outcomes import Outcomes
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.refusals import AdapterRefused
from fairlead.serving.adapters.rollout import add, promote, roll_back, start_canary
from fairlead.settings import Settings, load
from scripts.tiny_world import FOLDERS, STYLES
from tests.servers import tiny
from tests.servers.tiny import SENTENCE, WARRANTY
from tests.servers.vllm import Vllm
from tests.serving.adapters.samples import write_adapter

pytestmark = [pytest.mark.vllm, pytest.mark.usefixtures("vllm_keys")]
BASE, FORMAL, NOTE = FOLDERS
SAID = {"": SENTENCE, "1": STYLES["formal"](SENTENCE), "2": STYLES["note"](SENTENCE)}
"""Version → what it answers; the empty one is the base."""
SECTIONS: Any = {
    "routes": {
        "planner": {"model": "base"},
        "answer": {"adapter": "support@stable", "temperature": 0},
    },
    "rollout": {"reconcile_seconds": 0.5},
}


@pytest.fixture
def settings(vllm: Vllm, vllm_keys: None, tmp_path: Path) -> Settings:
    return load(tiny.settings(vllm, tmp_path / "stored", **SECTIONS)).settings


def opened(vllm: Vllm, folder: Path) -> Any:
    return tiny.opened(vllm, folder / "stored", **SECTIONS)


def version(settings: Settings, folder: Path, stage: str) -> AdapterCard:
    """The adapter in the folder as the next version."""
    with closing(open_registry(settings)) as registry:
        rollout, base = settings.rollout, read_base(BASE, name="fairlead-tiny")
        card, _ = add(registry, rollout, folder, name="support", base=base, by="ada")
        card = promote(registry, rollout, card, "candidate", by="ada")
        if stage == "stable":
            return promote(registry, rollout, card, "stable", by="ada")
        return start_canary(registry, rollout, card, 50, by="ada")


async def asked(assistant: Assistant, *threads: str) -> list[Answer]:
    """The same question in each of these conversations, side by side."""
    return await asyncio.gather(
        *(assistant.ask(WARRANTY, tenant="acme", thread=thread) for thread in threads)
    )


def right(answer: Answer) -> str:
    """The version that answered, in its own style, with the document cited."""
    number = answer.route.version
    assert (answer.status, answer.text) == ("answered", SAID[number])
    assert [citation.quote for citation in answer.citations] == [SENTENCE]
    return number


async def given(assistant: Assistant, *numbers: str) -> list[str]:
    """Eight new conversations that were given all of these versions and no other, begun again
    until the process has seen the change and the server has what it needs."""
    async with asyncio.timeout(60):
        for tries in itertools.count():
            threads = [f"to {numbers}, {tries}, {number}" for number in range(8)]
            if {right(answer) for answer in await asked(assistant, *threads)} == set(numbers):
                return threads
    raise AssertionError("the time is up")


def served(vllm: Vllm) -> set[str]:
    return {each["id"] for each in vllm.ask("/v1/models")["data"]}


async def test_canary_promotion_rollback_and_restart(
    vllm: Vllm, settings: Settings, tmp_path: Path
) -> None:
    async with opened(vllm, tmp_path) as assistant:
        assert await given(assistant, "")
        one = version(settings, FORMAL, "stable")
        old, *_ = await given(assistant, "1")
        two = version(settings, NOTE, "canary")
        assert await given(assistant, "1", "2")

        threads = [f"thread {number}" for number in range(24)]
        drawn = await asked(assistant, *threads)
        assert 5 <= list(map(right, drawn)).count("2") <= 19
        assert not any(answer.warnings for answer in drawn)
        digests = {answer.route.version: answer.route.digest for answer in drawn}
        assert digests == {"1": one.digest, "2": two.digest}
        again = await asked(assistant, *threads)
        assert list(map(right, again)) == list(map(right, drawn))

        with closing(open_registry(settings)) as registry:
            promote(registry, settings.rollout, registry.get("support", 2), "stable", by="ada")
            new, *_ = await given(assistant, "2")
            assert list(map(right, await asked(assistant, old, new))) == ["1", "2"]
            roll_back(registry, "support", by="ada")
            assert await given(assistant, "1")
            (moved,) = await asked(assistant, new)
            assert right(moved) == "1" and "rolled back" in moved.warnings[0]
            summary = Outcomes(registry.database).summary("support", 1)
        assert summary.requests > 20 and summary.errors == summary.verifier_failures == 0

        assert served(vllm) >= {one.served_name, two.served_name}
        vllm.kill()
        vllm.start()  # in this thread, with which the server would end
        assert not served(vllm) & {one.served_name, two.served_name}
        assert await given(assistant, "1")  # the base answered until the server was healed
        (healed,) = await asked(assistant, old)
        assert right(healed) == "1" and healed.warnings == ()


async def test_refusals_leave_the_serving_untouched(
    vllm: Vllm, settings: Settings, tmp_path: Path
) -> None:
    version(settings, FORMAL, "stable")
    bad = Path(shutil.copytree(NOTE, tmp_path / "bad"))
    (bad / "adapter_model.bin").write_bytes(b"pickle")
    cut = Path(shutil.copytree(NOTE, tmp_path / "cut"))
    weights = cut / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    other = write_adapter(tmp_path / "other", base_model_name_or_path="fairlead-tiny")
    async with opened(vllm, tmp_path) as assistant:
        await given(assistant, "1")
        before = served(vllm)
        for folder in (bad, cut, other):
            with pytest.raises(AdapterRefused):
                version(settings, folder, "stable")
        with closing(open_registry(settings)) as registry:
            assert [card.version for card in registry.versions()] == [1]
        await given(assistant, "1")
        assert served(vllm) == before
