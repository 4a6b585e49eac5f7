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
CAUTION: Final = 0.98
"""The quantile that is stated for 95 %. That of 95 % was held by 90 to 97 % of the versions in
benchmarks/canary.py: the distribution is of a walk in small steps, and blocks are waited for."""
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

    evidence: float
    """The e-value now."""

    def saw_canary(self, bad: bool) -> None: ...

    def saw_stable(self, bad: bool) -> None: ...


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
        self.evidence = 1.0

    def saw_canary(self, bad: bool) -> None:
        canary, stable = self._block
        self._block = (canary.plus(bad), stable)
        self._settle()

    def saw_stable(self, bad: bool) -> None:
        canary, stable = self._block
        self._block = (canary, stable.plus(bad))
        self._settle()

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
        self.evidence = _sum(self._capital)


class Ceiling:
    """Whether the canary's rate is above `limit`, whatever the stable version's is."""

    def __init__(self, *, limit: float, effect: float) -> None:
        self._limit = limit
        self._bets = [(min(MOST, limit + each), weight) for each, weight in bets(0.0, effect)]
        self._capital = [math.log(weight) for _, weight in self._bets]
        self.evidence = 1.0

    def saw_canary(self, bad: bool) -> None:
        for place, (rate, _) in enumerate(self._bets):
            if rate > self._limit:
                self._capital[place] += _ratio(Rate().plus(bad), rate, self._limit)
        self.evidence = _sum(self._capital)

    def saw_stable(self, bad: bool) -> None:
        """Says nothing here."""


def bets(tolerance: float, effect: float) -> Sequence[tuple[float, float]]:
    """Effects that are betted on, with the part of the capital on each; the parts sum to 1."""
    others = [effect * factor for factor in (0.5, 2, 4, 8, 16)]
    others = [each for each in others if tolerance < each < 0.9] + [0.9]
    return [(effect, 0.5), *((each, 0.5 / len(others)) for each in others)]


def smoothed(rate: Rate) -> float:
    """A rate that is neither 0 nor 1, and 5 % where nothing was seen."""
    return min(0.95, (rate.bad + 0.5) / (rate.seen + 10))


@dataclass(frozen=True, kw_only=True)
class Detection:
    """After how many answers of a canary an effect is found."""

    mean: float
    most: float
    """In at least 95 of 100 cases."""


def detection(
    *,
    stable: float,
    effect: float,
    tolerance: float,
    threshold: float,
    share: float,
    declared: float | None = None,
) -> Detection:
    """How soon a canary is found that is `effect` worse than a rate of `stable`; infinite if never.

    `share` is the canary's in percent, `declared` the effect that the settings look for hardest
    (default: this one). The logarithm of the capital is taken for a random walk with drift, whose
    time to a threshold has an inverse Gaussian distribution with the mean that Wald's equation
    gives; half of what one bad answer adds is added to the threshold, for what is beyond it at the
    end. Of the bets, the one that gets there first on average counts.
    """
    truth = (min(MOST, stable + effect), stable)
    beside = max((100.0 - share) / share, 1e-9)
    m = max(1, math.ceil(BLOCK / beside))
    n = max(BLOCK, round(m * beside))
    best = Detection(mean=math.inf, most=math.inf)
    for each, weight in bets(tolerance, declared or effect):
        pairs = _pairs(m, n, min(MOST, max(stable, 0.0005)), each, tolerance)
        if pairs is None:
            continue
        drift, spread = _walk((m, n), truth, pairs)
        if drift > 0:
            far = math.log(threshold / weight) + math.log(pairs[0][0] / pairs[0][1]) / 2
            mean = far / drift
            if mean < best.mean:
                best = Detection(mean=mean, most=_hitting(mean, far * far / spread, CAUTION))
    return best


def _walk(
    sizes: tuple[int, int],
    truth: tuple[float, float],
    pairs: tuple[tuple[float, float], tuple[float, float]],
) -> tuple[float, float]:
    """Mean and variance of what one answer of the canary adds to the logarithm of the capital."""
    drift = spread = 0.0
    for size, rate, (bad, good) in zip(sizes, truth, pairs, strict=True):
        of_bad, of_good = math.log(bad / good), math.log((1 - bad) / (1 - good))
        drift += size * (rate * of_bad + (1 - rate) * of_good)
        spread += size * rate * (1 - rate) * (of_bad - of_good) ** 2
    return drift / sizes[0], spread / sizes[0]


def _hitting(mean: float, shape: float, share: float) -> float:
    """The quantile of the inverse Gaussian distribution, by halving."""

    def below(x: float) -> float:
        root = math.sqrt(shape / x)
        first = _normal(root * (x / mean - 1))
        second = _normal(-root * (x / mean + 1))
        return first + (math.exp(2 * shape / mean + math.log(second)) if second > 0 else 0.0)

    low, high = mean / 1000, mean
    while below(high) < share:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < share else (low, middle)
    return high


def _normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


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
