"""Routes: who is asked, who stands in, and what is said about it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead import Assistant, Document
from fairlead.decisions import View
from fairlead.errors import BadForm, SettingsError, Unavailable
from fairlead.model_sections import RouteSettings, Tier
from fairlead.protocols import Delta, Message, Request
from fairlead.schema import Hop
from fairlead.serving import ScriptedModel
from fairlead.serving.adapters import AdapterCard, Choice, Outcome, Selector
from fairlead.serving.routes import RoutedModel, Target, check_tiers, fitting
from fairlead.tracing import SpanStore, TraceReader, Tracing
from tests.serving.remote.protocol import ChatServer, answered, hang, reply

ASKED = Request(messages=(Message(role="user", content="Hi"),))


class Adapting(ScriptedModel):
    """A model that has adapters."""

    def named(self, served: str) -> ScriptedModel:
        def say(request: Request) -> str:
            if served.startswith("bad"):
                raise Unavailable(f"{served} is not loaded")
            return f"as {served}"

        return ScriptedModel(say, name=served)


CARD = AdapterCard(
    name="good", version=3, digest="abc" * 20, base="base", base_digest="", rank=8, targets=(),
    data_digest="", stage="stable", share=100, added_by="ada", added_at="", changed_at="",
)  # fmt: skip


class Registry:
    """What a route needs of adapters: one stable version of every name."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, int, Outcome]] = []
        self.shares = self.outcomes = self

    async def choose(self, selector: Selector, **asked: str) -> Choice:
        if selector.which != "stable":
            said = f"adapter {selector.name}@{selector.which} is not there"
            return Choice(card=None, why="base", warning=said)
        return Choice(card=replace(CARD, name=selector.name), why="stable", trial=4, draw=7)

    def record(self, outcome: Outcome) -> None:
        self.recorded.append((outcome.name, outcome.version, outcome))


def down(request: Request) -> str:
    raise Unavailable("it is down", hint="Start it.")


def unconfigured(request: Request) -> str:
    raise SettingsError("no such model")


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as made:
        yield made


@pytest.fixture
def tracing(tmp_path: Path) -> Iterator[Tracing]:
    made = Tracing(store=SpanStore(tmp_path / "traces.db"))
    yield made
    made.close()


def routed(
    tracing: Tracing,
    models: Mapping[str, ScriptedModel],
    registry: Registry | None = None,
    **settings: Any,
) -> RoutedModel:
    targets = {
        name: Target(name=name, model=model, provider="vllm", named=getattr(model, "named", None))
        for name, model in models.items()
    }
    given = RouteSettings(**settings)
    control: Any = registry
    return RoutedModel("answer", given, targets, adapters=control, tracing=tracing)


async def test_adapter_base_another_and_what_is_said(tracing: Tracing, tmp_path: Path) -> None:
    models = {
        "base": Adapting(down, name="base"),
        "backup": ScriptedModel(lambda request: "from backup", name="backup"),
    }
    fallback = ("base", "backup", "embedded")
    model = routed(
        tracing, models, Registry(), adapter="bad@stable", fallback=fallback, temperature=0.1
    )
    with tracing.span("run", {}) as root:
        completion = await model.complete(ASKED)
    assert completion.text == "from backup"
    assert completion.route is not None and completion.route.model == "backup"
    assert completion.route.reason == "fallback"
    assert completion.warnings == (
        "bad-3-abcabcabcabc is not loaded; the next model of the route was asked",
        "it is down; the next model of the route was asked",
    )
    assert models["backup"].requests[0].temperature == 0.1
    tracing.flush()
    spans = TraceReader(tmp_path / "traces.db").trace(root.trace_id).spans
    calls = [span for span in spans if span.name.startswith("chat ")]
    assert [span.name for span in calls] == ["chat bad-3-abcabcabcabc", "chat base", "chat backup"]
    assert [span.status for span in calls] == ["error", "error", "ok"]
    assert calls[0].attributes["fairlead.lora.digest"] == CARD.digest
    assert {span.attributes["fairlead.route"] for span in calls} == {"answer"}
    assert "it is down" in str(calls[2].attributes["fairlead.route.fall"])


async def test_an_adapter_answers_and_its_outcome_is_recorded(tracing: Tracing) -> None:
    registry = Registry()
    model = routed(tracing, {"base": Adapting([], name="base")}, registry, adapter="good@stable")
    completion = await model.complete(ASKED)
    assert completion.text == "as good-3-abcabcabcabc" and completion.warnings == ()
    assert completion.route is not None
    assert (completion.route.adapter, completion.route.version) == ("good", "3")
    assert [(await_.text, await_.completion is None) async for await_ in model.stream(ASKED)]
    bad = routed(tracing, {"base": Adapting(["base"], name="b")}, registry, adapter="bad@stable")
    assert (await bad.complete(ASKED)).text == "base"  # without `fallback`: its own model
    assert [(name, version) for name, version, _ in registry.recorded] == [
        ("good", 3),
        ("good", 3),
        ("bad", 3),
    ]
    whole, streamed, failed = (outcome for *_, outcome in registry.recorded)
    assert not whole.error and whole.ttft_ms is None and (whole.trial, whole.draw) == (4, 7)
    assert streamed.ttft_ms is not None and failed.error


async def test_output_of_the_wrong_form_counts_for_the_version(tracing: Tracing) -> None:
    def misformed(request: Request) -> str:
        raise BadForm("no JSON", arrived="{")

    class Misforming(ScriptedModel):
        def named(self, served: str) -> ScriptedModel:
            return ScriptedModel(misformed, name=served)

    registry = Registry()
    model = routed(tracing, {"base": Misforming([])}, registry, adapter="good@stable")
    with pytest.raises(BadForm):
        await model.complete(Request(messages=ASKED.messages, choice=("a",), answer="run"))
    ((_, _, outcome),) = registry.recorded
    assert outcome.bad_format and not outcome.error and outcome.answer == "run"


@pytest.mark.parametrize("adapter", ["good@canary", "good@7"])
async def test_an_adapter_that_is_not_there(tracing: Tracing, adapter: str) -> None:
    model = routed(tracing, {"base": Adapting(["base"], name="base")}, Registry(), adapter=adapter)
    completion = await model.complete(ASKED)
    assert completion.text == "base" and adapter in completion.warnings[0]


async def test_all_of_it_is_said_where_nobody_answers(tracing: Tracing) -> None:
    models = {"base": ScriptedModel(down), "backup": ScriptedModel(unconfigured)}
    model = routed(tracing, models, fallback=("backup",))
    with pytest.raises(Unavailable, match=r"it is down; .*; no such model"):
        await model.complete(ASKED)
    alone = routed(tracing, {"base": ScriptedModel(unconfigured)})
    with pytest.raises(SettingsError, match="no such model"):
        await alone.complete(ASKED)


async def test_output_of_the_wrong_form_is_no_fall(tracing: Tracing) -> None:
    def misformed(request: Request) -> str:
        raise BadForm("no JSON", arrived="{")

    backup = ScriptedModel([])
    model = routed(
        tracing, {"base": ScriptedModel(misformed), "backup": backup}, fallback=("backup",)
    )
    with pytest.raises(BadForm):
        await model.complete(ASKED)
    assert not backup.requests


async def test_a_model_that_hangs_leaves_time_for_the_next(tracing: Tracing) -> None:
    async def slow(request: Request) -> str:
        assert request.deadline is not None
        try:
            async with asyncio.timeout(request.deadline):
                await asyncio.Event().wait()
        except TimeoutError:
            raise Unavailable("no answer came") from None
        return ""

    backup = ScriptedModel(lambda request: f"{request.deadline:.1f}")
    model = routed(tracing, {"base": ScriptedModel(slow), "backup": backup}, fallback=("backup",))
    request = Request(messages=ASKED.messages, deadline=0.4)
    assert (await model.complete(request)).text == "0.2"


async def test_a_stream_falls_only_before_its_first_piece(tracing: Tracing) -> None:
    class Breaking(ScriptedModel):
        async def stream(self, request: Request) -> Any:
            yield Delta(text="half")
            raise Unavailable("it broke")

    models = {
        "base": ScriptedModel(down),
        "backup": ScriptedModel(lambda request: "a b"),
        "breaking": Breaking([]),
    }
    model = routed(tracing, models, fallback=("backup",))
    deltas = [delta async for delta in model.stream(ASKED)]
    assert [delta.text for delta in deltas] == ["a ", "b", ""]
    whole = deltas[-1].completion
    assert whole is not None and "it is down" in whole.warnings[0]
    model = routed(tracing, models, model="breaking", fallback=("backup",))
    with pytest.raises(Unavailable, match="it broke"):
        async for _ in model.stream(ASKED):
            pass


# --- tiers ----------------------------------------------------------------------------------------


def view(**fields: Any) -> View:
    return View(**{"question": "How do I return a shoe?", **fields})


HOP = Hop(index=1, kind="retrieve", reason="")


@pytest.mark.parametrize(
    ("tier", "fits", "fits_not", "why"),
    [
        ({"tenants": ("acme",)}, {"tenant": "acme"}, {"tenant": "globex"}, "tenant acme"),
        ({"matches": "RETURN|refund"}, {}, {"question": "x"}, "matches RETURN|refund"),
        ({"words": 6}, {}, {"question": "five words are not enough"}, "6 words or more"),
        ({"hops": 1}, {"hops": (HOP,)}, {}, "1 hops or more"),
        ({"below": 0.5}, {"confidence": 0.4}, {"confidence": 0.5}, "confidence 0.40 below 0.5"),
        ({"unsure": True}, {"note": "no citation"}, {}, "found wanting"),
        ({"kinds": ("retrieve",)}, {"hops": (HOP,)}, {}, "after retrieve"),
        (
            {"tenants": ("acme",), "below": 0.5},
            {"tenant": "acme", "confidence": 0.1},
            {"tenant": "acme", "confidence": 0.9},
            "tenant acme, confidence",
        ),
    ],
)
def test_conditions_of_tiers(tier: Any, fits: Any, fits_not: Any, why: str) -> None:
    other = Tier(model="other", hops=99)
    found, reason = fitting([other, Tier(**tier)], view(**fits))
    assert found == Tier(**tier) and why in reason
    assert fitting([other, Tier(**tier)], view(**fits_not)) == (None, "")
    assert fitting([Tier(**tier)], None) == (None, "")


def test_tiers_that_cannot_work() -> None:
    with pytest.raises(SettingsError, match=r"tiers\[1\].matches is no pattern"):
        check_tiers("answer", RouteSettings(tiers=(Tier(hops=1), Tier(matches="("))))
    with pytest.raises(SettingsError, match=r"tiers\[0\] names no condition"):
        check_tiers("answer", RouteSettings(tiers=(Tier(model="base"),)))


async def test_a_tier_comes_first_and_the_route_stands_in(tracing: Tracing) -> None:
    models = {
        "base": ScriptedModel(lambda request: "base", name="base"),
        "large": ScriptedModel(lambda request: "large", name="large"),
    }
    tiers = (Tier(model="large", unsure=True),)
    model = routed(tracing, models, tiers=tiers)
    assert (await model.complete(ASKED)).text == "base"
    unsure = Request(messages=ASKED.messages, view=view(note="wrong"))
    completion = await model.complete(unsure)
    assert completion.text == "large" and completion.route is not None
    assert completion.route.reason == "an earlier draft was found wanting"
    models["large"] = ScriptedModel(down)
    assert (await routed(tracing, models, tiers=tiers).complete(unsure)).text == "base"


# --- by settings ----------------------------------------------------------------------------------

TEA = Document(id="tea", title="Tea", text="Green tea is brewed at 70 degrees for two minutes.")
QUESTION = "At how many degrees is green tea brewed?"


def settings(path: Path, url: str, **more: Any) -> dict[str, Any]:
    model = {"provider": "vllm", "url": url, "name": "base", "pause_seconds": 0.1}
    return {
        "storage": {"path": str(path)},
        "retrieval": {"embedder": "none"},
        "model": model,
        **more,
    }


async def test_a_served_model_answers_by_settings_alone(server: ChatServer, tmp_path: Path) -> None:
    server.always = reply(body=answered("Green tea is brewed at 70 degrees [1]."))
    async with Assistant.open(settings(tmp_path, server.url)) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        await assistant.ingest([Document(id="c", text="Coffee is hot.")], tenant="globex")
        answer = await assistant.ask(QUESTION, tenant="acme")
        other = await assistant.ask(QUESTION, tenant="globex")
    assert answer.status == "answered" and answer.route.model == "base"
    assert answer.citations[0].quote == TEA.text and answer.usage.input_tokens == 9
    assert other.status == "abstained"
    salts = [seen.body["cache_salt"] for seen in server.seen]
    assert salts[0] and len(set(salts)) == 2
    assert "70 degrees" not in str(server.seen[-1].body)


async def test_the_embedded_answerer_stands_in_unless_told_otherwise(
    server: ChatServer, tmp_path: Path
) -> None:
    server.always = reply(503, {})
    async with Assistant.open(settings(tmp_path, server.url)) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        answer = await assistant.ask(QUESTION, tenant="acme")
    assert answer.status == "answered" and answer.route.model == "embedded"
    assert "503" in answer.warnings[0] and "embedded default answered" in answer.warnings[0]
    alone: dict[str, Any] = {"answer": {"fallback": []}}
    async with Assistant.open(settings(tmp_path, server.url, routes=alone)) as assistant:
        with pytest.raises(Unavailable, match="503"):
            await assistant.ask(QUESTION, tenant="acme")


async def test_the_embedded_planner_stands_in_unless_told_otherwise(
    server: ChatServer, tmp_path: Path
) -> None:
    server.always = reply(503, {})
    routes: dict[str, Any] = {"planner": {}, "answer": {}}
    async with Assistant.open(settings(tmp_path, server.url, routes=routes)) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        answer = await assistant.ask(QUESTION, tenant="acme")
    assert answer.status == "answered"
    assert any("embedded default planned" in warning for warning in answer.warnings)
    alone = {**routes, "planner": {"fallback": []}}
    async with Assistant.open(settings(tmp_path, server.url, routes=alone)) as assistant:
        with pytest.raises(Unavailable, match=r"nothing was decided.*503"):
            await assistant.ask(QUESTION, tenant="acme")


async def test_a_server_that_hangs_does_not_take_the_whole_run(
    server: ChatServer, tmp_path: Path
) -> None:
    server.always = hang
    async with ChatServer() as backup:
        backup.always = reply(body=answered("It is brewed at 70 degrees [1]."))
        values = settings(
            tmp_path,
            server.url,
            models={"backup": {"provider": "vllm", "url": backup.url, "name": "base"}},
            routes={"answer": {"fallback": ["backup", "embedded"]}},
        )
        async with Assistant.open(values) as assistant:
            await assistant.ingest([TEA], tenant="acme")
            answer = await assistant.ask(QUESTION, tenant="acme", deadline=2)
    assert answer.status == "answered" and "no answer came" in answer.warnings[0]
    assert len(backup.seen) == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": {"provider": "vllm", "name": "x"}}, "needs `url`"),
        ({"model": {"provider": "vllm", "url": "http://x/v1"}}, "needs the `name`"),
        ({"model": {"options": {"a": 1}}}, "`options` are for a LangChain class"),
        ({"model": {"decisions": True}}, "`decisions` are for a served model"),
        ({"models": {"base": {}}}, "that name is taken"),
        ({"models": {"big": {}}}, "models.big needs a provider"),
        ({"routes": {"answer": {"model": "big"}}}, "names the model 'big'"),
        ({"routes": {"answer": {"fallback": ["embedded", "base"]}}}, "`embedded` stands last"),
        ({"routes": {"other": {}}}, "planner"),
        ({"routes": {"answer": {"adapter": "support"}}}, "should match pattern"),
    ],
)
async def test_settings_that_cannot_work(tmp_path: Path, values: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        async with Assistant.open({"storage": {"path": str(tmp_path)}, **values}):
            pass
