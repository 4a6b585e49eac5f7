"""A served cross-encoder."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fairlead import Document, Principal
from fairlead.errors import BadReply, SettingsError, Unavailable
from fairlead.model_sections import ModelSettings
from fairlead.retrieval import Library
from fairlead.serving import open_reranker
from fairlead.serving.remote import ServedReranker
from fairlead.serving.remote.opening import calls_of
from fairlead.settings import load
from tests.serving.remote.protocol import ChatServer, Connection, Seen, reply

TEXTS = ["about tea", "about coffee", "tea and tea"]


def reranker(server: ChatServer, **options: Any) -> ServedReranker:
    told = ModelSettings(provider="vllm", url=server.url, name="cross", tries=1)
    return ServedReranker("cross", calls_of(told, api_key="k"), **options)


def rated(scores: Sequence[float], key: str = "relevance_score") -> Any:
    items = [{"index": at, key: score} for at, score in enumerate(scores)]
    return reply(body={"results" if key != "score" else "data": items[::-1]})


async def test_documents_are_rated_in_their_order(server: ChatServer) -> None:
    server.always = rated([0.5, 0.1, 0.9])
    made = reranker(server)
    assert await made.scores("tea?", TEXTS) == [0.5, 0.1, 0.9]
    assert await made.scores("tea?", []) == []
    await made.close()
    (seen,) = server.seen
    assert seen.path == "/v1/rerank" and seen.headers["authorization"] == "Bearer k"
    assert seen.body == {"model": "cross", "query": "tea?", "documents": TEXTS, "top_n": 3}


async def test_the_other_form_and_logits(server: ChatServer) -> None:
    server.always = rated([0.0, -3.0, 900.0], "score")
    made = reranker(server, form="score")
    scores = await made.scores("tea?", TEXTS)
    await made.close()
    assert scores[0] == 0.5 and scores[1] < 0.05 and scores[2] == 1.0
    assert server.seen[0].path == "/v1/score"
    assert server.seen[0].body == {"model": "cross", "text_1": "tea?", "text_2": TEXTS}


@pytest.mark.parametrize(
    "body",
    [
        {"results": []},
        {"results": [{"index": 0, "relevance_score": 0.1}] * 3},
        {"data": [{"index": at} for at in range(3)]},
        {"data": [{"index": at, "score": "high"} for at in range(3)]},
        [],
        {},
    ],
)
async def test_answers_of_another_form(server: ChatServer, body: Any) -> None:
    server.always = reply(body=json.dumps(body).encode())
    made = reranker(server)
    with pytest.raises(BadReply, match="another form"):
        await made.scores("tea?", TEXTS)
    await made.close()


async def test_a_search_is_reranked_and_does_without(server: ChatServer, tmp_path: Any) -> None:
    async def by_length(connection: Connection, seen: Seen) -> None:
        scores = [min(1.0, len(text) / 1000) for text in seen.body["documents"]]
        await rated(scores)(connection, seen)

    server.always = by_length
    values = {
        "storage": {"path": str(tmp_path)},
        "retrieval": {
            "embedder": "none",
            "reranker": "vllm:cross",
            "reranking": {"depth": 5},
            "cache": {"place": "off"},
        },
        "models": {"cross": {"provider": "vllm", "url": server.url, "name": "cross", "tries": 1}},
    }
    settings = load(values).settings
    made = open_reranker(settings)
    assert made is not None and made.depth == 5
    library = Library(tmp_path / "knowledge", None, settings, reranker=made)
    short = Document(id="short", text="Tea.")
    long = Document(id="long", text="Tea is a drink that is made of leaves and hot water.")
    await library.ingest([short, long], tenant="acme")
    asked: Any = {"principal": Principal(tenant="acme")}
    found = await library.search("tea", **asked)
    assert [hit.document_id for hit in found.hits] == ["long", "short"]
    server.always = reply(503, {})
    again = await library.search("tea", **asked)
    assert {hit.document_id for hit in again.hits} == {"long", "short"}
    assert any("not reranked" in warning for warning in again.warnings)
    await library.close()
    await made.close()


def test_settings_that_name_no_model() -> None:
    with pytest.raises(SettingsError, match="'cross', which there is not"):
        open_reranker(load({"retrieval": {"reranker": "vllm:cross"}}).settings)
    assert open_reranker(load({}).settings) is None


async def test_nobody_answers(server: ChatServer) -> None:
    server.always = reply(503, {})
    made = reranker(server)
    with pytest.raises(Unavailable, match="503"):
        await made.scores("tea?", TEXTS)
    await made.close()
