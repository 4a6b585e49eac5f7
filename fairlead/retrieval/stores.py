"""The store that the settings name."""

from pathlib import Path

from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.retrieval.store import Store
from fairlead.settings import Settings

STORES = ("embedded", "weaviate")


def open_store(settings: Settings, root: Path, name: str | None = None) -> Store:
    """The store called `name`, else the configured one; nothing is opened yet.

    Raises `SettingsError` where its client is not installed.
    """
    if (name or settings.retrieval.store) == "weaviate":
        from fairlead.retrieval.weaviate import WeaviateStore  # noqa: PLC0415 - an extra

        return WeaviateStore(settings.weaviate)
    return EmbeddedStore(root)
