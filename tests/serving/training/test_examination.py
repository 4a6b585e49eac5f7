"""What an examination finds, with the lines that it names."""

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InputError
from fairlead.serving.training.examination import Examination
from fairlead.serving.training.examples import DataFile
from fairlead.serving.training.findings import KINDS, Findings
from fairlead.serving.training.overlap import Question
from fairlead.serving.training.recipe import Thresholds
from tests.serving.training.conftest import Examine, Write, by_code, chat, different

LONG = "please tell me how many days a customer has to send back shoes that were bought on sale"


def test_sound_data_has_nothing_against_it(examine: Examine) -> None:
    examined = examine(different(60))
    report = examined.report
    assert report.findings == () and report.ok
    assert (report.data, report.examples, report.distinct) == ("data.jsonl", 60, 60)
    assert len(report.data_digest) == 64
    assert [examined.groups.of(number) for number in range(60)] == list(range(60))


def test_bad_lines_fail_with_their_numbers(examine: Examine) -> None:
    lines: list[object] = [
        *different(60),
        {"prompt": "x"},
        "{",
        "[]",
        {"prompt": "x", "completion": ""},
    ]
    found = by_code(examine(lines))
    assert {code: each.lines for code, each in found.items()} == {
        "json": (62,),
        "form": (61, 63),
        "empty": (64,),
    }
    assert "line 62: Expecting property name" in found["json"].message
    assert all(each.severity == "fail" for each in found.values())


def test_reading_ends_where_nothing_but_bad_lines_come(examine: Examine) -> None:
    examined = examine([*different(2), *["{"] * 1500])
    found = by_code(examined)
    assert found["json"].count == 1000 and found["json"].lines == tuple(range(3, 103))
    assert "reading ended after 1000 bad lines" in found["form"].message
    assert examined.report.examples == 2
    nothing = by_code(examine(["{"]))
    assert nothing.keys() == {"json", "too_few"}


def test_three_examples_are_too_few(examine: Examine) -> None:
    examined = examine(different(3))
    assert not examined.report.ok
    assert by_code(examined)["too_few"].message.endswith("(3 of the 10 that are needed)")
    assert by_code(examine([*different(9), *different(9)])).keys() >= {"too_few", "duplicate"}
    allowed = by_code(examine(different(3), min_examples=3))
    assert allowed.keys() == {"few"} and allowed["few"].severity == "warn"


def test_a_file_without_examples_is_an_error(examine: Examine) -> None:
    with pytest.raises(InputError, match="holds no example"):
        examine(["", " "])


def test_equal_and_nearly_equal_lines_are_named(examine: Examine) -> None:
    lines = different(60)
    lines[20] = dict(reversed(lines[3].items()))  # white space and order do not matter
    lines[30] = chat(LONG, "within thirty days of delivery if they were not worn")
    lines[40] = chat(LONG + " now", "within thirty days of delivery if they were not worn")
    examined = examine(lines)
    found = by_code(examined)
    assert found.keys() == {"duplicate", "near_duplicate"}
    assert found["duplicate"].lines == (21,) and "as line 4" in found["duplicate"].message
    assert (
        found["near_duplicate"].lines == (41,) and "as line 31" in found["near_duplicate"].message
    )
    assert examined.report.ok and examined.report.distinct == 59
    groups = examined.groups
    assert groups.of(20) == groups.of(3) and groups.of(40) == groups.of(30)


def test_a_finding_keeps_a_hundred_lines_and_counts_on(examine: Examine) -> None:
    found = by_code(examine(different(1) * 250, min_examples=1))["duplicate"]
    assert found.count == 249 and found.lines == tuple(range(2, 102))
    assert found.message.endswith("and 244 more)")


SENSITIVE = [
    ("secret", "fail", "use ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"),
    ("pii", "fail", "pay to DE89 3704 0044 0532 0130 00 please"),
    ("contact", "warn", "write to jane.doe@acme.co.uk please"),
    ("likely_secret", "warn", "api_key: 9fK2mQ7xLp3vRt8wZb5n"),
    ("hidden_text", "warn", "ship\u200b\u200bping"),
    ("control_like", "warn", "end <|im_end|> here"),
]


@pytest.mark.parametrize(("code", "severity", "text"), SENSITIVE)
def test_what_must_not_be_learned_is_found_wherever_it_stands(
    examine: Examine, code: str, severity: str, text: str
) -> None:
    call = {"id": "c", "function": {"name": "note", "arguments": json.dumps({"text": text})}}
    hidden = chat("q", "a")["messages"]
    hidden[1:1] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "noted"},
    ]
    examined = examine([*different(60), chat("say it", text), {"messages": hidden}])
    found = by_code(examined)
    assert found[code].lines == (61, 62) and found[code].severity == severity
    assert text not in repr(examined.report)


def test_settings_allow_and_forbid(examine: Examine) -> None:
    lines = [*different(60), chat("say it", "DE89 3704 0044 0532 0130 00, jane@acme.co.uk")]
    assert not examine(lines).report.ok
    assert examine(lines, allow=("pii",)).report.ok
    strict = by_code(examine(lines, allow=("pii",), forbid=("contact",)))
    assert strict["contact"].severity == "fail" and strict["pii"].severity == "warn"


def test_answers_that_contradict_each_other(examine: Examine) -> None:
    lines = [
        *different(60),
        chat("May I return shoes?", "Yes, you may."),
        chat("may i return  shoes?", "No, you may not."),
        chat("How long is the warranty?", "It lasts 12 months."),
        chat("How long is the warranty?", "It lasts 24 months."),
        chat("Tell a story.", "Once upon a time a fox lived alone."),
        chat("Tell a story.", "In a small town everybody liked the baker."),
        chat("Say hello", "Hello there"),
        chat("Say hello", "hello there."),
    ]
    found = by_code(examine(lines))
    assert found.keys() == {"contradiction", "several_answers", "near_duplicate"}
    assert found["near_duplicate"].lines == (68,)
    assert found["contradiction"].lines == (62, 64) and found["contradiction"].severity == "fail"
    assert found["several_answers"].lines == (66,)
    assert "and line 65" in found["several_answers"].message


def test_the_same_question_in_another_setting_is_another_one(examine: Examine) -> None:
    def asked(system: str, answer: str) -> dict[str, Any]:
        value = chat("What time is it?", answer)
        value["messages"].insert(0, {"role": "system", "content": system})
        return value

    found = by_code(examine([*different(60), asked("Berlin", "10:00"), asked("Tokyo", "17:00")]))
    assert found == {}


def labelled(counts: dict[str, int]) -> list[dict[str, Any]]:
    said = [label for label, count in counts.items() for _ in range(count)]
    asked = different(len(said))
    return [chat(e["messages"][0]["content"], label) for e, label in zip(asked, said, strict=True)]


def test_a_few_short_answers_are_labels_and_their_balance_is_looked_at(examine: Examine) -> None:
    even = examine(labelled({"Refund.": 40, "shipping": 30}))
    assert even.report.findings == ()
    assert even.report.answers.labels == {"refund": 40, "shipping": 30}
    assert even.report.answers.imbalance == 1.33
    found = by_code(examine(labelled({"refund": 60, "shipping": 30, "other": 5})))
    assert (
        found.keys() == {"imbalance"}
        and "'other' 5; the commonest 60" in found["imbalance"].message
    )
    two = labelled({"refund": 40, "shipping": 30})
    two[50]["messages"][0] = two[3]["messages"][0]
    assert by_code(examine(two))["contradiction"].lines == (51,)


def test_other_answers_are_described(examine: Examine) -> None:
    answers = examine(different(60)).report.answers
    assert answers.labels == {} and answers.imbalance == 0.0
    assert answers.words == {"least": 4, "median": 4, "p95": 4, "most": 4}
    assert len(answers.beginnings) == 10 and answers.beginnings["keep0a"] == 0.017


def test_tools_that_are_not_there_and_arguments_that_do_not_fit(examine: Examine) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    tools = [{"type": "function", "function": {"name": "find", "parameters": schema}}]

    def calling(name: str, arguments: Any, tools: Any) -> dict[str, Any]:
        call = {"function": {"name": name, "arguments": arguments}}
        messages = [
            {"role": "user", "content": f"do {name} {arguments}"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
        ]
        return {"messages": messages, "tools": tools}

    lines = [
        *different(60),
        calling("find", {"id": 1}, tools),
        calling("find", {"id": "one"}, tools),
        calling("lose", {}, tools),
        calling("lose", {"x": 1}, []),
        calling("find", {"id": 2}, [{"function": {"name": "find", "parameters": {"type": "no"}}}]),
        calling("find", {"id": 3}, [{"function": {"name": "find"}}]),
    ]
    found = by_code(examine(lines))
    assert {code: each.lines for code, each in found.items()} == {
        "unknown_tool": (63,),
        "tool_arguments": (62, 65),
    }
    assert "line 62: find" in found["tool_arguments"].message


def test_names_beside_an_example_are_told(examine: Examine) -> None:
    found = by_code(examine([*different(60), chat("a", "b c", id=3, source="desk")]))
    assert found["ignored"].severity == "info" and "line 61: id, source" in found["ignored"].message


def test_questions_of_other_sets_fail(examine: Examine) -> None:
    lines = [*different(60), chat(f"Context: shoes.\n{LONG}?", "thirty days of course")]
    held = {"golden_overlap": [Question(line=4, text=LONG)], "validation_overlap": []}
    examined = examine(lines, sets=held)
    found = by_code(examined)
    assert found.keys() == {"golden_overlap"} and not examined.report.ok
    assert found["golden_overlap"].lines == (61,)
    assert "question 4 of the other set, 100%" in found["golden_overlap"].message


def test_a_file_that_changes_meanwhile_is_refused(write: Write) -> None:
    data = write(different(1200))

    def grow(read: int, size: int) -> None:
        assert 0 < read < size
        with data.path.open("a") as file:
            file.write(json.dumps(chat(f"more {read}", "x")) + "\n")

    with pytest.raises(InputError, match="changed while it was read"):
        Examination(data, Thresholds(), Findings()).run(watch=grow)


def test_every_code_has_a_hint_that_says_what_to_do() -> None:
    assert all(kind.what and kind.hint.endswith(".") for kind in KINDS.values())


def test_boilerplate_of_a_template_makes_nothing_alike(examine: Examine) -> None:
    """Forty words that every prompt begins with, a few words of its own."""
    header = " ".join(f"instruction{n}" for n in range(40))
    said = [chat(f"{header}\nquestion {n} about item{n}", f"answer{n} to it") for n in range(60)]
    examined = examine(said)
    assert examined.report.findings == ()
    assert len({examined.groups.of(n) for n in range(60)}) == 60


def test_the_report_says_where_a_missing_file_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        Examination(DataFile(path=tmp_path / "no"), Thresholds(), Findings()).run()
