"""Streams: what is given out as it comes, and what a stream that ends badly is."""

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import BadReply, FairleadError, SettingsError, Unavailable
from fairlead.protocols import Completion, Message, Request, ToolFragment
from fairlead.schema import ToolCall, Usage
from fairlead.serving import TracedModel, open_model
from fairlead.serving.remote import HttpModel, answers
from fairlead.serving.remote.events import LONGEST, Events
from fairlead.tracing import SpanStore, TraceReader, Tracing
from tests.serving.remote.protocol import (
    DONE,
    HELLO,
    WORDS,
    ChatServer,
    Connection,
    Seen,
    drop,
    event,
    reply,
    streaming,
)
from tests.serving.remote.test_model import WEATHER, asked


async def heard(model: HttpModel, request: Request) -> tuple[list[str], Completion]:
    texts, completion = [], None
    async for delta in model.stream(request):
        if delta.text:
            texts.append(delta.text)
        completion = delta.completion or completion
    assert completion is not None
    return texts, completion


async def test_pieces_as_they_come(server: ChatServer) -> None:
    async with open_model(server.url, "base") as model:
        texts, completion = await heard(model, asked())
    assert texts == list(WORDS) and completion.text == "".join(WORDS)
    assert completion.finish_reason == "stop" and completion.model == "served"
    assert completion.usage == Usage(
        input_tokens=9, output_tokens=3, cached_tokens=4, model_calls=1
    )
    assert server.seen[0].body["stream_options"] == {"include_usage": True}


async def test_reasoning_and_fragments_of_tool_calls(server: ChatServer) -> None:
    def piece(index: int, **function: str) -> dict[str, Any]:
        start = {"id": f"c{index}"} if "name" in function else {}
        return {"tool_calls": [{"index": index, **start, "function": function}]}

    server.acts.append(
        streaming(
            [
                event({"role": "assistant", "content": ""}),
                event({"reasoning": "Look it "}),
                event({"reasoning_content": "up."}),
                event(piece(0, name="weather", arguments="")),
                event(piece(0, arguments='{"city": "O')),
                event(piece(1, name="weather", arguments='{"city": "Bergen"}')),
                event(piece(0, arguments='slo"}')),
                event({}, "tool_calls"),
                DONE,
            ]
        )
    )
    async with open_model(server.url, "base") as model:
        deltas = [delta async for delta in model.stream(asked(tools=(WEATHER,)))]
    assert [delta.reasoning for delta in deltas if delta.reasoning] == ["Look it ", "up."]
    fragments = [delta.tool for delta in deltas if delta.tool]
    assert fragments[0] == ToolFragment(index=0, call_id="c0", tool="weather")
    assert fragments[1] == ToolFragment(index=0, arguments='{"city": "O')
    completion = deltas[-1].completion
    assert completion is not None and completion.reasoning == "Look it up."
    assert completion.tool_calls == (
        ToolCall(tool="weather", arguments={"city": "Oslo"}, call_id="c0"),
        ToolCall(tool="weather", arguments={"city": "Bergen"}, call_id="c1"),
    )


@pytest.mark.parametrize(
    ("chunks", "then"),
    [
        (HELLO[:2], "end"),
        (HELLO[:2], "close"),
        (HELLO[:2], "reset"),
        ([*HELLO, DONE], "end"),  # a server that is told to stop says DONE all the same
        ([*HELLO[:2], HELLO[2][:20]], "end"),
        ([*HELLO[:2], b"data: {half\n\n"], "end"),
        ([*HELLO[:2], b"data: [1]\n\n"], "end"),
        (
            [*HELLO[:2], b'data: {"error": {"message": "engine died", "code": 500}}\n\n', DONE],
            "end",
        ),
    ],
)
async def test_a_stream_that_breaks_is_an_error_with_what_arrived(
    server: ChatServer, chunks: list[bytes], then: str
) -> None:
    server.always = streaming(chunks, then=then)
    texts: list[str] = []
    async with open_model(server.url, "base") as model:
        with pytest.raises(BadReply) as raised:
            async for delta in model.stream(asked()):
                texts.append(delta.text)
                assert delta.completion is None
    assert raised.value.arrived == "".join(texts) != ""
    assert len(server.seen) == 1  # what was given out is never taken back


async def test_a_stream_that_stalls(server: ChatServer) -> None:
    server.always = streaming(HELLO[:2], then="stall")
    async with open_model(server.url, "base", gap=0.2) as model:
        began = time.monotonic()
        with pytest.raises(BadReply, match="nothing more came") as raised:
            await heard(model, asked())
        assert time.monotonic() - began < 2 and raised.value.arrived == "Hello"
        async with asyncio.timeout(2):
            await server.seen[0].left.wait()


async def test_a_stream_without_end(server: ChatServer) -> None:
    async def endless(connection: Connection, seen: Seen) -> None:
        await connection.begin_stream()
        while True:
            await connection.chunk(HELLO[0])
            await asyncio.sleep(0.01)

    server.always = endless
    async with open_model(server.url, "base") as model:
        began = time.monotonic()
        with pytest.raises(BadReply) as raised:
            await heard(model, asked(deadline=0.4))
    assert 0.4 <= time.monotonic() - began < 2
    assert raised.value.arrived.startswith("HelHelHel")


@pytest.mark.parametrize(
    "act",
    [
        drop,
        reply(503, {}),
        streaming([], then="end"),
        streaming([event({"role": "assistant", "content": ""})], then="reset"),
        streaming([b"data: {half\n\n"], then="end"),
        streaming([b'data: {"error": {"message": "later", "code": 503}}\n\n']),
        reply(body={"error": {"message": "later", "code": 503}}),
    ],
)
async def test_what_fails_before_the_first_piece_is_tried_again(
    server: ChatServer, act: Any
) -> None:
    server.acts.append(act)
    async with open_model(server.url, "base") as model:
        texts, _ = await heard(model, asked())
    assert "".join(texts) == "".join(WORDS) and len(server.seen) == 2


async def test_no_stream_at_all(server: ChatServer) -> None:
    server.always = reply(body=b"<html>", kind="text/html")
    async with open_model(server.url, "base") as model:
        with pytest.raises(SettingsError, match="not answer with JSON"):
            await heard(model, asked())
    server.always = streaming([event({"content": "x"}), event({}, "length"), DONE])
    async with open_model(server.url, "base") as model:
        with pytest.raises(BadReply, match="cut off at its limit"):
            await heard(model, asked(output_schema={"type": "object"}))


async def test_leaving_a_stream_closes_its_connection(server: ChatServer) -> None:
    server.always = streaming(HELLO, pause=0.05, then="stall")
    async with open_model(server.url, "base") as model:
        async with aclosing(model.stream(asked())) as deltas:  # type: ignore[type-var]  # a generator
            async for _ in deltas:
                break
        async with asyncio.timeout(2):
            await server.seen[0].left.wait()
        server.always = streaming()
        assert (await heard(model, asked()))[1].text == "".join(WORDS)


async def test_every_try_is_a_span_below_the_call(server: ChatServer, tmp_path: Path) -> None:
    store = SpanStore(tmp_path / "traces.db")
    tracing = Tracing(store=store)
    server.acts += [reply(503, {}), streaming()]
    async with open_model(server.url, "base", tracing=tracing) as model:
        traced = TracedModel(model, tracing, provider="vllm")
        with tracing.span("run", {}) as root:
            async for _ in traced.stream(asked()):
                pass
            await traced.complete(asked())
    tracing.flush()
    spans = TraceReader(tmp_path / "traces.db").trace(root.trace_id).spans
    tracing.close()
    named = {span.span_id: span for span in spans}
    tries = [span for span in spans if span.name.startswith("fairlead.attempt")]
    assert [span.attributes["fairlead.attempt"] for span in tries] == [1, 2, 1]
    assert [span.status for span in tries] == ["error", "ok", "ok"]
    assert {named[span.parent_span_id].name for span in tries} == {"chat base"}
    for span, seen in zip(tries, server.seen, strict=True):
        assert seen.headers["traceparent"].split("-")[1:3] == [root.trace_id, span.span_id]
        assert seen.headers["x-request-id"] == f"{root.trace_id}-{span.span_id}"
    calls = [span for span in spans if span.name == "chat base"]
    assert calls[0].attributes["gen_ai.request.stream"] is True
    assert 0 < float(str(calls[0].attributes["gen_ai.response.time_to_first_chunk"])) < 5


# --- events ---------------------------------------------------------------------------------------


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), max_size=6),
    st.sampled_from([b"\n", b"\r\n"]),
    st.data(),
)
def test_events_come_out_whole_however_they_are_cut(
    said: list[str], end: bytes, data: st.DataObject
) -> None:
    raw = b": a comment" + end + end
    for text in said:
        raw += b"event: x" + end + b"data: " + json.dumps(text).encode() + end + end
    events, found, at = Events(), [], 0
    while at < len(raw):
        size = data.draw(st.integers(1, len(raw) - at))
        found += events.feed(raw[at : at + size])
        at += size
    assert [json.loads(each) for each in found] == said


def test_data_of_several_lines_and_without_a_space() -> None:
    assert Events().feed(b"data:a\ndata: b\n\ndata\n\nid: 1\n\n") == [b"a\nb"]


def test_an_event_without_end_is_refused() -> None:
    events = Events()
    with pytest.raises(BadReply):
        for _ in range(LONGEST // 1000 + 2):
            events.feed(b"data: " + b"x" * 1000)


FIELDS = st.sampled_from(
    "choices delta message content tool_calls function usage error code finish_reason index".split()
)
ANSWERS = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner),
)


@given(ANSWERS)
def test_no_answer_is_an_internal_error(value: Any) -> None:
    for read in (
        lambda: answers.completion_of(value, "base"),
        lambda: answers.Stream("base").take(json.dumps(value).encode()),
    ):
        try:
            read()
        except FairleadError as error:
            assert isinstance(error, Unavailable | SettingsError)


async def test_a_message_is_shown_in_the_request(server: ChatServer) -> None:
    async with open_model(server.url, "base") as model:
        await heard(model, Request(messages=(Message(role="user", content="Grüße 🙂"),)))
    assert server.seen[0].body["messages"][0]["content"] == "Grüße 🙂"
