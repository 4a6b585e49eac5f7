"""`/v1/decisions`: what is sent there, how it is read, and what becomes of a server without it.

The answers are those that vLLM 0.33 gave to the same questions.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import BadReply, SettingsError, Unavailable
from fairlead.protocols import Completion, Message, Request
from fairlead.schema import Usage
from fairlead.serving import open_model
from fairlead.serving.remote import Capabilities, HttpModel
from fairlead.serving.remote.decisions import fits, weighed
from tests.serving.remote.protocol import (
    DONE,
    Act,
    ChatServer,
    Connection,
    Seen,
    answered,
    event,
    reply,
    streaming,
)

CAN = replace(Capabilities.of("vllm"), decisions=True)
SYSTEM = Message(role="system", content="Does it follow? <|im_start|>")
USER = Message(role="user", content="A passage. <|im_end|>")
ABSENT = {"error": {"message": "The model does not support the Decisions API", "code": 501}}
MISSING = {"detail": "Not Found"}
UNKNOWN = {"error": {"message": "The model `base` does not exist.", "code": 404}}


def asked(**fields: Any) -> Request:
    given: dict[str, Any] = {
        "messages": (SYSTEM, USER),
        "choice": ("yes", "no"),
        "probabilities": True,
        "logprobs": 8,
        "max_tokens": 16,
        "tenant": "acme",
    }
    return Request(**{**given, **fields})


def decided(yes: float = 0.75, **fields: Any) -> dict[str, Any]:
    probabilities = [{"value": "yes", "probability": yes}, {"value": "no", "probability": 1 - yes}]
    found = {
        "type": "choice",
        "name": None,
        "choice": "yes" if yes > 0.5 else "no",
        "probabilities": probabilities,
        "confidence": 0.7,
    }
    return {
        "model": "base",
        "answers": [{**found, **fields}],
        "usage": {
            "input_tokens": 78,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 79,
        },
    }


def serving(decision: Act, chat: Act | None = None) -> Act:
    """The one for /v1/decisions, the other, or a plain yes, for all else."""

    async def act(connection: Connection, seen: Seen) -> None:
        said = chat or reply(body=answered("yes"))
        await (decision if seen.path == "/v1/decisions" else said)(connection, seen)

    return act


@asynccontextmanager
async def opened(*servers: ChatServer, **options: Any) -> AsyncIterator[HttpModel]:
    urls = [server.url for server in servers]
    async with open_model(urls, "base", **{"server": CAN, "pause": 0.0, **options}) as model:
        yield model


def paths(server: ChatServer) -> list[str]:
    return [seen.path.removeprefix("/v1") for seen in server.seen]


async def test_a_question_and_its_answer(server: ChatServer) -> None:
    server.always = serving(reply(body=decided()))
    async with opened(server, salt_key="secret") as model:
        completion = await model.complete(asked())
        await model.named("polite").complete(asked(tenant="globex"))
    assert completion == Completion(
        text="yes",
        model="base",
        usage=Usage(input_tokens=78, output_tokens=1, cached_tokens=64, model_calls=1),
        probabilities={"yes": 0.75, "no": 0.25},
    )
    first, second = server.seen
    assert first.path == second.path == "/v1/decisions"
    salts = [seen.body.pop("cache_salt") for seen in (first, second)]
    assert len({*salts}) == 2 and all(len(salt) == 64 for salt in salts)
    assert first.body == {  # a field more and vLLM refuses it
        "model": "base",
        "input": "A passage. < im_end >",
        "questions": [
            {
                "type": "choice",
                "instructions": "Does it follow? < im_start >",
                "choices": [{"value": "yes"}, {"value": "no"}],
            }
        ],
    }
    assert second.body["model"] == "polite"


@pytest.mark.parametrize(
    "fields",
    [
        {"probabilities": False},
        {"choice": ("yes",)},
        {"choice": ("yes", "yes")},
        {"choice": tuple(map(str, range(256)))},
        {"messages": (SYSTEM,)},
        {"messages": (SYSTEM, USER, Message(role="assistant", content="Hm."))},
        {"messages": (USER, SYSTEM)},
        {"extra": {"priority": 1}},
    ],
)
def test_what_is_no_question_for_it(fields: Any) -> None:
    assert fits(asked()) and fits(asked(messages=(USER, USER)))
    assert not fits(asked(**fields))


async def test_only_where_it_is_declared(server: ChatServer) -> None:
    server.always = serving(reply(body=decided()))
    async with opened(server, server="vllm") as model:
        await model.complete(asked())
    async with opened(server) as model:
        await model.complete(asked(probabilities=False))
        server.always = streaming((event({"content": "yes"}), event({}, "stop"), DONE))
        assert [delta.text async for delta in model.stream(asked())] == ["yes", ""]
    assert paths(server) == ["/chat/completions"] * 3


@pytest.mark.parametrize(("status", "body"), [(404, MISSING), (405, {}), (501, ABSENT)])
async def test_a_server_without_it_is_asked_once(status: int, body: Any) -> None:
    async with AsyncExitStack() as running:
        lacking = await running.enter_async_context(ChatServer())
        having = await running.enter_async_context(ChatServer())
        lacking.always = serving(reply(status, body))
        having.always = serving(reply(body=decided()))
        async with opened(lacking) as model:
            first = await model.complete(asked())
            second = await model.named("polite").complete(asked())
        assert first.text == second.text == "yes" and not first.probabilities
        assert len(first.warnings) == 1 and not second.warnings
        assert f"answered {status}" in first.warnings[0]
        assert first.warnings[0].endswith("log probabilities were asked for instead")
        assert paths(lacking) == ["/decisions", "/chat/completions", "/chat/completions"]
        assert lacking.seen[1].body["structured_outputs"] == {"choice": ["yes", "no"]}
        assert lacking.seen[1].body["top_logprobs"] == 8

        async with opened(lacking, having) as model:
            homes = [await model.complete(asked(thread=f"t{number}")) for number in range(16)]
        assert paths(lacking).count("/decisions") == 2
        assert set(paths(having)) == {"/decisions"}
        assert {bool(each.probabilities) for each in homes} == {True, False}


async def test_what_it_refuses_it_may_take_another_time(server: ChatServer) -> None:
    server.always = serving(reply(400, {"error": {"message": "at most 26 choices"}}))
    async with opened(server) as model:
        for _ in range(2):
            completion = await model.complete(asked())
            assert completion.text == "yes" and "at most 26 choices" in completion.warnings[0]
    assert paths(server) == ["/decisions", "/chat/completions"] * 2


async def test_an_unknown_model_is_no_missing_path(server: ChatServer) -> None:
    server.always = reply(404, UNKNOWN)
    async with opened(server) as model:
        with pytest.raises(SettingsError, match="does not exist"):
            await model.complete(asked())
        server.always = serving(reply(body=decided()))
        assert (await model.complete(asked())).probabilities
    assert paths(server) == ["/decisions", "/chat/completions", "/decisions"]


async def test_what_may_pass_is_tried_again(server: ChatServer) -> None:
    server.acts.append(reply(503, {}))
    server.always = serving(reply(body=decided()))
    async with opened(server) as model:
        assert (await model.complete(asked())).probabilities == {"yes": 0.75, "no": 0.25}
        server.always = reply(503, {})
        with pytest.raises(Unavailable, match="503"):
            await model.complete(asked())
    assert set(paths(server)) == {"/decisions"} and len(server.seen) == 5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "KeyError"),
        ([], "TypeError"),
        ({"answers": []}, "ValueError"),
        (decided(probabilities=[{"value": "yes", "probability": 1.0}]), "is about"),
        (decided(probabilities=[{"value": True, "probability": 1.0}, {}]), "KeyError"),
        (decided(probabilities=None), "TypeError"),
        (decided(1.5), "no probabilities"),
        (decided(float("nan")), "no probabilities"),
    ],
)
def test_another_form(body: Any, said: str) -> None:
    with pytest.raises(BadReply, match=said) as raised:
        weighed(body, asked(), "base")
    assert raised.value.arrived


def test_what_does_not_add_up() -> None:
    half = [{"value": word, "probability": 0.3} for word in ("yes", "no")]
    with pytest.raises(BadReply, match="do not add up"):
        weighed(decided(probabilities=half), asked(), "base")


@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=26), st.randoms())
def test_the_likeliest_choice_is_the_text(masses: list[float], random: Any) -> None:
    chances = [mass / sum(masses) for mass in masses]
    choices = tuple(f"c{number}" for number in range(len(chances)))
    told = [{"value": c, "probability": p} for c, p in zip(choices, chances, strict=True)]
    random.shuffle(told)
    completion = weighed(decided(probabilities=told), asked(choice=choices), "base")
    assert completion.probabilities == dict(zip(choices, chances, strict=True))
    assert completion.probabilities[completion.text] == max(chances)
