"""Sequential tests: bets are fair or worse where nothing is wrong, and win where something is."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.adapters.guards import (
    BLOCK,
    Ceiling,
    Comparison,
    Rate,
    bets,
    detection,
    nearest_tolerated,
    smoothed,
)

PROBABILITY = st.floats(0.001, 0.98)


@given(
    m=st.integers(1, 30),
    n=st.integers(1, 60),
    usual=PROBABILITY,
    worse=PROBABILITY,
    tolerance=st.floats(0, 0.5),
    true=st.floats(0, 1),
    below=st.floats(0, 1),
)
def test_no_tolerated_pair_of_rates_wins_on_average(
    m: int, n: int, usual: float, worse: float, tolerance: float, true: float, below: float
) -> None:
    """The expectation of a block's factor, in closed form, for a canary within the tolerance."""
    if worse <= usual + tolerance + 1e-6:
        return
    nearest = nearest_tolerated(m, n, worse, usual, tolerance)
    assert usual <= nearest <= worse - tolerance
    stable, canary = true, min(1.0, (true + tolerance) * below)
    p, q = nearest + tolerance, nearest
    factor_canary = canary * worse / p + (1 - canary) * (1 - worse) / (1 - p)
    factor_stable = stable * usual / q + (1 - stable) * (1 - usual) / (1 - q)
    assert factor_canary**m * factor_stable**n <= 1 + 1e-6


@given(m=st.integers(1, 9), n=st.integers(1, 90), usual=PROBABILITY, gap=st.floats(0.02, 0.5))
def test_the_nearest_pair_is_nearest(m: int, n: int, usual: float, gap: float) -> None:
    worse, tolerance = min(0.99, usual + gap), gap / 4
    if worse <= usual + tolerance:
        return

    def distance(q: float) -> float:
        return m * entropy(worse, q + tolerance) + n * entropy(usual, q)

    found = nearest_tolerated(m, n, worse, usual, tolerance)
    step = (worse - tolerance - usual) / 1000
    grid = [usual + step * each for each in range(1, 1000)]
    assert distance(found) <= min(map(distance, grid)) + 1e-9


def entropy(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


@given(st.floats(0, 0.5), st.floats(0.01, 0.45))
def test_the_capital_is_divided_whole_and_betted_on_bad_effects(
    tolerance: float, above: float
) -> None:
    found = bets(tolerance, tolerance + above)
    assert math.isclose(sum(weight for _, weight in found), 1)
    assert all(effect > tolerance for effect, _ in found)
    assert found[0] == (tolerance + above, 0.5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_smoothed_rate_can_be_betted_on(bad: int, ok: int) -> None:
    assert 0 < smoothed(Rate(bad=bad, seen=bad + ok)) <= 0.95


def simulated(
    test: Comparison, *, stable: float, canary: float, share: float, answers: int, seed: int
) -> tuple[float, int | None]:
    """The greatest e-value, and after how many canary answers it came to 100."""
    chance, most, seen = random.Random(seed), 0.0, 0
    while seen < answers:
        if chance.random() < share:
            seen += 1
            test.saw_canary(chance.random() < canary)
        else:
            test.saw_stable(chance.random() < stable)
        most = max(most, test.evidence)
        if most >= 100:
            return most, seen
    return most, None


@pytest.mark.parametrize(("stable", "canary"), [(0.01, 0.11), (0.08, 0.28), (0.2, 0.5)])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_bad_canary_is_found_about_when_it_is_said(
    stable: float, canary: float, share: float
) -> None:
    effect = canary - stable
    found = []
    for seed in range(40):
        before = Rate(bad=round(stable * 1000), seen=1000)
        test = Comparison(tolerance=0.01, effect=effect, before=before)
        _, after = simulated(
            test, stable=stable, canary=canary, share=share, answers=2000, seed=seed
        )
        assert after is not None
        found.append(after)
    said = detection(stable=stable, effect=effect, tolerance=0.01, threshold=100, share=share * 100)
    assert 0.75 * said.mean < sum(found) / len(found) < 1.35 * said.mean
    assert sum(after <= said.most for after in found) >= 36


def test_what_is_said_falls_with_the_effect_and_rises_with_the_threshold() -> None:
    def said(effect: float, threshold: float = 100) -> float:
        found = detection(
            stable=0.02, effect=effect, tolerance=0.01, threshold=threshold, share=10, declared=0.05
        )
        assert found.mean <= found.most
        return found.mean

    assert all(a > b for a, b in pairwise([said(each) for each in (0.03, 0.05, 0.1, 0.3, 0.9)]))
    assert said(0.1, 20) < said(0.1, 100) < said(0.1, 1000)
    assert said(0.005) == math.inf  # tolerated


def test_a_trouble_of_both_is_no_alarm() -> None:
    """An outage hits both versions alike: rates may change at any time."""
    chance = random.Random(3)
    test = Comparison(tolerance=0.01, effect=0.05, before=Rate(bad=10, seen=1000))
    most = 0.0
    for at in range(6000):
        rate = 0.6 if 2000 < at < 3000 else 0.01
        (test.saw_canary if chance.random() < 0.2 else test.saw_stable)(chance.random() < rate)
        most = max(most, test.evidence)
    assert most < 100


def test_equal_versions_seldom_alarm() -> None:
    """At the very edge of what is tolerated, at a threshold that is easily come to."""
    alarms = 0
    for seed in range(100):
        chance = random.Random(seed)
        test = Comparison(tolerance=0.05, effect=0.15, before=Rate(bad=100, seen=1000))
        for _ in range(1000):
            if chance.random() < 0.3:
                test.saw_canary(chance.random() < 0.15)
            else:
                test.saw_stable(chance.random() < 0.10)
            if test.evidence >= 5:
                alarms += 1
                break
    assert alarms <= 100 * 0.2


def test_nothing_is_said_before_both_were_seen() -> None:
    test = Comparison(tolerance=0.01, effect=0.05)
    for _ in range(50):
        test.saw_canary(True)
    for _ in range(BLOCK - 1):
        test.saw_stable(False)
    assert test.evidence == pytest.approx(1)
    test.saw_stable(False)
    assert test.evidence > 1e4


def test_a_limit_needs_no_stable_version() -> None:
    test = Ceiling(limit=0.05, effect=0.05)
    for _ in range(40):
        test.saw_stable(True)
    assert test.evidence == pytest.approx(1)
    for at in range(200):
        test.saw_canary(at % 5 == 0)
    assert test.evidence > 100
    calm = Ceiling(limit=0.05, effect=0.05)
    for at in range(400):
        calm.saw_canary(at % 20 == 0)
    assert calm.evidence < 2


def test_a_large_capital_is_still_a_number() -> None:
    test = Ceiling(limit=0.01, effect=0.05)
    for _ in range(5000):
        test.saw_canary(True)
    assert math.isfinite(test.evidence) and test.evidence > 1e200
