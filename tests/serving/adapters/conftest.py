"""A registry of each kind; the one in PostgreSQL only where tests that need it are asked for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.model_sections import Rollout
from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry, open_registry
from fairlead.serving.adapters.rollout import add, promote, start_canary
from fairlead.settings import load
from tests.serving.adapters.samples import weights, write_adapter

OpenRegistry = Callable[[], Registry]
AddVersion = Callable[..., AdapterCard]
TINY = Base(name="tiny", digest="d" * 64)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenRegistry]:
    """Opens the same registry anew each time, as another process would."""
    storage = {"path": str(tmp_path / "stored")}
    if request.param == "postgresql":
        storage["url"] = request.getfixturevalue("postgres").url()
    settings = load({"storage": storage}).settings
    opened: list[Registry] = []

    def one() -> Registry:
        opened.append(open_registry(settings))
        return opened[-1]

    yield one
    for registry in opened:
        registry.close()


@pytest.fixture
def registry(open_again: OpenRegistry) -> Registry:
    return open_again()


@pytest.fixture
def add_version(registry: Registry, tmp_path: Path) -> AddVersion:
    """Adds a version with weights of its own, and brings it to `stage`."""
    made = iter(range(1000))

    def one(name: str = "support", *, stage: str = "draft", by: str = "ada") -> AdapterCard:
        seed = next(made)
        folder = write_adapter(tmp_path / f"made{seed}", weights(seed=seed, layers=1))
        card, _ = add(registry, Rollout(), folder, name=name, base=TINY, by=by)
        if stage != "draft":
            card = promote(registry, Rollout(), card, "candidate", by=by)
        if stage == "canary":
            return start_canary(registry, Rollout(), card, 10, by=by)
        return promote(registry, Rollout(), card, "stable", by=by) if stage == "stable" else card

    return one
