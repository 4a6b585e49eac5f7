"""How soon a bad canary is sent back, and how seldom a good one.

Versions are simulated: conversations of one answer each come in at random, a share of them drawn by
the canary, and every outcome goes through the guards as in a running system (`Trial`, with the
settings' defaults). The stable version fails 1 % of its requests, misses the form in 1 %, is not
verified in 5 %, gets a thumb in 3 of 10 answers, down in 20 % of those; latencies are log-normal.

Good versions are of two kinds: the same as the stable one, and the worst that is tolerated, each
rate exactly its tolerance above. A bad version is worse in one thing and the same in all others.
Each runs until it is sent back, or has had so many conversations.

    python benchmarks/canary.py [--good 200] [--bad 100] [--conversations 1500] [--share 10]
"""

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from fairlead.model_sections import Rollout
from fairlead.serving.adapters.guards import Rate, detection
from fairlead.serving.adapters.trial import Before, Metric, Seen, Trial

SPREAD = 0.6
"""Of the logarithm of a latency."""
MEDIAN_MS = 800.0
SLOW_MS = MEDIAN_MS * math.exp(1.6448536 * SPREAD)
"""What 5 % of the stable version's answers are above."""
RATED = 0.3
"""Answers that somebody says something about."""
STABLE: Mapping[Metric, float] = {
    "error_rate": 0.01,
    "latency_p95": 0.05,
    "format_failures": 0.01,
    "verifier_failures": 0.05,
    "thumbs_down": 0.2,
}
BAD: Mapping[Metric, tuple[float, ...]] = {
    "error_rate": (0.05, 0.1, 0.3, 0.99),
    "latency_p95": (0.15, 0.3, 0.6),
    "format_failures": (0.05, 0.1, 0.3),
    "verifier_failures": (0.1, 0.2, 0.4),
    "thumbs_down": (0.2, 0.4),
}
"""How much worse, in the guard's own rate."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of version: its rates where they differ from the stable one's."""

    name: str
    rates: Mapping[Metric, float] = field(default_factory=dict)
    metric: Metric | None = None
    """The one that it is bad in."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one canary ended; `metric` is empty for one that stayed."""

    metric: str
    conversations: int


def answered(chance: random.Random, rates: Mapping[Metric, float], canary: bool, draw: int) -> Seen:
    """One answer of a version with these rates."""
    error = chance.random() < rates["error_rate"]
    slow = chance.random() < rates["latency_p95"]
    rated = chance.random() < RATED
    return Seen(
        canary=canary,
        draw=draw,
        error=error,
        ms=None if error else latency(chance, slow),
        bad_format=None if error else chance.random() < rates["format_failures"],
        unverified=None if error else chance.random() < rates["verifier_failures"],
        down=chance.random() < rates["thumbs_down"] if rated else None,
    )


def latency(chance: random.Random, slow: bool) -> float:
    """A latency on the asked side of `SLOW_MS`."""
    while True:
        ms = MEDIAN_MS * math.exp(chance.gauss(0.0, SPREAD))
        if (ms > SLOW_MS) is slow:
            return ms
        if slow:  # seldom drawn: take it from the tail
            return SLOW_MS * math.exp(chance.expovariate(3.0))


def run(kind: Kind, seed: int, *, share: float, conversations: int) -> Ended:
    """One canary, from its first conversation on."""
    chance = random.Random(f"{kind.name} {seed}")
    rates = {metric: Rate(bad=round(1000 * rate), seen=1000) for metric, rate in STABLE.items()}
    trial = Trial(Rollout(), Before(rates=rates, slow_ms=SLOW_MS))
    of_canary = {**STABLE, **kind.rates}
    draw = 0
    while trial.conversations < conversations:
        draw += 1
        canary = chance.random() < share / 100
        alarm = trial.saw(answered(chance, of_canary if canary else STABLE, canary, draw))
        if alarm:
            return Ended(metric=alarm.metric, conversations=trial.conversations)
    return Ended(metric="", conversations=trial.conversations)


def kinds() -> tuple[list[Kind], list[Kind]]:
    """Good ones and bad ones."""
    guards = Rollout().guards
    edge = {metric: rate + getattr(guards, metric).tolerance for metric, rate in STABLE.items()}
    bad = [
        Kind(name=f"{metric} +{worse:.0%}", rates={metric: STABLE[metric] + worse}, metric=metric)
        for metric, effects in BAD.items()
        for worse in effects
    ]
    return [Kind(name="the same"), Kind(name="the worst tolerated", rates=edge)], bad


def said(kind: Kind, share: float) -> tuple[float, float]:
    """The conversations of a canary that are stated for it: on average, and in 95 of 100 cases."""
    rollout = Rollout()
    assert kind.metric
    guard = getattr(rollout.guards, kind.metric)
    found = detection(
        stable=STABLE[kind.metric],
        effect=kind.rates[kind.metric] - STABLE[kind.metric],
        tolerance=guard.tolerance,
        threshold=len(STABLE) / rollout.alpha,
        share=share,
        declared=guard.effect,
    )
    judged = RATED if kind.metric == "thumbs_down" else 1.0
    mean, most = (
        max(rollout.min_conversations, each / judged) for each in (found.mean, found.most)
    )
    return mean, most


def share_of(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--good", type=int, default=200, help="versions of each good kind")
    parser.add_argument("--bad", type=int, default=100, help="versions of each bad kind")
    parser.add_argument("--conversations", type=int, default=1500, help="of a canary, at most")
    parser.add_argument("--share", type=float, default=10.0, help="of a canary, in percent")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    began, alpha = time.monotonic(), Rollout().alpha
    good, bad = kinds()
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor() as pool:
        for kind in (*good, *bad):
            play = partial(run, kind, share=args.share, conversations=args.conversations)
            count = args.bad if kind.metric else args.good
            ended = list(pool.map(play, range(count), chunksize=5))
            back = [each for each in ended if each.metric]
            row: dict[str, object] = {"kind": kind.name, "versions": count, "back": len(back)}
            if kind.metric:
                row["by_its_guard"] = sum(each.metric == kind.metric for each in back)
                mean, most = said(kind, args.share)
                row["stated_mean"], row["stated_most"] = round(mean), math.ceil(most)
                row["within"] = sum(each.conversations <= most for each in back)
                after = [each.conversations if each.metric else math.inf for each in ended]
                row["mean"] = round(statistics.fmean(after))
                row["median"], row["p95"] = statistics.median(after), share_of(after, 0.95)
            rows.append(row)
            if not args.json:
                print(row, flush=True)
    if args.json:
        print(json.dumps({"alpha": alpha, "share": args.share, "rows": rows}))
        return
    print(f"\nshare {args.share:g} %, up to {args.conversations} conversations of each canary")
    for row in rows[: len(good)]:
        rate = int(str(row["back"])) / int(str(row["versions"]))
        print(f"good, {row['kind']}: {row['back']} of {row['versions']} sent back", end="")
        print(f" ({rate:.1%}; declared at most {alpha:.0%})")
    print(
        "\n| bad version | stated: mean | 95 % within | found: mean | median | 95 % within |",
        end="",
    )
    print(" within what is stated | by its own guard |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows[len(good) :]:
        cells = (
            "kind", "stated_mean", "stated_most", "mean", "median", "p95", "within", "by_its_guard",
        )  # fmt: skip
        print(f"| {' | '.join(str(row[cell]) for cell in cells)} |")
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
