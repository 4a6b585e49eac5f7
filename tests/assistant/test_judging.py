"""A model judges answers by settings alone: `[routes.verify]`, over HTTP and on a real server."""

import math
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead import Answer, Assistant, Document
from fairlead.agents.judge import ModelJudge
from fairlead.agents.prompts import Prompt, read_prompt
from fairlead.decisions import View
from fairlead.errors import SettingsError
from fairlead.serving import open_model
from fairlead.settings import load
from fairlead.tracing import TraceReader
from tests.servers.vllm import Vllm
from tests.serving.remote.protocol import ChatServer, Connection, Seen, answered, reply
from tests.serving.remote.test_decisions import decided

TEA = Document(
    id="tea",
    title="Tea",
    text="Green tea is brewed at 70 degrees for two minutes. Black tea is brewed at 95 degrees.",
)
QUESTION = "At how many degrees is green tea brewed, and black tea?"
GREEN = "Green tea is brewed at 70 degrees [1]."
BLACK = "Black tea is brewed at 70 degrees [1]."
"""Each word and figure stands in the source; the sentence does not follow."""


class Server(ChatServer):
    """Writes `said`, and judges: yes to a sentence that `true` knows, with log probabilities."""

    said = f"{GREEN} {BLACK}"
    true = ("Green tea is brewed at 70 degrees.",)
    sure = 0.9

    def __init__(self) -> None:
        super().__init__()
        self.always = self.answer

    async def answer(self, connection: Connection, seen: Seen) -> None:
        if seen.path == "/v1/decisions":
            yes = self.sure if self._told(seen.body["input"]) == "yes" else 1 - self.sure
            await reply(body=decided(yes))(connection, seen)
            return
        if seen.body.get("structured_outputs") != {"choice": ["yes", "no"]}:
            await reply(body=answered(self.said))(connection, seen)
            return
        told = self._told(seen.body["messages"][-1]["content"])
        top = [
            {"token": word, "logprob": math.log(self.sure if word == told else 1 - self.sure)}
            for word in ("yes", "no")
        ]
        first = next(each for each in top if each["token"] == told)
        logprobs = {"content": [{**first, "top_logprobs": top}]}
        await reply(body=answered(told, logprobs=logprobs))(connection, seen)

    def _told(self, content: str) -> str:
        found = re.search(r"<sentence>\n(.*)\n</sentence>", content)
        assert found
        return "yes" if found[1] in self.true else "no"

    @property
    def judged(self) -> list[dict[str, Any]]:
        return [seen.body for seen in self.seen if "structured_outputs" in seen.body]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as made:
        yield made


def settings(path: Path, url: str, **values: Any) -> dict[str, Any]:
    return {
        "storage": {"path": str(path)},
        "retrieval": {"embedder": "none"},
        "model": {"provider": "vllm", "url": url, "name": "base", "tries": 1},
        "routes": {"verify": {}},
        **values,
    }


async def ask(values: dict[str, Any]) -> Answer:
    async with Assistant.open(values) as assistant:
        await assistant.ingest([TEA], tenant="acme")
        return await assistant.ask(QUESTION, tenant="acme", thread="t")


async def test_what_does_not_follow_is_left_out(server: Server, tmp_path: Path) -> None:
    answer = await ask(settings(tmp_path, server.url))
    assert answer.status == "answered" and answer.text == "Green tea is brewed at 70 degrees."
    assert answer.warnings == (
        "left out: 'Black tea is brewed at 70 degrees.' does not follow from its sources",
    )
    assert answer.usage.model_calls == 6 == len(server.seen)
    assert answer.usage.input_tokens == 6 * 9 and answer.usage.output_tokens == 6 * 3
    assert set(answer.prompts) == {"answerer", "judge"}
    for body in server.judged:
        assert body["logprobs"] is True and body["temperature"] == 0.0 and body["max_tokens"] == 16
        assert "Tea\n\nGreen tea is brewed" in body["messages"][-1]["content"]
    assert len({seen.body["cache_salt"] for seen in server.seen}) == 1


async def test_its_spans_hang_below_the_check(server: Server, tmp_path: Path) -> None:
    answer = await ask(settings(tmp_path, server.url))
    spans = TraceReader(tmp_path / "traces.db").trace(answer.trace_id).spans
    by_id = {span.span_id: span for span in spans}
    calls = [span for span in spans if span.attributes.get("fairlead.route") == "verify"]
    above = [by_id[span.parent_span_id] for span in calls]
    assert len(calls) == 4 and {span.name for span in calls} == {"chat base"}
    assert {span.name for span in above} == {"apply_guardrail verify"}
    assert [span.attributes["fairlead.guard.action"] for span in (above[0], above[-1])] == [
        "block",
        "transform",
    ]
    sent = {seen.headers["traceparent"].split("-")[2] for seen in server.seen}
    attempts = {span.span_id for span in spans if span.name == "fairlead.attempt 1"}
    assert sent == attempts


async def test_by_decisions_where_the_server_has_them(server: Server, tmp_path: Path) -> None:
    model = {"provider": "vllm", "url": server.url, "name": "base", "decisions": True}
    answer = await ask(settings(tmp_path, server.url, model=model))
    assert answer.text == "Green tea is brewed at 70 degrees." and len(answer.warnings) == 1
    asked = [seen.body for seen in server.seen if seen.path == "/v1/decisions"]
    assert len(asked) == 4 and not server.judged and answer.usage.model_calls == 6
    for body in asked:
        assert body["input"].startswith("<source>\nTea\n\nGreen tea is brewed at 70 degrees")
        assert body["questions"][0]["instructions"] == read_prompt("judge").text
    assert len({seen.body["cache_salt"] for seen in server.seen}) == 1


async def test_a_doubtful_yes_is_none(server: Server, tmp_path: Path) -> None:
    server.said, server.sure = GREEN, 0.49
    answer = await ask(settings(tmp_path, server.url))
    assert answer.status == "abstained" and "does not follow" in answer.warnings[0]


async def test_a_judge_of_its_own_with_a_prompt_of_its_own(server: Server, tmp_path: Path) -> None:
    async with Server() as other:
        (tmp_path / "mine.md").write_text("Say yes or no.")
        values = settings(
            tmp_path,
            server.url,
            models={"small": {"provider": "vllm", "url": other.url, "name": "small"}},
            routes={
                "verify": {
                    "model": "small",
                    "prompt": str(tmp_path / "mine.md"),
                    "max_tokens": 99,
                    "tiers": [{"model": "base", "tenants": ["globex"]}],
                }
            },
        )
        answer = await ask(values)
    assert answer.status == "answered" and len(server.seen) == 2
    assert {body["model"] for body in other.judged} == {"small"}
    assert {body["max_tokens"] for body in other.judged} == {99}
    assert {body["messages"][0]["content"] for body in other.judged} == {"Say yes or no."}
    assert answer.prompts["judge"] == Prompt(text="Say yes or no.").version


async def test_words_alone_where_no_judge_can_be_asked(server: Server, tmp_path: Path) -> None:
    async with Server() as other:
        other.always = reply(500, {})
        models = {
            "small": {"provider": "vllm", "url": other.url, "name": "small", "tries": 1},
            "next": {"provider": "vllm", "url": other.url, "name": "next", "tries": 1},
        }
        for fallback, status in (
            (None, "answered"),
            (["embedded"], "answered"),
            (["next"], "partial"),
            (["base"], "answered"),
        ):
            route = {"model": "small"} | ({"fallback": fallback} if fallback else {})
            server.said = GREEN
            answer = await ask(
                settings(tmp_path, server.url, models=models, routes={"verify": route})
            )
            assert answer.status == status
            if fallback == ["base"]:
                assert "the next model of the route was asked" in answer.warnings[0]
                assert answer.usage.model_calls == 2
            elif fallback == ["next"]:
                assert "500" in answer.missing and not answer.citations
            else:
                assert "by words alone" in answer.warnings[0] and "500" in answer.warnings[0]


async def test_extractive_answers_are_not_judged(server: Server, tmp_path: Path) -> None:
    routes = {"verify": {}, "answer": {"model": "embedded"}}
    answer = await ask(settings(tmp_path, server.url, routes=routes))
    assert answer.status == "answered" and not server.seen


@pytest.mark.parametrize("route", [{}, {"model": "embedded"}, {"fallback": ["embedded"]}])
async def test_the_embedded_default_has_no_judge(tmp_path: Path, route: dict[str, Any]) -> None:
    values = {"storage": {"path": str(tmp_path)}, "routes": {"verify": route}}
    assert load(values).settings.routes.keys() == {"verify"}
    with pytest.raises(SettingsError, match=r"routes\.verify names no model that could judge"):
        async with Assistant.open(values):
            pass


@pytest.mark.vllm
async def test_a_real_server_says_how_sure_it_is(vllm: Vllm) -> None:
    async with open_model(vllm.url, vllm.name, api_key=vllm.key, server="vllm") as model:
        hearing = ModelJudge(model).hear(View(question=QUESTION, tenant="acme"))
        sure = [await hearing.supports(said, TEA.text) for said in (GREEN, BLACK, BLACK)]
    assert all(0.0 < each < 1.0 for each in sure) and sure[0] != sure[1]
    assert sure[1] == pytest.approx(sure[2], abs=1e-3)
    assert hearing.usage.model_calls == 3 and hearing.usage.output_tokens <= 3 * 4
    assert hearing.warnings == ()


@pytest.mark.vllm
async def test_a_real_server_judges(vllm: Vllm, tmp_path: Path) -> None:
    """The random model writes nothing that could be judged; the answer comes from loopback."""
    async with Server() as writer:
        writer.said = GREEN
        values = settings(
            tmp_path,
            writer.url,
            models={
                "judge": {
                    "provider": "vllm", "url": vllm.url, "name": vllm.name,
                    "api_key": {"env": "JUDGE_KEY"},
                }
            },
            routes={"verify": {"model": "judge", "fallback": []}},
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("JUDGE_KEY", vllm.key)
            answer = await ask(values)
    assert answer.status in ("answered", "abstained") and not answer.missing
    assert "judge" in answer.prompts and not writer.judged
    spans = TraceReader(tmp_path / "traces.db").trace(answer.trace_id).spans
    calls = [span for span in spans if span.attributes.get("fairlead.route") == "verify"]
    assert calls and all(span.status == "ok" for span in calls)
    assert answer.usage.model_calls == len(calls) + len(writer.seen)
