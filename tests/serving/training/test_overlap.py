"""Questions that training data holds, and those that it only resembles."""

import json
from pathlib import Path

import pytest

from fairlead.errors import InputError
from fairlead.serving.training import overlap
from fairlead.serving.training.overlap import Overlap, Question, asked, golden_questions
from fairlead.serving.training.recipe import Thresholds
from tests.serving.training.conftest import Write, chat

WORDS = [f"w{number}" for number in range(40)]
ASKED = " ".join(WORDS[:20])


def held(question: str, *prompts: str, repeat: int = 1) -> list[tuple[tuple[int, ...], float]]:
    found = Overlap([Question(line=1, text=question)], Thresholds())
    for line, prompt in enumerate(prompts * repeat, start=1):
        found.note(line, prompt)
    return [(each.lines, round(each.share, 2)) for each in found.held()]


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        (ASKED, [((1,), 1.0)]),
        (ASKED.upper() + " ?", [((1,), 1.0)]),
        (f"context\n{ASKED}\nanswer:", [((1,), 1.0)]),
        (" ".join(["before", *WORDS[:20], "after", *WORDS[25:]]), [((1,), 1.0)]),
        (" ".join([*WORDS[:17], *"abc"]), [((1,), 0.77)]),  # 10 of 13 runs of eight words
        (" ".join([*WORDS[:15], *"abcdefgh"]), []),  # 8 of 13
        (" ".join(WORDS[20:]), []),
        ("", []),
    ],
)
def test_a_question_is_held_where_most_of_its_runs_are(
    prompt: str, wanted: list[tuple[tuple[int, ...], float]]
) -> None:
    assert held(ASKED, "another prompt", prompt.replace("w0 ", "w0  ")) == [
        ((2,), share) for _, share in wanted
    ]


def test_runs_may_stand_in_several_prompts() -> None:
    assert held(ASKED, " ".join(WORDS[:10]), " ".join(WORDS[9:20])) == []
    assert held(ASKED, " ".join(WORDS[:14]), " ".join(WORDS[7:20])) == [((1, 2), 1.0)]


def test_nearly_the_same_is_held() -> None:
    """Two words of sixty break 16 of 53 runs of eight words, and 6 of 58 runs of three."""
    said = [f"w{number}" for number in range(60)]
    near = [*said[:20], "other", *said[21:40], "other", *said[41:]]
    assert held(" ".join(said), " ".join(near)) == [((1,), 1.0)]
    far = [*near[:30], "other", *near[31:]]
    assert held(" ".join(said), " ".join(far)) == []


def test_a_short_question_is_held_as_a_whole_only() -> None:
    assert held("refund window for shoes", "what is the refund window for shoes?")
    assert not held("refund window for shoes", "what is the refund window for hats?")
    assert held("refunds", "Refunds?") and not held("refunds", "what about refunds")


def test_what_a_template_wrote_counts_for_nothing() -> None:
    header = " ".join(f"h{number}" for number in range(30))
    prompts = [f"{header} " + " ".join(f"own{n}x{k}" for k in range(20)) for n in range(60)]
    assert held(f"{header} quite another matter", *prompts[:10]) == [((1, 2, 3, 4, 5), 0.88)]
    assert held(f"{header} quite another matter", *prompts) == []


def test_a_question_asked_in_many_settings_is_held_although_it_is_common() -> None:
    prompts = [f"context {n} {n}\n{ASKED}" for n in range(50)]
    assert held(ASKED, *prompts) == [((1, 2, 3, 4, 5), 1.0)]


def test_questions_of_a_golden_set_are_read_from_several_forms(write: Write) -> None:
    data = write(
        [
            {"question": "How long?", "expect_docs": ["a.md"]},
            "",
            {"prompt": "Where to?"},
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Who?"}]},
            chat("a", "b"),
        ]
    )
    assert [(q.line, q.text) for q in golden_questions(data.path)] == [
        (1, "How long?"),
        (3, "Where to?"),
        (4, "Who?"),
        (5, "a"),
    ]
    assert [(q.line, q.text) for q in asked(write([chat("a", "b")]))] == [(1, "a")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 of .*Expecting"),
        ("[1]", "line 2 of .*neither 'question'"),
        (json.dumps({"question": " ", "messages": [{"role": "user", "content": " "}]}), "line 2"),
    ],
)
def test_a_bad_line_of_a_golden_set_is_an_error(write: Write, line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        golden_questions(write([{"question": "x"}, line]).path)


def test_a_golden_set_has_questions_and_not_too_many(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds no question"):
        golden_questions(write([]).path)
    with pytest.raises(InputError, match="cannot read"):
        golden_questions(tmp_path / "none")
    monkeypatch.setattr(overlap, "QUESTION_LIMIT", 1)
    with pytest.raises(InputError, match="more than 1 questions"):
        golden_questions(write([{"question": "x"}] * 2).path)
