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
    ModelPlanner,
)
from fairlead.agents.judge import TOKENS, ModelJudge
from fairlead.errors import SettingsError
from fairlead.protocols import Answerer, Embedder, Model, Planner
from fairlead.retrieval import Library
from fairlead.schema import Principal
from fairlead.serving import open_embedder, open_models, open_reranker
from fairlead.serving.models import Models, open_control
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
        reranker = open_reranker(settings, tracing)
        if reranker is not None:
            opened.push_async_callback(reranker.close)
        library = Library(root / "knowledge", embedder, settings, tracing, reranker=reranker)
        opened.push_async_callback(library.close)
        await library.check_embedder()
        control = await opened.enter_async_context(open_control(settings, tracing=tracing))
        models = await opened.enter_async_context(
            open_models(settings, model=model, adapters=control, tracing=tracing)
        )
        parts = Parts(
            planner=planner or _planner(settings, models, embedder),
            answerer=_answerer(settings, models, embedder),
            entailment=_judge(settings, models),
            searcher=library,
            tools=toolbox,
            tracing=tracing,
            settings=settings,
            principal=principal,
            verdicts=control.outcomes if control else None,
        )
        await warming
        yield {
            "parts": parts,
            "machine": build_machine(parts, checkpoints),
            "library": library,
            "toolbox": toolbox,
            "leases": Leases.at(root / "threads.lock"),
            "control": control,
        }


def _warm(embedder: Embedder | None) -> None:
    if embedder is not None:
        embedder.embed(["ready"])


def _planner(settings: Settings, models: Models, embedder: Embedder | None) -> Planner:
    """The models of the planner's route, and the embedded planner where they cannot."""
    embedded = EmbeddedPlanner(embedder)
    model = models.route("planner")
    if model is None:
        return embedded
    route = settings.routes["planner"]
    fields = {name: given.fields for name, given in settings.collections.items()}
    fallback = embedded if models.embedded_stands_in("planner") else None
    return ModelPlanner(
        model, fallback=fallback, mode=route.mode, prompt=route.prompt, fields=fields
    )


def _answerer(settings: Settings, models: Models, embedder: Embedder | None) -> Answerer:
    """The models of the answer's route, and the embedded answerer where they cannot."""
    embedded = ExtractiveAnswerer(embedder)
    model = models.route("answer")
    if model is None:
        return embedded
    route = settings.routes.get("answer")
    writer = ModelAnswerer(
        model,
        context=settings.retrieval.context_tokens * CHARACTERS_PER_TOKEN,
        prompt=route.prompt if route else None,
    )
    return FallbackAnswerer(writer, embedded) if models.embedded_stands_in("answer") else writer


def _judge(settings: Settings, models: Models) -> ModelJudge | None:
    """The models of the verifier's route; None where words alone judge an answer.

    Raises `SettingsError` for a route without a model: the embedded default has no judge.
    """
    route = settings.routes.get("verify")
    if route is None:
        return None
    model = models.route("verify")
    if model is None:
        raise SettingsError(
            "routes.verify names no model that could judge; the embedded default is none",
            hint="Set a served model in it, or remove the section.",
        )
    return ModelJudge(
        model,
        prompt=route.prompt,
        required=not models.embedded_stands_in("verify"),
        max_tokens=route.max_tokens or TOKENS,
    )
