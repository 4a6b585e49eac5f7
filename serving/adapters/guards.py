"""Sequential tests: whether a canary is worse than tolerated, asked after every answer.

Each test keeps an e-value: the capital of somebody who began with 1 and bets on the canary being
bad, at odds that are fair or worse for him while it is not. By Ville's inequality such capital ever
reaches 1/a with probability at most a, however often one looks and whenever one stops. So a test
that gives its alarm at that capital has a false-alarm rate of at most a.

Two versions are compared in blocks, as in Turner, Ly and Grünwald ("Generic e-variables for exact
sequential k-sample tests that allow for optional stopping", 2024, arXiv 2106.02693) and Turner and
Grünwald ("Exact anytime-valid confidence intervals for contingency tables and beyond", 2023, arXiv
2203.09785). Let the canary be bad with probability p, the stable version with q, both unknown and
free to change from block to block, and let p ≤ q + tolerance be what is tolerated. A block of m
answers of the canary and n of the stable version multiplies the capital by the ratio of likelihoods

    P(block | p*, q*) / P(block | p°, q°)

where (p*, q*) is a bad pair chosen before the block, and (p°, q°) the tolerated pair nearest to it
in relative entropy. That lies on p° = q° + tolerance, where m·a + n·b = 0 with
a = (p*−p°)/(p°(1−p°)) > 0 and b = (q*−q°)/(q°(1−q°)). The ratio's expectation is
(1 + a(p−p°))^m (1 + b(q−q°))^n; since 1 + x ≤ e^x it is at most exp(m·a(p−p°) + n·b(q−q°)), which
is exp(m·a(p − q − tolerance)): at most 1, whatever tolerated p and q are. The bad pairs are the
stable rate as seen so far, plus each of a few effects; the capital is divided among them, half of
it on the effect that the settings declare.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

BLOCK: Final = 5
"""Answers of the stable version that a block waits for: fewer tell little of its rate."""
MOST: Final = 0.99
"""The worst rate that is betted on."""
_LARGE: Final = 600.0
"""Where the logarithm of a capital is cut, since e^709 is the largest float."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many of so many were bad."""

    bad: int = 0
    seen: int = 0

    @property
    def value(self) -> float:
        return self.bad / self.seen if self.seen else 0.0

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(bad=self.bad + other.bad, seen=self.seen + other.seen)

    def plus(self, bad: bool) -> "Rate":
        return Rate(bad=self.bad + bad, seen=self.seen + 1)


class SequentialTest(Protocol):
    """A sequential test of one rate."""

    def saw_canary(self, bad: bool) -> None: ...

    def saw_stable(self, bad: bool) -> None: ...

    @property
    def evidence(self) -> float:
        """The e-value now."""
        ...


class Comparison:
    """Whether the canary's rate is more than `tolerance` above the stable version's.

    `before` is what was seen of the stable version earlier: it only says where to bet.
    """

    def __init__(self, *, tolerance: float, effect: float, before: Rate | None = None) -> None:
        self._tolerance = tolerance
        self._bets = bets(tolerance, effect)
        self._capital = [math.log(weight) for _, weight in self._bets]
        self._stable = before or Rate()
        self._block = (Rate(), Rate())

    def saw_canary(self, bad: bool) -> None:
        canary, stable = self._block
        self._block = (canary.plus(bad), stable)
        self._settle()

    def saw_stable(self, bad: bool) -> None:
        canary, stable = self._block
        self._block = (canary, stable.plus(bad))
        self._settle()

    @property
    def evidence(self) -> float:
        return _sum(self._capital)

    def _settle(self) -> None:
        """Ends the block where it is large enough: a question of counts, not of outcomes."""
        canary, stable = self._block
        if not canary.seen or stable.seen < BLOCK:
            return
        usual = smoothed(self._stable)
        for place, (effect, _) in enumerate(self._bets):
            self._capital[place] += _gain(canary, stable, usual, effect, self._tolerance)
        self._stable += stable
        self._block = (Rate(), Rate())


class Ceiling:
    """Whether the canary's rate is above `limit`, whatever the stable version's is."""

    def __init__(self, *, limit: float, effect: float) -> None:
        self._limit = limit
        self._bets = [(min(MOST, limit + each), weight) for each, weight in bets(0.0, effect)]
        self._capital = [math.log(weight) for _, weight in self._bets]

    def saw_canary(self, bad: bool) -> None:
        for place, (rate, _) in enumerate(self._bets):
            if rate > self._limit:
                self._capital[place] += _ratio(Rate().plus(bad), rate, self._limit)

    def saw_stable(self, bad: bool) -> None:
        """Says nothing here."""

    @property
    def evidence(self) -> float:
        return _sum(self._capital)


def bets(tolerance: float, effect: float) -> Sequence[tuple[float, float]]:
    """Effects that are betted on, with the part of the capital on each; the parts sum to 1."""
    others = [effect * factor for factor in (0.5, 2, 4, 8, 16)]
    others = [each for each in others if tolerance < each < 0.9] + [0.9]
    return [(effect, 0.5), *((each, 0.5 / len(others)) for each in others)]


def smoothed(rate: Rate) -> float:
    """A rate that is neither 0 nor 1, and 5 % where nothing was seen."""
    return min(0.95, (rate.bad + 0.5) / (rate.seen + 10))


def expected_answers(
    *,
    stable: float,
    effect: float,
    tolerance: float,
    threshold: float,
    share: float,
    seen: int = 1000,
) -> float:
    """About how many answers of a canary it takes to find that it is `effect` worse.

    `stable` is the stable version's rate, of which `seen` answers are known, and `share` the
    canary's in percent. The logarithm of the threshold, divided by the mean gain per answer of the
    effect that gains most (Wald's approximation; what is beyond the threshold at the end is left
    out).
    """
    canary = min(MOST, stable + effect)
    usual = smoothed(Rate(bad=round(stable * seen), seen=seen))
    beside = max((100.0 - share) / share, 1e-9)
    whole = max(1, math.ceil(BLOCK / beside))
    parts = (Rate(seen=whole), Rate(seen=max(BLOCK, round(whole * beside))))
    found = math.inf
    for each, weight in bets(tolerance, effect):
        gain = _mean_gain(parts, (canary, stable), (usual, each, tolerance)) / whole
        if gain > 0:
            found = min(found, (math.log(threshold) - math.log(weight)) / gain)
    return found


def _mean_gain(
    sizes: tuple[Rate, Rate], truth: tuple[float, float], bet: tuple[float, float, float]
) -> float:
    """Of one block: the gain is linear in the counts, so the mean counts give it."""
    usual, effect, tolerance = bet
    pairs = _pairs(sizes[0].seen, sizes[1].seen, usual, effect, tolerance)
    if pairs is None:
        return 0.0
    return sum(
        size.seen * (p * math.log(bad / good) + (1 - p) * math.log((1 - bad) / (1 - good)))
        for size, p, (bad, good) in zip(sizes, truth, pairs, strict=True)
    )


def _gain(canary: Rate, stable: Rate, usual: float, effect: float, tolerance: float) -> float:
    """The logarithm of what a block multiplies the capital by."""
    pairs = _pairs(canary.seen, stable.seen, usual, effect, tolerance)
    if pairs is None:
        return 0.0
    return _ratio(canary, *pairs[0]) + _ratio(stable, *pairs[1])


def _pairs(
    m: int, n: int, usual: float, effect: float, tolerance: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """(p*, p°) and (q*, q°) of a block of m and n; None for a pair that is tolerated."""
    worse = min(MOST, usual + effect)
    if worse <= usual + tolerance:
        return None
    nearest = nearest_tolerated(m, n, worse, usual, tolerance)
    return (worse, nearest + tolerance), (usual, nearest)


def nearest_tolerated(m: int, n: int, worse: float, usual: float, tolerance: float) -> float:
    """q° for p* = `worse` and q* = `usual`: where m·a + n·b = 0, between q* and p* − tolerance.

    The left side falls as q° rises; found by Newton's steps, or halving where they lead outside.
    """
    low, high = usual, worse - tolerance
    place = min(max((m * high + n * low) / (m + n), low), high)
    for _ in range(100):
        p, q = place + tolerance, place
        above, below = p * (1 - p), q * (1 - q)
        value = m * (worse - p) / above + n * (usual - q) / below
        if value > 0:
            low = place
        else:
            high = place
        slope = -m * (above + (worse - p) * (1 - 2 * p)) / above**2
        slope -= n * (below + (usual - q) * (1 - 2 * q)) / below**2
        following = place - value / slope
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - place) < 1e-15:
            break
        place = following
    return place


def _ratio(rate: Rate, bad: float, good: float) -> float:
    """The logarithm of how much likelier the outcomes are with the rate `bad` than with `good`."""
    ok = rate.seen - rate.bad
    return rate.bad * math.log(bad / good) + ok * math.log((1 - bad) / (1 - good))


def _sum(logarithms: Sequence[float]) -> float:
    return math.fsum(math.exp(min(each, _LARGE)) for each in logarithms)
