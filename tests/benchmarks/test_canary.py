"""The simulation of canaries, small: good ones stay, bad ones go within what is stated."""

from collections.abc import Callable
from types import ModuleType

import pytest

from fairlead.model_sections import Rollout


@pytest.fixture
def canary(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("canary")


def test_of_200_good_versions_no_more_are_sent_back_than_is_declared(canary: ModuleType) -> None:
    (same, worst), _ = canary.kinds()
    for kind, versions in ((same, 100), (worst, 200)):
        ended = [canary.run(kind, seed, share=50, conversations=60) for seed in range(versions)]
        assert sum(bool(each.metric) for each in ended) <= Rollout().alpha * versions


def test_bad_versions_are_sent_back_within_what_is_stated(canary: ModuleType) -> None:
    _, bad = canary.kinds()
    for name in ("error_rate +30%", "latency_p95 +60%", "format_failures +30%"):
        kind = next(each for each in bad if each.name == name)
        mean, most = canary.said(kind, 50)
        ended = [canary.run(kind, seed, share=50, conversations=1000) for seed in range(20)]
        assert {each.metric for each in ended} == {kind.metric}
        assert sum(each.conversations <= most for each in ended) >= 18
        assert mean <= most


def test_latencies_lie_where_they_are_asked_for(canary: ModuleType) -> None:
    chance = canary.random.Random(1)
    for slow in (False, True):
        for _ in range(200):
            assert (canary.latency(chance, slow) > canary.SLOW_MS) is slow


def test_quantiles_of_what_did_not_end_are_infinite(canary: ModuleType) -> None:
    assert canary.share_of([1, 2, float("inf")], 0.95) == float("inf")
    assert canary.share_of([1, 2, 3], 0.5) == 2
