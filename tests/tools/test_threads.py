"""Blocking functions beside the event loop."""

import asyncio
import contextvars
import subprocess
import sys
import threading
import time

import pytest

from fairlead.tools import threads
from fairlead.tools.threads import in_thread

WHO = contextvars.ContextVar("WHO", default="nobody")

ABANDONED = """
import asyncio, time
from fairlead.tools.threads import in_thread

async def main():
    try:
        await asyncio.wait_for(in_thread(lambda: time.sleep(60)), 0.05)
    except TimeoutError:
        print("late")

asyncio.run(main())
"""


async def test_returns_and_raises_what_the_function_does() -> None:
    assert await in_thread(lambda: threading.current_thread().name) == "fairlead-tool"
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_sees_the_callers_context() -> None:
    WHO.set("ann")
    assert await in_thread(WHO.get) == "ann"


async def test_the_loop_goes_on_meanwhile() -> None:
    begun = time.perf_counter()
    await asyncio.gather(*(in_thread(lambda: time.sleep(0.2)) for _ in range(5)))
    assert time.perf_counter() - begun < 0.9


async def test_cancelling_stops_the_waiting() -> None:
    release = threading.Event()
    waiting = asyncio.create_task(in_thread(release.wait))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    await asyncio.sleep(0.05)  # its late result is dropped without a complaint


async def test_an_idle_thread_is_used_again_and_few_are_kept() -> None:
    first = await in_thread(threading.get_ident)
    await asyncio.sleep(0.05)
    assert await in_thread(threading.get_ident) == first
    gate = threading.Event()
    crowd = [asyncio.create_task(in_thread(gate.wait)) for _ in range(threads._KEPT + 4)]
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(*crowd)
    await asyncio.sleep(0.05)
    assert len(threads._idle) <= threads._KEPT + 1


async def test_a_dead_thread_is_not_used() -> None:
    dead = threads._Worker()  # never started, as after a fork
    threads._idle.append(dead)
    assert await asyncio.wait_for(in_thread(lambda: "done"), 5) == "done"
    assert dead not in threads._idle


def test_a_hanging_function_does_not_keep_the_program_alive() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", ABANDONED], capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "late", "")
