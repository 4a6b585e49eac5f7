"""`benchmarks/confidence.py`: its arithmetic, and the whole of it on two folders of questions."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import confidence as script
from tests.retrieval.conftest import HashEmbedder

SAID = {
    "shop": ("Goods may be returned within thirty days.", "May goods be returned?", "Who bakes?"),
    "stars": ("A telescope gathers light with its mirror.", "What gathers light?", "Who sails?"),
}


def cases(n: int = 4000) -> list[script.Case]:
    """Outcomes drawn by a known formula: −3 + 2 · standing + 4 · coverage."""
    random = np.random.default_rng(5)
    features = random.uniform(0, 1, (n, 2))
    p = 1 / (1 + np.exp(3 - 2 * features[:, 0] - 4 * features[:, 1]))
    return [
        script.Case(name="s", kind="own", features=(x[0], x[1]), said=q, so=bool(u < q))
        for x, q, u in zip(features.tolist(), p.tolist(), random.uniform(size=n), strict=True)
    ]


def test_it_finds_the_coefficients_that_made_the_outcomes() -> None:
    drawn = cases()
    found = script.fitted(drawn)
    assert found == pytest.approx([-3, 2, 4], abs=0.4)
    mean = script.judged(drawn, found).mean()
    assert mean == pytest.approx(np.mean([case.so for case in drawn]), abs=1e-6)


def test_the_area_under_the_curve() -> None:
    assert script.area([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert script.area([0.5], [0.5]) == 0.5
    assert script.area([0.1, 0.9], [0.5]) == 0.5
    assert np.isnan(script.area([], [0.5]))


def test_the_whole_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, (text, own, out) in SAID.items():
        (tmp_path / name / "documents").mkdir(parents=True)
        (tmp_path / name / "documents" / "a.md").write_text(text)
        asked = [
            {"id": "1", "kind": "single", "question": own, "expect_docs": ["a.md"]},
            {"id": "2", "kind": "out", "question": out},
        ]
        lines = "".join(f"{json.dumps(each)}\n" for each in asked)
        (tmp_path / name / "questions.jsonl").write_text(lines)
    folders = [str(tmp_path / name) for name in SAID]
    monkeypatch.setattr(script, "open_embedder", lambda settings: HashEmbedder())
    monkeypatch.setattr(sys, "argv", ["confidence", str(tmp_path / "none"), "--qa", *folders])
    script.main()
    said = capsys.readouterr().out
    assert "scifact: left out" in said
    assert "6 questions: {'own': 2, 'near': 2, 'far': 2}" in said
    assert "shop             1 answered" in said and "fitted to all" in said
