"""One canary on trial: its guards' tests, fed with what became of conversations.

Only conversations that drew lots in this trial count, so that chance alone decided which version
they got; and of each only the first outcome that a guard can judge. Later answers of a conversation
are like its first one, good or bad: counted one by one they would look like so many proofs, and the
stated false-alarm rate would not hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from fairlead.model_sections import CanaryGuard, Rollout
from fairlead.serving.adapters.guards import Ceiling, Comparison, Rate, SequentialTest
from fairlead.serving.adapters.outcomes import quantile

Metric: TypeAlias = Literal[
    "error_rate", "latency_p95", "format_failures", "verifier_failures", "thumbs_down"
]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
LEARNING: Final = 100
"""Stable answers that say what is slow, where none were seen before the canary."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One outcome of a conversation, as far as guards judge it; None for what nobody judged."""

    canary: bool
    draw: int
    error: bool | None = None
    ms: float | None = None
    """Of an answer that did not fail."""
    bad_format: bool | None = None
    unverified: bool | None = None
    down: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Before:
    """What was seen of the stable version before the canary began."""

    rates: Mapping[Metric, Rate]
    slow_ms: float | None = None
    """The latency that 5 % of its answers were above; None where too few were seen."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Why a canary is sent back, with every number."""

    metric: Metric
    test: Literal["comparison", "limit"]
    canary: Rate
    stable: Rate
    e_value: float
    threshold: float
    alpha: float
    tests: int
    """Guards that the alpha is shared by."""
    tolerance: float
    limit: float | None
    conversations: int
    """Of the canary, so far."""
    slow_ms: float | None

    def __str__(self) -> str:
        """In one line."""
        slow = f" over {self.slow_ms:.0f} ms" if self.metric == "latency_p95" else ""
        found = f"{self.metric}{slow}: {self.canary.bad} of {self.canary.seen}"
        found += f" ({self.canary.value:.1%})"
        if self.test == "limit":
            found += f", over the limit {self.limit:.1%}"
        else:
            found += f", stable {self.stable.bad} of {self.stable.seen} ({self.stable.value:.1%})"
            found += f", tolerated {self.tolerance:.1%} more"
        return f"{found}; e-value {self.e_value:.3g} of {self.threshold:.3g} needed"


@dataclass
class _Watched:
    """One test, with what it was fed."""

    metric: Metric
    kind: Literal["comparison", "limit"]
    test: SequentialTest
    guard: CanaryGuard


class Trial:
    """The tests of one canary. Fed in the order in which outcomes were recorded."""

    def __init__(self, rollout: Rollout, before: Before) -> None:
        self._watched = list(_tests(rollout, before))
        self._alpha = rollout.alpha
        self._least = rollout.min_conversations
        self._slow_ms = before.slow_ms
        self._learnt: list[float] = []
        self._judged: dict[Metric, set[int]] = {metric: set() for metric in METRICS}
        self._canary: dict[Metric, Rate] = {metric: Rate() for metric in METRICS}
        self._stable: dict[Metric, Rate] = {metric: Rate() for metric in METRICS}
        self._conversations: set[int] = set()

    @property
    def threshold(self) -> float:
        """The e-value at which a test gives its alarm: the alpha is shared by all tests."""
        return len(self._watched) / self._alpha

    @property
    def conversations(self) -> int:
        """Of the canary, so far."""
        return len(self._conversations)

    def saw(self, seen: Seen) -> Alarm | None:
        """Takes one outcome in; the alarm that it is the reason for, if there is one."""
        if seen.canary:
            self._conversations.add(seen.draw)
        for metric, bad in self._judgements(seen):
            if bad is None or seen.draw in self._judged[metric]:
                continue
            self._judged[metric].add(seen.draw)
            rates = self._canary if seen.canary else self._stable
            rates[metric] = rates[metric].plus(bad)
            for watched in self._watched:
                if watched.metric == metric:
                    take = watched.test.saw_canary if seen.canary else watched.test.saw_stable
                    take(bad)
        return self.alarm()

    def evidence(self) -> dict[str, float]:
        """The e-value of each test now, by metric, with `/limit` behind that of a limit."""
        return {
            each.metric + ("/limit" if each.kind == "limit" else ""): each.test.evidence
            for each in self._watched
        }

    def alarm(self) -> Alarm | None:
        """Why the canary has to be sent back as things stand; None where it has not."""
        if len(self._conversations) < self._least:
            return None
        worst = max(self._watched, key=lambda each: each.test.evidence, default=None)
        if worst is None or worst.test.evidence < self.threshold:
            return None
        return Alarm(
            metric=worst.metric,
            test=worst.kind,
            canary=self._canary[worst.metric],
            stable=self._stable[worst.metric],
            e_value=worst.test.evidence,
            threshold=self.threshold,
            alpha=self._alpha,
            tests=len(self._watched),
            tolerance=worst.guard.tolerance,
            limit=worst.guard.limit,
            conversations=len(self._conversations),
            slow_ms=self._slow_ms if worst.metric == "latency_p95" else None,
        )

    def _judgements(self, seen: Seen) -> Sequence[tuple[Metric, bool | None]]:
        return (
            ("error_rate", seen.error),
            ("latency_p95", self._is_slow(seen)),
            ("format_failures", seen.bad_format),
            ("verifier_failures", seen.unverified),
            ("thumbs_down", seen.down),
        )

    def _is_slow(self, seen: Seen) -> bool | None:
        """None until it is known what is slow."""
        if seen.ms is None:
            return None
        if self._slow_ms is not None:
            return seen.ms > self._slow_ms
        if not seen.canary:
            self._learnt.append(seen.ms)
            if len(self._learnt) == LEARNING:
                self._slow_ms = quantile(sorted(self._learnt), 0.95)
        return None


def _tests(rollout: Rollout, before: Before) -> Sequence[_Watched]:
    found: list[_Watched] = []
    for metric in METRICS:
        guard: CanaryGuard = getattr(rollout.guards, metric)
        if not guard.on:
            continue
        test = Comparison(
            tolerance=guard.tolerance, effect=guard.effect, before=before.rates.get(metric)
        )
        found.append(_Watched(metric=metric, kind="comparison", test=test, guard=guard))
        if guard.limit is not None:
            limit = Ceiling(limit=guard.limit, effect=guard.effect)
            found.append(_Watched(metric=metric, kind="limit", test=limit, guard=guard))
    return found
