"""What became of every answer, per version, measured here: servers do not tell adapters apart.

Recording appends to a queue; a daemon thread writes batches. A database that cannot be written
costs records, never an answer: it warns once and counts in `dropped`.
"""

import atexit
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fairlead.errors import FairleadError
from fairlead.storage import Database
from fairlead.storage.database import Row

log = logging.getLogger(__name__)

INTERVAL: Final = 0.25
"""Seconds between two writes."""
KEPT: Final = 50_000
"""Records that wait at most while the database is away; beyond it the oldest are dropped."""
DAYS: Final = 30.0
"""How long outcomes are kept."""
_RECENT: Final = 10_000
"""Answers that the quantiles are of."""
_INSERT: Final = (
    "INSERT INTO adapter_outcomes (at, name, version, trial, draw, tenant, answer, error, ms,"
    " ttft_ms, input_tokens, output_tokens, bad_format, unverified)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_FEEDBACK: Final = (
    "INSERT INTO adapter_outcomes (at, name, version, trial, draw, tenant, answer, down)"
    " SELECT ?, name, version, trial, draw, tenant, answer, ? FROM adapter_outcomes"
    " WHERE tenant = ? AND answer = ? AND error IS NOT NULL ORDER BY id LIMIT 1"
    " ON CONFLICT (tenant, answer) WHERE down IS NOT NULL DO UPDATE SET down = excluded.down"
)
_VERIFIED: Final = (
    "INSERT INTO adapter_outcomes (at, name, version, trial, draw, tenant, answer, unverified)"
    " SELECT ?, name, version, trial, draw, tenant, answer, ? FROM adapter_outcomes"
    " WHERE tenant = ? AND answer = ? AND error IS NOT NULL ORDER BY id DESC LIMIT 1"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one answer. `version` 0 is the base model that answered in a route's place."""

    name: str
    version: int
    tenant: str
    answer: str = ""
    """Its id, by which feedback refers to it."""
    trial: int = 0
    draw: int = 0
    """As the `Choice` said."""
    error: bool = False
    ms: float = 0.0
    ttft_ms: float | None = None
    """Time to the first token, where the answer was streamed."""
    input_tokens: int = 0
    output_tokens: int = 0
    bad_format: bool | None = None
    """Whether it was not in the form that was asked for; None where nobody looked."""
    unverified: bool | None = None
    """Whether the verifier did not let it pass."""


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Of milliseconds, over the most recent answers; None where there is none."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was measured of one version."""

    requests: int
    errors: int
    latency_ms: Quantiles
    """Of answers that did not fail."""
    ttft_ms: Quantiles
    input_tokens: int
    output_tokens: int
    format_failures: int
    format_checked: int
    verifier_failures: int
    verifier_checked: int
    thumbs_up: int
    thumbs_down: int


class Outcomes:
    """Records outcomes in `database`. `record` and `feedback` never block; any thread may call."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self.dropped = 0
        """Records that were lost since this was made."""
        self._database = database
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._waiting = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._warned = False

    def record(self, outcome: Outcome) -> None:
        """Hands an outcome over; it is written within `INTERVAL`, or by `flush` or `close`."""
        self._queue.append((self._clock(), outcome))
        if not self._waiting.is_set():
            self._wake()

    def feedback(self, answer: str, *, tenant: str, down: bool) -> None:
        """What somebody thinks of an answer; the last word holds. Unknown answers are left out."""
        self._queue.append((self._clock(), int(down), tenant, answer))
        if not self._waiting.is_set():
            self._wake()

    def verified(self, answer: str, *, tenant: str, unverified: bool) -> None:
        """What the verifier found in an answer. Unknown answers are left out."""
        self._queue.append((self._clock(), int(unverified), tenant, answer, "verified"))
        if not self._waiting.is_set():
            self._wake()

    def flush(self) -> None:
        """Returns when all that was handed over is written. Raises `Unavailable` where it cannot
        be; it then waits for the next time."""
        with self._writing:
            batch = [self._queue.popleft() for _ in range(len(self._queue))]
            try:
                if batch:
                    self._write(batch)
            except BaseException:
                self._queue.extendleft(reversed(batch))
                raise

    def close(self) -> None:
        """Writes what waits, and ends the thread; records after it start another."""
        self._closed.set()
        self._waiting.set()
        if self._thread:
            self._thread.join()
        self._attempt()
        atexit.unregister(self.close)

    def prune(self) -> int:
        """Deletes outcomes older than `DAYS`; how many."""
        before = self._clock() - DAYS * 86_400
        return self._database.change("DELETE FROM adapter_outcomes WHERE at < ?", (before,))

    def summary(self, name: str, version: int) -> Summary:
        """What was measured of a version. Blocks; only what was written counts."""
        where = "FROM adapter_outcomes WHERE name = ? AND version = ?"
        (row,) = self._database.rows(
            "SELECT count(error), sum(error), sum(input_tokens), sum(output_tokens),"
            " sum(bad_format), count(bad_format), sum(unverified), count(unverified),"
            f" count(down) - coalesce(sum(down), 0), sum(down) {where}",
            (name, version),
        )
        counts = [int(each or 0) for each in row]
        recent = self._database.rows(
            f"SELECT ms, ttft_ms {where} AND error = 0 ORDER BY id DESC LIMIT ?",
            (name, version, _RECENT),
        )
        keys = (
            "requests", "errors", "input_tokens", "output_tokens", "format_failures",
            "format_checked", "verifier_failures", "verifier_checked", "thumbs_up", "thumbs_down",
        )  # fmt: skip
        return Summary(
            **dict(zip(keys, counts, strict=True)),
            latency_ms=_quantiles([ms for ms, _ in recent]),
            ttft_ms=_quantiles([ttft for _, ttft in recent if ttft is not None]),
        )

    def _wake(self) -> None:
        """Lets the thread write. Not under the lock of writing: that may be held for long."""
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._closed.clear()
                    atexit.register(self.close)
                    self._thread = threading.Thread(
                        target=self._run, name="fairlead-outcomes", daemon=True
                    )
                    self._thread.start()
        self._waiting.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._waiting.wait()
            if self._closed.wait(INTERVAL):
                return
            self._waiting.clear()
            self._attempt()

    def _attempt(self) -> None:
        try:
            self.flush()
        except FairleadError as error:
            if not self._warned:
                log.warning("outcomes of adapters wait to be written: %s", error)
            self._warned = True
            while len(self._queue) > KEPT:
                self._queue.popleft()
                self.dropped += 1
        else:
            self._warned = False

    def _write(self, batch: Sequence["_Waiting"]) -> None:
        rows = [_row(*each) for each in batch if len(each) == 2]
        said = [each for each in batch if len(each) == 4 and each[3]]
        looked = [each[:4] for each in batch if len(each) == 5 and each[3]]
        with self._database.transaction():
            if rows:
                self._database.change_many(_INSERT, rows)
            if looked:
                self._database.change_many(_VERIFIED, looked)
            if said:
                self._database.change_many(_FEEDBACK, said)


_Waiting: TypeAlias = (
    tuple[float, Outcome] | tuple[float, int, str, str] | tuple[float, int, str, str, str]
)
"""An outcome; feedback: whether it says no, tenant, answer; the verifier's finding, the same with a
word behind it; each with its time."""


def _row(at: float, outcome: Outcome) -> Row:
    return (
        at,
        outcome.name,
        outcome.version,
        outcome.trial,
        outcome.draw,
        outcome.tenant,
        outcome.answer,
        int(outcome.error),
        outcome.ms,
        outcome.ttft_ms,
        outcome.input_tokens,
        outcome.output_tokens,
        _bit(outcome.bad_format),
        _bit(outcome.unverified),
    )


def _bit(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _quantiles(values: list[float]) -> Quantiles:
    if not values:
        return Quantiles()
    values.sort()
    p50, p95, p99 = (quantile(values, share) for share in (0.5, 0.95, 0.99))
    return Quantiles(p50=p50, p95=p95, p99=p99)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that at least this share is not above; `ordered` is not empty."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
