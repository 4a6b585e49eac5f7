"""A snapshot of a few passages in a real embedded store, with a small deterministic embedder."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Scope
from fairlead.schema import Document, Principal
from fairlead.settings import Settings

FILMS = (
    ("solaris", "Solaris is a film of 1972, directed by Andrei Tarkovsky."),
    ("tarkovsky", "The home town of Andrei Tarkovsky lies on the Volga river."),
    ("stars", "How many stars a telescope shows depends on its mirror."),
    ("bread", "Bread needs flour, water, salt and a warm place."),
)


@pytest.fixture
async def snapshot(tmp_path: Path, embedder: Embedder) -> AsyncIterator[Snapshot]:
    """Of `FILMS`, linked by the names in them."""
    settings = Settings.model_validate({"collections": {"default": {"entities": "rules"}}})
    store = EmbeddedStore(tmp_path / "knowledge")
    library = Library(tmp_path / "knowledge", embedder, settings, store=store)
    await library.ingest([Document(id=key, text=text) for key, text in FILMS], tenant="t")
    scope = Scope(principal=Principal(tenant="t"), now=datetime.now(UTC))
    async with store.index("t", "default").snapshot(scope) as opened:
        yield opened
    await library.close()
