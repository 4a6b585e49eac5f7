"""The library that the settings name, opened for one command."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from fairlead.retrieval import Library
    from fairlead.settings import Settings

_Found = TypeVar("_Found")


@asynccontextmanager
async def opened(
    given: "Settings", *, embedding: bool = True, checked: bool = True
) -> "AsyncIterator[Library]":
    """With `embedding` it can embed texts and questions.

    Raises `SettingsError` where what is stored was embedded by another embedder, if `checked`.
    """
    from fairlead.retrieval import Library
    from fairlead.serving import open_embedder, open_reranker

    embedder = open_embedder(given) if embedding else None
    reranker = open_reranker(given) if embedding else None
    library = Library(given.storage.path / "knowledge", embedder, given, reranker=reranker)
    try:
        if checked:
            await library.check_embedder()
        yield library
    finally:
        await library.close()
        if reranker is not None:
            await reranker.close()


def tenant_named(name: str) -> str:
    """The name, checked. Raises `InputError` for one that no tenant can have."""
    from fairlead.assistant import tenant_principal

    return tenant_principal(name).tenant


def with_library(
    given: "Settings",
    work: "Callable[[Library], Awaitable[_Found]]",
    *,
    embedding: bool = False,
    checked: bool = True,
) -> _Found:
    """What `work` makes of the opened library."""

    async def run() -> _Found:
        async with opened(given, embedding=embedding, checked=checked) as library:
            return await work(library)

    return asyncio.run(run())
