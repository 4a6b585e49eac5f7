"""Retries: only what is transient, only what may be repeated, within the run's time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from fairlead.errors import FairleadError

ATTEMPTS = 3
_T = TypeVar("_T")


async def attempted(action: Callable[[int], Awaitable[_T]]) -> _T:
    """The outcome of `action(attempt)`, tried up to `ATTEMPTS` times, 0.05 to 1 s apart, jittered.

    `attempt` counts from 1. Only errors of ours that say they are transient are tried again, and
    only an action that may be repeated belongs here; the caller bounds the time.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(lambda e: isinstance(e, FairleadError) and e.transient),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        reraise=True,
    ):
        with attempt:
            outcome = await action(attempt.retry_state.attempt_number)
    return outcome
