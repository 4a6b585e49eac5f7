"""Blocking functions beside the event loop.

Daemon threads of our own, not the loop's executor: leaving `asyncio.run` waits for the executor's
threads, so one tool that hangs would hang the whole program after its time-out. There is no upper
limit on threads: a tool that never returns keeps its own, and must not keep others from running.
"""

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
_KEPT: Final = 8
"""Idle threads kept for the next call: starting one costs three times a call in an idle one."""


async def in_thread(function: Callable[[], T]) -> T:
    """What `function` returns or raises, run in a thread with this context's variables.

    Cancelling stops the waiting, never the thread: the function runs on and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((result, error))

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(function)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            loop.call_soon_threadsafe(settle, result, error)

    _worker().jobs.put(work)
    result, error = await done
    if error is not None:
        raise error
    return result  # type: ignore[return-value] # without an error it is what the function returned


class _Worker(threading.Thread):
    """A thread that does one job after another, and ends when enough others are idle."""

    def __init__(self) -> None:
        super().__init__(name="fairlead-tool", daemon=True)
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def run(self) -> None:
        while True:
            self.jobs.get()()
            if len(_idle) >= _KEPT:
                return
            _idle.append(self)


_idle: Final[deque[_Worker]] = deque()


def _worker() -> _Worker:
    with contextlib.suppress(IndexError):
        while True:
            worker = _idle.pop()
            if worker.is_alive():  # it is not in a forked child
                return worker
    worker = _Worker()
    worker.start()
    return worker
