"""An adapter answers by settings alone: loaded, asked, verified, measured, judged by people."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead import Assistant, Document
from fairlead.model_sections import Rollout
from fairlead.serving.adapters import open_registry
from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.outcomes import Outcomes
from fairlead.serving.adapters.rollout import add, promote
from fairlead.settings import Settings, load
from tests.serving.adapters.samples import weights, write_adapter
from tests.serving.remote.protocol import Connection, Seen, answered, reply
from tests.serving.remote.test_replica import Engine

TEA = Document(id="tea", title="Tea", text="Green tea is brewed at 70 degrees for two minutes.")
QUESTION = "At how many degrees is green tea brewed?"


class Serving(Engine):
    """Loads adapters; each answers by what `said` has for it."""

    said = "Green tea is brewed at 70 degrees [1]."

    async def control(self, connection: Connection, seen: Seen) -> None:
        if "messages" not in seen.body:
            await super().control(connection, seen)
        else:
            await reply(body=answered(self.said))(connection, seen)


@pytest.fixture
async def engine() -> AsyncIterator[Serving]:
    async with Serving() as made:
        yield made


@pytest.fixture
def settings(engine: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CONTROL_KEY", "control")
    values: Any = {
        "storage": {"path": str(tmp_path / "stored")},
        "retrieval": {"embedder": "none"},
        "model": {
            "provider": "vllm",
            "url": engine.url,
            "name": "base",
            "control_key": {"env": "CONTROL_KEY"},
        },
        "models": {"big": {"provider": "vllm", "url": engine.url, "name": "big"}},
        "routes": {
            "answer": {
                "adapter": "support@stable",
                "tiers": [{"model": "big", "adapter": "expert@stable", "words": 40}],
            }
        },
    }
    given = load(values).settings
    registry = open_registry(given)
    folder = write_adapter(tmp_path / "made", weights(layers=1))
    card, _ = add(registry, Rollout(), folder, name="support", base=Base(name="tiny"), by="ada")
    card = promote(registry, Rollout(), card, "candidate", by="ada")
    promote(registry, Rollout(), card, "stable", by="ada")
    registry.close()
    return given


def measured(settings: Settings) -> Any:
    registry = open_registry(settings)
    found = Outcomes(registry.database).summary("support", 1)
    registry.close()
    return found


async def test_an_answer_by_an_adapter(engine: Serving, settings: Settings) -> None:
    async with Assistant.open(settings) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        answer = await assistant.ask(QUESTION, tenant="acme", thread="t")
        assistant.feedback(answer.run_id, good=False, tenant="acme")
    assert answer.status == "answered" and answer.warnings == ()
    assert (answer.route.adapter, answer.route.version) == ("support", "1")
    assert answer.route.digest and answer.route.reason == "the route's model, stable"
    served = {seen.body["model"] for seen in engine.seen if "messages" in seen.body}
    assert served == {f"support-1-{answer.route.digest[:12]}"} == engine.adapters
    found = measured(settings)
    assert (found.requests, found.errors, found.thumbs_down) == (1, 0, 1)
    assert (found.verifier_checked, found.verifier_failures) == (1, 0)


async def test_what_the_verifier_does_not_let_pass_counts(
    engine: Serving, settings: Settings
) -> None:
    engine.said = "Green tea is brewed at 99 degrees in Paris [1]."
    async with Assistant.open(settings) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        answer = await assistant.ask(QUESTION, tenant="acme", thread="t")
    assert "99" not in answer.text
    assert measured(settings).verifier_failures >= 1


async def test_without_adapters_feedback_is_let_go(tmp_path: Path) -> None:
    values = {"storage": {"path": str(tmp_path)}, "retrieval": {"embedder": "none"}}
    async with Assistant.open(values) as assistant:
        assistant.feedback("no such run", good=True)
