"""A circuit breaker: what was away several times in a row is left alone for a while."""

import threading
import time
from collections.abc import Callable


class Breaker:
    """Opens after so many failures in a row; after some seconds one caller may try again."""

    def __init__(
        self, *, limit: int = 3, seconds: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_at = 0.0

    def admits(self) -> bool:
        """Whether to try at all; while open, one caller every so many seconds."""
        with self._lock:
            if self._failures < self._limit:
                return True
            now = self._clock()
            if now < self._closed_at:
                return False
            self._closed_at = now + self._seconds  # this caller tries, the others wait for it
            return True

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._closed_at = self._clock() + self._seconds

    def worked(self) -> None:
        with self._lock:
            self._failures = 0
