"""The models that the settings name, opened: what routes and their tiers choose from."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from fairlead.model_sections import ModelSettings, Place, RouteSettings
from fairlead.protocols import Model
from fairlead.serving.adapters import Control, controlled, parse_selector
from fairlead.serving.keys import secret_of
from fairlead.serving.langchain import LangChainModel, langchain_class
from fairlead.serving.routes import RoutedModel, Target, check_tiers
from fairlead.settings import Settings
from fairlead.tracing import Tracing

if TYPE_CHECKING:  # heavy, or only needed for annotations
    from langchain_core.language_models import BaseChatModel
    from typing_extensions import TypeIs


class Models:
    """Every model that a route may ask."""

    def __init__(
        self,
        settings: Settings,
        targets: Mapping[str, Target],
        *,
        adapters: Control | None,
        tracing: Tracing,
    ) -> None:
        self._settings, self._targets = settings, targets
        self._adapters, self._tracing = adapters, tracing

    def route(self, place: Place) -> RoutedModel | None:
        """The model that plans, answers or judges; None where the embedded one does it all.

        Without a section `[routes.answer]` is `[model]`; the planner is embedded then, and words
        alone judge.
        Raises `SettingsError` for tiers that cannot work.
        """
        given = self._settings.routes.get(place)
        if given is None:
            if place != "answer" or "base" not in self._targets:
                return None
            given = RouteSettings()
        check_tiers(place, given)
        asked = {given.model, *(tier.model for tier in given.tiers), *(given.fallback or ())}
        if not asked & self._targets.keys():
            return None
        return RoutedModel(
            place, given, self._targets, adapters=self._adapters, tracing=self._tracing
        )

    def embedded_stands_in(self, place: Place) -> bool:
        """Whether the embedded default answers where no model of the route can."""
        given = self._settings.routes.get(place)
        return given is None or given.fallback is None or "embedded" in given.fallback


@asynccontextmanager
async def open_control(
    settings: Settings, *, tracing: Tracing | None = None
) -> AsyncIterator[Control | None]:
    """The registry of adapters, kept equal on every server whose model a route asks by one.

    None where no route names an adapter: nothing is opened then. Raises `SettingsError` for keys
    that are not there or an adapter of a model that is not served, `Unavailable` where the registry
    cannot be read.
    """
    routes = settings.routes.values()
    asked = {(route.model, route.adapter) for route in routes if route.adapter}
    asked |= {
        (tier.model, tier.adapter) for route in routes for tier in route.tiers if tier.adapter
    }
    if not asked:
        yield None
        return
    from fairlead.serving.remote.replica import ServedReplica  # noqa: PLC0415 - aiohttp: 0.2 s

    async with AsyncExitStack() as opened:
        replicas = []
        for name in sorted({model for model, _ in asked}):
            told = settings.model if name == "base" else settings.models[name]
            if told.provider != "vllm":
                continue  # given by the caller, or the route says so when it is asked
            setting = "model" if name == "base" else f"models.{name}"
            for url in told.addresses:
                replica = ServedReplica(
                    url,
                    api_key=secret_of(told.api_key, f"{setting}.api_key"),
                    control_key=secret_of(told.control_key, f"{setting}.control_key"),
                )
                opened.push_async_callback(replica.close)
                replicas.append(replica)
        selectors = [parse_selector(adapter) for _, adapter in sorted(asked)]
        yield await opened.enter_async_context(
            controlled(settings, replicas, routes=selectors, tracing=tracing)
        )


@asynccontextmanager
async def open_models(
    settings: Settings,
    *,
    model: "Model | BaseChatModel | None" = None,
    adapters: Control | None = None,
    tracing: Tracing,
) -> AsyncIterator[Models]:
    """The configured models; nobody is asked yet. `model` stands in for `[model]`.

    Raises `SettingsError` for a class that cannot be imported, a key that is not there, a
    tokenizer that cannot be read.
    """
    targets: dict[str, Target] = {}
    async with AsyncExitStack() as opened:
        if model is not None:
            targets["base"] = _given("base", model)
        for name, told in {"base": settings.model, **settings.models}.items():
            if name not in targets and told.provider.startswith("langchain:"):
                targets[name] = _given(name, langchain_class(told.provider, told.options))
            elif name not in targets and told.provider == "vllm":
                targets[name] = await opened.enter_async_context(_served(name, told, tracing))
        yield Models(settings, targets, adapters=adapters, tracing=tracing)


@asynccontextmanager
async def _served(name: str, told: ModelSettings, tracing: Tracing) -> AsyncIterator[Target]:
    from fairlead.serving.remote import Capabilities, open_model  # noqa: PLC0415 - aiohttp: 0.2 s
    from fairlead.serving.remote.control import from_folder  # noqa: PLC0415 - see above

    setting = "model" if name == "base" else f"models.{name}"
    async with open_model(
        told.addresses,
        told.name,
        api_key=secret_of(told.api_key, f"{setting}.api_key"),
        salt_key=secret_of(told.salt, f"{setting}.salt"),
        server=replace(Capabilities.of(told.server), decisions=told.decisions),
        control_tokens=from_folder(told.tokenizer) if told.tokenizer else (),
        seconds=told.seconds,
        gap=told.gap_seconds,
        connect=told.connect_seconds,
        tries=told.tries,
        pause=told.pause_seconds,
        tracing=tracing,
    ) as model:
        yield Target(name=name, model=model, provider=told.server, named=model.named)


def _given(name: str, model: "Model | BaseChatModel") -> Target:
    if _is_model(model):
        named = getattr(model, "named", None)
        return Target(name=name, model=model, provider="fairlead", named=named)
    provider = type(model).__module__.partition(".")[0]
    return Target(name=name, model=LangChainModel(model), provider=provider)


def _is_model(model: "Model | BaseChatModel") -> "TypeIs[Model]":
    return callable(getattr(model, "complete", None)) and callable(getattr(model, "stream", None))
