"""Watches canaries: reads what became of conversations, and rolls a bad canary back.

Several processes may watch: they read the same rows in the same order and come to the same alarm,
and the first of them rolls back. One that starts later reads a trial from its beginning.
"""

import logging
from dataclasses import asdict, dataclass
from typing import Final

from fairlead.model_sections import Rollout
from fairlead.serving.adapters.guards import Rate
from fairlead.serving.adapters.outcomes import quantile
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry
from fairlead.serving.adapters.trial import LEARNING, Alarm, Before, Metric, Seen, Trial
from fairlead.tracing import Tracing, names
from fairlead.tracing.names import AttributeValue

log = logging.getLogger(__name__)

ACTOR: Final = "fairlead"
"""Who rolls back by itself, as the history has it."""
_HISTORY: Final = 1000
"""Earlier answers of the stable version that say what is usual."""
_BATCH: Final = 5000


@dataclass
class _Trial:
    trial: Trial
    read: int
    """The last row that it was fed."""


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """A canary that was sent back, and why."""

    card: AdapterCard
    alarm: Alarm


class Watch:
    """The trials of the canaries of `registry`. `check` blocks; call it in a thread, from one."""

    def __init__(
        self, registry: Registry, rollout: Rollout, *, tracing: Tracing | None = None
    ) -> None:
        self._registry = registry
        self._rollout = rollout
        self._tracing = tracing or Tracing()
        self._trials: dict[int, _Trial] = {}

    def check(self) -> list[RolledBack]:
        """Reads what is new and rolls back what has to be. Raises `Unavailable` as the registry."""
        found = self._registry.standings()
        canaries = [standing.canary for standing in found.values() if standing.canary]
        running = {card.trial for card in canaries}
        self._trials = {key: each for key, each in self._trials.items() if key in running}
        done = [self._check(card) for card in canaries]
        return [each for each in done if each]

    def evidence(self, card: AdapterCard) -> dict[str, float]:
        """The e-value of each guard of a canary so far; blocks."""
        trial = self._trial(card)
        self._read(card, trial)
        return trial.trial.evidence()

    def _check(self, card: AdapterCard) -> RolledBack | None:
        alarm = self._read(card, self._trial(card))
        if alarm is None:
            return None
        with self._registry.changing():
            now = self._registry.standing(card.name).canary
            if now is None or now.trial != card.trial:
                return None  # somebody was faster
            detail = asdict(alarm) | {"automatic": True}
            start = names.rollback(name=card.name, version=card.version, digest=card.digest)
            with self._tracing.span(*start) as span:
                span.set(_told(alarm))
                bad, _ = self._registry.roll_back(
                    card.name, by=ACTOR, why=str(alarm), detail=detail
                )
        log.warning("adapter %s was rolled back: %s", bad.label, alarm)
        return RolledBack(card=bad, alarm=alarm)

    def _trial(self, card: AdapterCard) -> _Trial:
        if card.trial not in self._trials:
            trial = Trial(self._rollout, self._before(card))
            self._trials[card.trial] = _Trial(trial=trial, read=card.marked)
        return self._trials[card.trial]

    def _read(self, card: AdapterCard, trial: _Trial) -> Alarm | None:
        """Feeds the trial what is new, up to an alarm."""
        if alarm := trial.trial.alarm():  # of the last time, when it could not be written
            return alarm
        while True:
            rows = self._registry.database.rows(
                "SELECT id, version, draw, error, ms, bad_format, unverified, down"
                " FROM adapter_outcomes WHERE name = ? AND trial = ? AND id > ?"
                " ORDER BY id LIMIT ?",
                (card.name, card.trial, trial.read, _BATCH),
            )
            for number, version, draw, error, ms, bad_format, unverified, down in rows:
                trial.read = number
                alarm = trial.trial.saw(
                    Seen(
                        canary=version == card.version,
                        draw=draw,
                        error=_truth(error),
                        ms=ms if error == 0 else None,
                        bad_format=_truth(bad_format),
                        unverified=_truth(unverified),
                        down=_truth(down),
                    )
                )
                if alarm:
                    return alarm
            if len(rows) < _BATCH:
                return None

    def _before(self, card: AdapterCard) -> Before:
        """The same for whoever asks: of rows that were there when the canary began."""
        stable = self._registry.standing(card.name).stable
        if stable is None:
            return Before(rates={})
        columns: dict[Metric, str] = {
            "error_rate": "error",
            "format_failures": "bad_format",
            "verifier_failures": "unverified",
            "thumbs_down": "down",
        }
        where = "FROM adapter_outcomes WHERE name = ? AND version = ? AND id <= ?"
        given = (stable.name, stable.version, card.marked, _HISTORY)
        rates: dict[Metric, Rate] = {}
        for metric, column in columns.items():
            ((bad, seen),) = self._registry.database.rows(
                f"SELECT coalesce(sum({column}), 0), count({column}) FROM (SELECT {column} {where}"
                f" AND {column} IS NOT NULL ORDER BY id DESC LIMIT ?) AS recent",
                given,
            )
            rates[metric] = Rate(bad=int(bad), seen=seen)
        rows = self._registry.database.rows(
            f"SELECT ms {where} AND error = 0 ORDER BY id DESC LIMIT ?", given
        )
        if len(rows) < LEARNING:
            return Before(rates=rates)
        slow = quantile(sorted(ms for (ms,) in rows), 0.95)
        rates["latency_p95"] = Rate(bad=sum(ms > slow for (ms,) in rows), seen=len(rows))
        return Before(rates=rates, slow_ms=slow)


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _told(alarm: Alarm) -> dict[str, AttributeValue]:
    """What the span of a rollback says of its guard."""
    return {
        names.GUARD_REASON: str(alarm),
        names.ROLLOUT_GUARD: alarm.metric,
        names.ROLLOUT_TEST: alarm.test,
        names.ROLLOUT_E_VALUE: alarm.e_value,
        names.ROLLOUT_THRESHOLD: alarm.threshold,
        names.ROLLOUT_CANARY_BAD: alarm.canary.bad,
        names.ROLLOUT_CANARY_SEEN: alarm.canary.seen,
        names.ROLLOUT_STABLE_BAD: alarm.stable.bad,
        names.ROLLOUT_STABLE_SEEN: alarm.stable.seen,
    }
