"""Puts an assistant together from its settings; the one place that knows every room."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

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
    from typing_extensions import TypeIs

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
    embedder = open_embedder(settings)
    warming = asyncio.get_running_loop().run_in_executor(None, _warm, embedder)
    # After the embedder began to load: its work and this import overlap.
    from fairlead.graphs import Checkpoints, Parts, build_machine  # noqa: PLC0415

    async with AsyncExitStack() as opened:  # what was opened is closed, also when the rest fails
        store = SpanStore(root / "traces.db") if settings.telemetry.store == "local" else None
        content = settings.telemetry.content == "spans"
        tracing = Tracing(provider=tracer_provider, store=store, content=content)
        opened.callback(tracing.close)
        journal = Journal(root / "journal.db")
        opened.callback(journal.close)
        toolbox = Toolbox([*BUILTINS, *tools], settings, journal)
        checkpoints = Checkpoints(root / "runs.db", principal=principal)
        opened.callback(checkpoints.close)
        library = Library(root / "knowledge", embedder, settings, tracing)
        opened.push_async_callback(library.close)
        await library.check_embedder()
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
        yield {
            "parts": parts,
            "machine": build_machine(parts, checkpoints),
            "library": library,
            "toolbox": toolbox,
            "leases": Leases.at(root / "threads.lock"),
        }


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
        prompt=settings.prompts.answerer,
    )
    return FallbackAnswerer(writer, ExtractiveAnswerer(embedder))


def _is_model(model: "Model | BaseChatModel") -> "TypeIs[Model]":
    return callable(getattr(model, "complete", None)) and callable(getattr(model, "stream", None))
