"""Puts an assistant together from its settings; the one place that knows every room."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeIs

from fairlead.agents import (
    EmbeddedPlanner,
    ExtractiveAnswerer,
    FallbackAnswerer,
    ModelAnswerer,
)
from fairlead.protocols import Answerer, Embedder, Model, Planner
from fairlead.retrieval import Library
from fairlead.schema import Principal
from fairlead.serving import LangChainModel, TracedModel, langchain_class, open_embedder
from fairlead.settings import Settings
from fairlead.storage import Leases
from fairlead.tools import BUILTINS, Journal, Toolbox
from fairlead.tracing import SpanStore, Tracing

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from opentelemetry.trace import TracerProvider

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English; the budget of a prompt's passages is given in tokens."""


@asynccontextmanager
async def assembled(
    settings: Settings,
    *,
    tools: Iterable[object],
    model: "Model | BaseChatModel | None",
    planner: Planner | None,
    principal: Principal | None,
    tracer_provider: "TracerProvider | None",
) -> AsyncIterator[dict[str, Any]]:
    """The keyword arguments of an `Assistant`; everything opened is closed with the block."""
    root = settings.storage.path
    embedder = open_embedder(settings.retrieval.embedder)
    warming = asyncio.get_running_loop().run_in_executor(None, _warm, embedder)
    # After the embedder began to load: its work and this import overlap.
    from fairlead.graphs import Checkpoints, Parts, build_machine  # noqa: PLC0415

    store = SpanStore(root / "traces.db") if settings.telemetry.store == "local" else None
    tracing = Tracing(
        provider=tracer_provider, store=store, content=settings.telemetry.content == "spans"
    )
    journal = Journal(root / "journal.db")
    toolbox = Toolbox([*BUILTINS, *tools], settings, journal)
    library = Library(root / "knowledge", embedder, settings, tracing)
    checkpoints = Checkpoints(root / "runs.db", principal=principal)
    parts = Parts(
        planner=planner or EmbeddedPlanner(embedder),
        answerer=_answerer(settings, model, embedder, tracing),
        searcher=library,
        tools=toolbox,
        tracing=tracing,
        settings=settings,
        principal=principal,
    )
    await warming
    try:
        yield {
            "parts": parts,
            "checkpoints": checkpoints,
            "machine": build_machine(parts, checkpoints),
            "library": library,
            "toolbox": toolbox,
            "leases": Leases.at(root / "threads.lock"),
        }
    finally:
        await library.close()
        checkpoints.close()
        journal.close()
        tracing.close()


def _warm(embedder: Embedder | None) -> None:
    if embedder is not None:
        embedder.embed(["ready"])


def _answerer(
    settings: Settings,
    model: "Model | BaseChatModel | None",
    embedder: Embedder | None,
    tracing: Tracing,
) -> Answerer:
    """The model that was given, else the configured one, else the embedded answerer."""
    if model is None and settings.model.provider != "embedded":
        model = langchain_class(settings.model.provider, settings.model.options)
    if model is None:
        return ExtractiveAnswerer(embedder)
    provider = "fairlead" if _is_model(model) else type(model).__module__.partition(".")[0]
    ours = model if _is_model(model) else LangChainModel(model)
    writer = ModelAnswerer(
        TracedModel(ours, tracing, provider=provider),
        context=settings.retrieval.context_tokens * CHARACTERS_PER_TOKEN,
    )
    return FallbackAnswerer(writer, ExtractiveAnswerer(embedder))


def _is_model(model: "Model | BaseChatModel") -> TypeIs[Model]:
    return callable(getattr(model, "complete", None)) and callable(getattr(model, "stream", None))
