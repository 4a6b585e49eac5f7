"""Which model answers a request, and which ones stand in for it.

A route has steps: an adapter, its base model, other models. The first is asked; where it cannot
answer the next one is, with a warning. Tiers put other models in front for some requests.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import re2

from fairlead.decisions import View
from fairlead.errors import BadForm, FairleadError, InputError, Refused, SettingsError, Unavailable
from fairlead.model_sections import RouteSettings, Tier
from fairlead.protocols import Completion, Delta, Model, Request
from fairlead.schema import Route, Usage
from fairlead.serving.adapters import Choice, Control, Outcome, parse_selector
from fairlead.serving.traced import TracedModel
from fairlead.tracing import Tracing, names

SHARE: Final = 0.5
"""Of the time that is left, what a step may use up that is not the last."""
_AT_ONCE: Final = 0.001
"""Seconds that do not count against a deadline."""
Named = Callable[[str], Model]
"""The same model under another served name: an adapter's."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A model of the settings, as routes use it."""

    name: str
    model: Model
    provider: str
    named: Named | None = None
    """None where adapters cannot be asked for."""


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One model that may answer."""

    target: Target
    model: Model
    reason: str
    adapter: str = ""
    """The name of the adapter that was asked for."""
    choice: Choice | None = None
    """What was drawn for it."""

    @property
    def label(self) -> str:
        card = self.choice.card if self.choice else None
        return card.served_name if card else self.target.name

    @property
    def route(self) -> Route:
        card = self.choice.card if self.choice else None
        return Route(
            model=self.target.model.name,
            adapter=card.name if card else "",
            version=str(card.version) if card else "",
            digest=card.digest if card else "",
            reason=self.reason,
        )


class RoutedModel:
    """A `Model` that asks the models of one route in order.

    Falls to the next where one is unavailable, refuses the request or breaks off before anything
    was given out. Output of the wrong form is no such case: whoever asked may ask again. Every fall
    is a warning of the completion, whose `route` says who wrote it and why it was asked.

    Raises what the last model raised, as `Unavailable` with all of it where there were several.
    """

    def __init__(
        self,
        place: str,
        settings: RouteSettings,
        targets: Mapping[str, Target],
        *,
        adapters: Control | None,
        tracing: Tracing,
    ) -> None:
        self._place, self._settings, self._targets = place, settings, targets
        self._adapters, self._tracing = adapters, tracing

    @property
    def name(self) -> str:
        target = self._targets.get(self._settings.model)
        return target.model.name if target else self._settings.model

    async def complete(self, request: Request) -> Completion:
        request = self._told(request)
        steps, warnings = await self._steps(request)
        until = _until(request)
        for number, step in enumerate(steps, start=1):
            asked = _within(request, until, last=number == len(steps))
            began = time.perf_counter()
            try:
                completion = await self._traced(step, warnings).complete(asked)
            except FairleadError as error:
                self._record(step, asked, began, error=error)
                self._fall(error, warnings, last=number == len(steps))
            else:
                self._record(step, asked, began, completion)
                return _by(step, completion, warnings)
        raise AssertionError("a route has steps")  # pragma: no cover

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        request = self._told(request)
        steps, warnings = await self._steps(request)
        until = _until(request)
        for number, step in enumerate(steps, start=1):
            asked = _within(request, until, last=number == len(steps))
            began, first = time.perf_counter(), None
            deltas = self._traced(step, warnings).stream(asked)
            try:
                async for delta in deltas:
                    first = first or time.perf_counter() - began
                    if delta.completion is not None:
                        self._record(step, asked, began, delta.completion, first=first)
                        delta = replace(delta, completion=_by(step, delta.completion, warnings))
                    yield delta
                return
            except FairleadError as error:
                self._record(step, asked, began, error=error, first=first)
                if first is not None:  # what was given out is never taken back
                    raise
                self._fall(error, warnings, last=number == len(steps))
            finally:
                if isinstance(deltas, AsyncGenerator):
                    await deltas.aclose()

    def _told(self, request: Request) -> Request:
        """The request with what the route says of it, where it does not say it itself."""
        given = self._settings
        if request.temperature is None and given.temperature is not None:
            request = replace(request, temperature=given.temperature)
        if request.max_tokens is None and given.max_tokens is not None:
            request = replace(request, max_tokens=given.max_tokens)
        return request

    async def _steps(self, request: Request) -> tuple[list[_Step], list[str]]:
        """What is asked in order, and what is to be said about it."""
        given, warnings = self._settings, list[str]()
        model, adapter, reason = given.model, given.adapter, "the route's model"
        tier, why = fitting(given.tiers, request.view)
        first = list[_Step]()
        if tier is not None:
            first += await self._named(tier.model, tier.adapter, why, request, warnings)
        first += await self._named(model, adapter, reason, request, warnings)
        names_of_rest = given.fallback
        if names_of_rest is None:
            names_of_rest = (model,) if adapter else ()
        seen, steps = set[str](), list[_Step]()
        for name in names_of_rest:
            if name != "embedded":
                first += await self._named(name, "", "fallback", request, warnings)
        for step in first:
            if step.label not in seen:
                seen.add(step.label)
                steps.append(step)
        if not steps:
            raise Unavailable(
                f"routes.{self._place} has no model that can be asked: {'; '.join(warnings)}",
                hint="Name a served model in the route, or a fallback.",
            )
        return steps, warnings

    async def _named(
        self, name: str, adapter: str, reason: str, request: Request, warnings: list[str]
    ) -> list[_Step]:
        """The model's step, or none where its adapter cannot be asked for."""
        target = self._targets.get(name)
        if target is None:  # the embedded one
            return []
        if not adapter:
            return [_Step(target=target, model=target.model, reason=reason)]
        if self._adapters is None or target.named is None:
            warnings.append(
                f"model {name!r} has no adapters to answer by; {adapter!r} was asked for"
            )
            return [_Step(target=target, model=target.model, reason=reason)]
        selector = parse_selector(adapter)
        try:
            choice = await self._adapters.shares.choose(
                selector, tenant=request.tenant, thread=request.thread, subject=request.subject
            )
        except Unavailable as error:
            warnings.append(
                f"{error.message}; model {name!r} was asked without adapter {adapter!r}"
            )
            return [_Step(target=target, model=target.model, reason=reason)]
        if choice.warning:
            warnings.append(choice.warning)
        named = target.named(choice.card.served_name) if choice.card else target.model
        reason = f"{reason}, {choice.why}"
        return [
            _Step(target=target, model=named, reason=reason, adapter=selector.name, choice=choice)
        ]

    def _traced(self, step: _Step, warnings: Sequence[str]) -> TracedModel:
        said = {names.ROUTE: self._place, names.ROUTE_REASON: step.reason}
        card = step.choice.card if step.choice else None
        if card:
            said |= {
                names.LORA_NAME: card.name,
                names.LORA_VERSION: str(card.version),
                names.LORA_DIGEST: card.digest,
            }
        if warnings:
            said[names.ROUTE_FALL] = warnings[-1]
        return TracedModel(step.model, self._tracing, provider=step.target.provider, said=said)

    def _record(
        self,
        step: _Step,
        request: Request,
        began: float,
        completion: Completion | None = None,
        *,
        first: float | None = None,
        error: FairleadError | None = None,
    ) -> None:
        """What became of a call by an adapter, or by the base model in one's place."""
        choice = step.choice
        if self._adapters is None or choice is None or isinstance(error, InputError):
            return  # a request that cannot be written says nothing of a model
        usage = completion.usage if completion else Usage()
        formed = bool(request.output_schema or request.choice or request.regex or request.tools)
        misformed = isinstance(error, BadForm)
        self._adapters.outcomes.record(
            Outcome(
                name=step.adapter,
                version=choice.card.version if choice.card else 0,
                tenant=request.tenant,
                answer=request.answer,
                trial=choice.trial,
                draw=choice.draw,
                error=error is not None and not misformed,
                ms=(time.perf_counter() - began) * 1000,
                ttft_ms=None if first is None else first * 1000,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                bad_format=misformed if formed and (completion or misformed) else None,
            )
        )

    def _fall(self, error: FairleadError, warnings: list[str], *, last: bool) -> None:
        """Notes the fall, or raises where there is no falling."""
        if isinstance(error, BadForm | InputError | Refused) or (last and not warnings):
            raise error
        if last:
            said = "; ".join([*warnings, error.message])
            raise Unavailable(said, hint=error.hint) from error
        warnings.append(f"{error.message}; the next model of the route was asked")


def fitting(tiers: Sequence[Tier], view: View | None) -> tuple[Tier | None, str]:
    """The first tier whose every condition holds, and which conditions those were."""
    if view is None:
        return None, ""
    for tier in tiers:
        held = [(name, holds) for name, holds in _conditions(tier, view) if holds is not None]
        if held and all(holds for _, holds in held):
            return tier, ", ".join(name for name, _ in held)
    return None, ""


def _conditions(tier: Tier, view: View) -> list[tuple[str, bool | None]]:
    """Each condition in words, and whether it holds; None where the tier does not name it."""
    came_from = {passage.collection for passage in view.passages}
    last = view.hops[-1].kind if view.hops else ""
    return [
        (f"tenant {view.tenant}", view.tenant in tier.tenants if tier.tenants else None),
        (
            f"collection {', '.join(sorted(came_from & set(tier.collections)))}",
            bool(came_from & set(tier.collections)) if tier.collections else None,
        ),
        (f"the question matches {tier.matches}", _matches(tier, view) if tier.matches else None),
        (
            f"{tier.words} words or more",
            len(view.question.split()) >= tier.words if tier.words else None,
        ),
        (f"{tier.hops} hops or more", len(view.hops) >= tier.hops if tier.hops else None),
        (
            f"confidence {view.confidence:.2f} below {tier.below:g}",
            view.confidence < tier.below if tier.below else None,
        ),
        ("an earlier draft was found wanting", bool(view.note) if tier.unsure else None),
        (f"after {last}", last in tier.kinds if tier.kinds else None),
    ]


def _matches(tier: Tier, view: View) -> bool:
    return bool(re2.search(f"(?i){tier.matches}", view.question))


def check_tiers(place: str, settings: RouteSettings) -> None:
    """Raises `SettingsError` for a pattern that is none, or a tier that fits nothing."""
    for number, tier in enumerate(settings.tiers):
        where = f"routes.{place}.tiers[{number}]"
        try:
            re2.compile(tier.matches)
        except re2.error as error:
            raise SettingsError(
                f"{where}.matches is no pattern: {error}", hint="Write it in RE2's syntax."
            ) from error
        if all(holds is None for _, holds in _conditions(tier, View(question=""))):
            raise SettingsError(
                f"{where} names no condition", hint="Name one, or set the route's own model."
            )


def _by(step: _Step, completion: Completion, warnings: Sequence[str]) -> Completion:
    said = (*warnings, *completion.warnings)
    return replace(completion, route=step.route, warnings=tuple(dict.fromkeys(said)))


def _until(request: Request) -> float | None:
    loop = asyncio.get_running_loop()
    return None if request.deadline is None else loop.time() + request.deadline


def _within(request: Request, until: float | None, *, last: bool) -> Request:
    """The request with its share of the time that is left."""
    if until is None:
        return request
    left = max(0.001, until - asyncio.get_running_loop().time())
    if last and request.deadline is not None and request.deadline - left < _AT_ONCE:
        return request  # the only step, asked at once
    return replace(request, deadline=left if last else left * SHARE)
