"""A trained adapter on a real vLLM server: it says what it was taught, as it was taught to."""

import json
from pathlib import Path

import pytest

from fairlead.model_sections import ModelSettings, Rollout
from fairlead.serving.adapters import open_registry
from fairlead.serving.adapters.bases import read_base
from fairlead.serving.adapters.rollout import add
from fairlead.serving.scoring import compared
from fairlead.serving.training import Sources, Training, read_base_model, read_recipe, train
from fairlead.settings import load
from tests.servers.vllm import Vllm
from tests.serving.training.conftest import chat, written

pytestmark = pytest.mark.vllm
ANSWER = "Of course, gladly."


async def test_the_server_gives_the_answer_that_was_trained(
    vllm: Vllm, training_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every question has one answer: learned only if prompts are those that the server renders,
    and ended only if the end was trained, too."""
    base = read_base(vllm.model, name="fairlead-tiny")
    asked = [f"May I have {word} number {n}?" for n in range(30) for word in ("tea", "rye")]
    data = written(tmp_path / "data.jsonl", [chat(question, ANSWER) for question in asked])
    numbers = {"max_steps": 60, "learning_rate": 0.02, "threads": 1, "patience": 0}
    recipe = {"training": numbers, "lora": {"rank": 8, "alpha": 16, "dropout": 0.0}}
    trained = train(
        Training(
            sources=Sources(data=data.path),
            base=read_base_model(vllm.model, name="fairlead-tiny", digest=base.digest),
            recipe=read_recipe(None, recipe),
            folder=tmp_path / "out",
            python=training_python,
        )
    )
    registry = open_registry(load({"storage": {"path": str(tmp_path / "stored")}}).settings)
    card, _ = add(registry, Rollout(), trained.adapter, name="polite", base=base, by="ada")
    content = registry.store.check(card.digest)
    registry.close()
    golden = [chat(f"May I have tea number {number}?", ANSWER) for number in range(40, 48)]
    (tmp_path / "golden.jsonl").write_text("\n".join(map(json.dumps, golden)))
    monkeypatch.setenv("DATA_KEY", vllm.key)
    monkeypatch.setenv("CONTROL_KEY", vllm.control_key)
    told = ModelSettings.model_validate(
        {
            "provider": "vllm",
            "url": vllm.url,
            "name": vllm.name,
            "api_key": {"env": "DATA_KEY"},
            "control_key": {"env": "CONTROL_KEY"},
        }
    )
    found = await compared(card, content, tmp_path / "golden.jsonl", told, max_tokens=64)
    assert found.scores["exact_match"] == 1.0 and found.scores["errors"] == 0.0
    assert found.scores["base_exact_match"] == 0.0
