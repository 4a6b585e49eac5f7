from collections.abc import Callable
from types import ModuleType

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

NAMES = [f"d{at}" for at in range(150)]
rankings = st.permutations(NAMES).flatmap(
    lambda order: st.integers(0, len(order)).map(lambda n: order[:n])
)
grades = st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 3), max_size=40).filter(
    lambda found: any(grade > 0 for grade in found.values())
)


@pytest.fixture(scope="module")
def metrics(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("metrics")


@given(ranked=rankings, graded=grades)
def test_agrees_with_trec_eval(
    metrics: ModuleType, ranked: list[str], graded: dict[str, int]
) -> None:
    judge = pytrec_eval.RelevanceEvaluator(
        {"q": graded}, {"ndcg_cut.10", "recall.10,100", "recip_rank"}
    )
    scores = {document: float(-rank) for rank, document in enumerate(ranked)}
    first = {document: float(-rank) for rank, document in enumerate(ranked[:10])}
    whole, ten = (judge.evaluate({"q": run}).get("q", {}) for run in (scores, first))
    expected = {
        "nDCG@10": whole.get("ndcg_cut_10", 0.0),
        "R@10": whole.get("recall_10", 0.0),
        "R@100": whole.get("recall_100", 0.0),
        "MRR@10": ten.get("recip_rank", 0.0),
    }
    assert metrics.measured(ranked, graded) == pytest.approx(expected)
    assert tuple(expected) == metrics.NAMES


def test_by_hand(metrics: ModuleType) -> None:
    found = metrics.measured(["x", "a", "b"], {"a": 1, "b": 3, "c": 0, "d": -1})
    best = 3 + 1 / 1.5849625007211562
    assert found["nDCG@10"] == pytest.approx((1 / 1.5849625007211562 + 3 / 2) / best)
    assert (found["R@10"], found["MRR@10"]) == (1.0, 0.5)
