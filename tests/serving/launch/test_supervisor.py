"""An engine that dies comes back, so many times; one that never came up is not tried again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from fairlead.errors import Unavailable
from fairlead.serving.launch.process import Patience, Target
from fairlead.serving.launch.supervisor import Supervisor
from tests.serving.launch.conftest import PATIENCE, QUICK, Fake, alive, until


class Run:
    """A supervisor at work."""

    def __init__(self, fake: Fake, patience: Patience) -> None:
        self.said: list[str] = []
        self.answered: list[Target] = []
        self.supervisor = Supervisor(fake.launch, fake.log, say=self.said.append, patience=patience)
        self.task = asyncio.create_task(self.supervisor.run(self.answered.append))

    def target(self) -> Target | None:
        return self.supervisor.target

    async def ready(self, times: int) -> Target:
        await until(lambda: len(self.answered) >= times or self.task.done())
        return self.answered[times - 1]


@asynccontextmanager
async def running(fake: Fake, patience: Patience = QUICK) -> AsyncIterator[Run]:
    run = Run(fake, patience)
    try:
        yield run
    finally:
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)
        assert not alive(fake.pids())


async def test_it_runs_until_stopped(fake: Fake) -> None:
    async with running(fake) as run:
        assert run.target() is None
        assert await run.ready(1) == run.target()
        run.supervisor.stop()
        await run.task
        assert run.target() is None and fake.events("ended") == [True] and not run.said


async def test_one_that_dies_comes_back_as_another(fake: Fake) -> None:
    async with running(fake) as run:
        first = await run.ready(1)
        os.kill(first.pid, signal.SIGKILL)
        second = await run.ready(2)
        assert second.pid != first.pid and second.key != first.key
        assert run.supervisor.target == second
        assert run.said == ["the engine ended with status 137; it is started again in 0.01 s"]
        run.supervisor.stop()
        await run.task


async def test_one_that_dies_too_often_is_given_up(fake: Fake) -> None:
    async with running(fake, replace(QUICK, restarts=2)) as run:
        for times in (1, 2, 3):
            os.kill((await run.ready(times)).pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="died 3 times within 600 seconds, the last time so"):
            await run.task
        assert len(run.said) == 2 and run.said[1].endswith("in 0.02 s")


async def test_deaths_long_ago_do_not_count(fake: Fake) -> None:
    async with running(fake, replace(QUICK, restarts=1, window_seconds=0.0)) as run:
        for times in (1, 2, 3):
            os.kill((await run.ready(times)).pid, signal.SIGKILL)
        await run.ready(4)


async def test_one_that_does_not_come_back_counts_as_dead(fake: Fake) -> None:
    async with running(fake, replace(QUICK, restarts=2)) as run:
        first = await run.ready(1)
        fake.variables["FAKE_FAILURE"] = "out of memory"
        os.kill(first.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="ValueError: out of memory"):
            await run.task
        assert len(run.said) == 2 and "before it was ready" in run.said[1]


async def test_one_that_never_answers_again_is_given_up_however_long_it_takes(fake: Fake) -> None:
    async with running(fake, replace(QUICK, restarts=1, window_seconds=0.0)) as run:
        first = await run.ready(1)
        fake.variables["FAKE_FAILURE"] = "out of memory"
        os.kill(first.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="died 2 times"):
            await run.task


async def test_the_first_start_is_not_tried_again(fake: Fake) -> None:
    fake.variables["FAKE_FAILURE"] = "no such model"
    async with running(fake) as run:
        with pytest.raises(Unavailable, match="no such model"):
            await run.task
        assert not run.said


async def test_stopping_lets_requests_finish(fake: Fake) -> None:
    async with running(fake) as run, aiohttp.ClientSession() as session:
        target = await run.ready(1)
        headers = {"Authorization": f"Bearer {target.key}"}
        async with session.post(
            f"{target.url}/v1/chat/completions", json={"do": "hold"}, headers=headers
        ) as reply:
            assert await reply.content.readuntil(b"\n\n") == b"data: first\n\n"
            run.supervisor.stop()
            await until(lambda: fake.events("signal") == [signal.SIGTERM])
            assert run.supervisor.target is None and not run.task.done()
            os.kill(target.pid, signal.SIGUSR1)  # releases the stream
            assert await reply.content.read() == b"data: [DONE]\n\n"
        await run.task
        assert fake.events("ended") == [True]


async def test_stopping_twice_ends_it_at_once(fake: Fake) -> None:
    fake.variables["FAKE_STUBBORN"] = "1"
    async with running(fake, replace(QUICK, stop_seconds=600)) as run:
        await run.ready(1)
        run.supervisor.stop()
        await until(lambda: fake.events("signal") == [signal.SIGTERM])
        run.supervisor.stop()
        async with asyncio.timeout(PATIENCE):
            await run.task
        assert not alive(fake.pids())


async def test_stopping_while_it_starts_or_waits(fake: Fake) -> None:
    fake.variables["FAKE_NEVER_READY"] = "1"
    async with running(fake) as run:
        await until(lambda: len(fake.events("pid")) == 1)
        run.supervisor.stop()
        await run.task
    del fake.variables["FAKE_NEVER_READY"]
    async with running(fake, replace(QUICK, first_pause=600, longest_pause=600)) as run:
        os.kill((await run.ready(1)).pid, signal.SIGKILL)
        await until(lambda: bool(run.said))
        run.supervisor.stop()
        await run.task
