from datetime import datetime

import pytest

from fairlead.retrieval.pipeline.confidence import Scale, Signals, confidence
from fairlead.retrieval.pipeline.mentions import BONUS, Mentions
from fairlead.schema import Hit


@pytest.mark.parametrize(
    ("question", "source", "published", "named"),
    [
        ("What does options.md say?", "docs/options.md", "", True),
        ("Which options are there?", "docs/options.md", "", False),
        ("What is in the privacy summary?", "shop/privacy-summary.md", "", False),
        ("What is in the privacy summary?", "Privacy Summary", "", True),
        ("What did TechCrunch report?", "TechCrunch", "", True),
        ("What broke on October 22, 2023?", "a.md", "2023-10-22T00:00:00Z", True),
        ("What broke on 22 October?", "a.md", "2023-10-22T00:00:00Z", True),
        ("What broke on 2023-10-23?", "a.md", "2023-10-22T00:00:00Z", False),
        ("May 99 people come?", "a.md", "", False),
    ],
)
def test_mentions(question: str, source: str, published: str, named: bool) -> None:
    hit = Hit(
        passage_id="p", document_id="d", version="1", source=source, title="", text="x", score=0.0,
        rank=1, start=0, end=1, tenant="acme", collection="default",
        published_at=datetime.fromisoformat(published) if published else None,
    )  # fmt: skip
    assert Mentions(question).bonus(hit) == (BONUS if named else 0.0)


def test_confidence_follows_cosine_and_coverage() -> None:
    def judged(cosine: float | None, coverage: float) -> float:
        seen = Signals(coverage=coverage, cosine=cosine)
        return confidence(seen, Scale(low=0.2, high=0.6))

    assert judged(0.2, 0.3) < 0.1 < 0.8 < judged(0.6, 1.0)
    assert judged(0.4, 0.9) > judged(0.4, 0.2)
    assert judged(0.9, 0.9) == judged(5.0, 0.9), "nearer than near says no more"
    assert judged(None, 0.1) < 0.2 < 0.8 < judged(None, 1.0)
