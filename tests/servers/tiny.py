"""An assistant on the tiny model, in a world whose names the model never saw in training."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fairlead import Assistant, Document
from scripts.tiny_text import find_order
from scripts.tiny_world import Fact
from tests.servers.vllm import Vllm

FACTS = (
    Fact(name="Zorvex", quality="warranty", amount=17),
    Fact(name="Bramil", quality="weight", amount=320),
    Fact(name="Quintal", quality="delivery time", amount=46),
)
WARRANTY = "What is the warranty of the Zorvex?"
SENTENCE = "The warranty of the Zorvex is 17 months."
"""What its document says, word for word."""


@asynccontextmanager
async def opened(
    server: Vllm, folder: Path, *, tenants: Sequence[str] = ("acme",), **sections: Any
) -> AsyncIterator[Assistant]:
    """Plans and answers by the server's model, unless `sections` of the settings say otherwise.

    Needs the fixture `vllm_keys`. Each tenant has a document of each fact.
    """
    async with Assistant.open(settings(server, folder, **sections), tools=[find_order]) as made:
        documents = [Document(id=fact.name.lower(), text=fact.sentence) for fact in FACTS]
        for tenant in tenants:
            await made.ingest(documents, tenant=tenant)
        yield made


def settings(server: Vllm, folder: Path, **sections: Any) -> dict[str, Any]:
    """Settings for a server whose keys are in the variables that the fixture `vllm_keys` sets."""
    return {
        "storage": {"path": str(folder)},
        "model": {
            "provider": "vllm",
            "url": server.url,
            "name": server.name,
            "api_key": {"env": "DATA_KEY"},
            "control_key": {"env": "CONTROL_KEY"},
        },
        "routes": {"planner": {"model": "base"}, "answer": {"model": "base", "temperature": 0}},
        **sections,
    }
