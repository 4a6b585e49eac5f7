"""Several servers of one model."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import Unavailable
from fairlead.serving import open_model
from fairlead.serving.remote import Wire
from fairlead.serving.remote.endpoints import SLACK, SPARE, Endpoints
from tests.serving.remote.protocol import ChatServer, Connection, Seen, reply, well
from tests.serving.remote.test_model import asked


@pytest.fixture
async def servers() -> list[ChatServer]:
    async with AsyncExitStack() as running:
        return [await running.enter_async_context(ChatServer()) for _ in range(3)]


def wires(count: int) -> list[Wire]:
    return [Wire(f"http://127.0.0.1:{9000 + number}/v1") for number in range(count)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.text(max_size=5))
def test_the_order_holds_every_server_once(loads: list[int], thread: str) -> None:
    made = wires(len(loads))
    for wire, load in zip(made, loads, strict=True):
        wire.in_flight = load
    endpoints = Endpoints(made)
    order = endpoints.order(thread)
    assert sorted(map(id, order)) == sorted(map(id, made))
    mean = sum(loads) / len(loads)
    assert order[0].in_flight <= SLACK * mean + SPARE
    if not thread:
        assert order[0].in_flight == min(loads)
    rest = endpoints.order(thread, tried=[order[0]])
    assert len(order) == 1 or rest[-1] is order[0]


def test_threads_stay_and_few_move_when_a_server_comes() -> None:
    few, more = Endpoints(wires(3)), Endpoints(wires(4))
    threads = [f"thread {number}" for number in range(400)]
    before = [few.order(thread)[0].url for thread in threads]
    assert before == [few.order(thread)[0].url for thread in threads]
    assert min(before.count(url) for url in set(before)) > 80
    after = [more.order(thread)[0].url for thread in threads]
    moved = sum(one != other for one, other in zip(before, after, strict=True))
    assert moved == after.count(more.wires[3].url) < 150


async def test_a_thread_keeps_its_server() -> None:
    async with ChatServer() as one, ChatServer() as other:
        async with open_model([one.url, other.url], "base") as model:
            for thread in map(str, range(24)):
                for _ in range(3):
                    await model.complete(asked(thread=thread))
        assert len(one.seen) + len(other.seen) == 72
        assert len(one.seen) % 3 == 0 and one.seen and other.seen


async def test_the_least_loaded_is_asked() -> None:
    release = asyncio.Event()

    async def slow(connection: Connection, seen: Seen) -> None:
        await release.wait()
        await well(connection, seen)

    async with ChatServer() as one, ChatServer() as other:
        one.always = other.always = slow
        async with open_model([one.url, other.url], "base") as model:
            tasks = [asyncio.create_task(model.complete(asked())) for _ in range(8)]
            async with asyncio.timeout(5):
                await one.asked.wait()
                await other.asked.wait()
                release.set()
                await asyncio.gather(*tasks)
        assert len(one.seen) == len(other.seen) == 4


async def test_an_endpoint_that_dies_loses_no_call() -> None:
    async with ChatServer() as one, ChatServer() as other:
        async with open_model([one.url, other.url], "base") as model:
            for number in range(30):
                if number == 10:
                    await one.stop()
                done = await model.complete(asked(thread=f"t{number}"))
                assert done.text == "Hello."
        assert len(one.seen) + len(other.seen) >= 30 and len(other.seen) >= 20


async def test_a_busy_server_is_left_for_another_at_once() -> None:
    async with ChatServer() as one, ChatServer() as other:
        one.always = other.always = reply(429, {}, Retry_After="3600")
        async with open_model([one.url, other.url], "base") as model:
            with pytest.raises(Unavailable, match="429"):
                await model.complete(asked())
            assert len(one.seen) == len(other.seen) == 1
            other.always = well
            assert (await model.complete(asked())).text == "Hello."
