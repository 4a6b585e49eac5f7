import pytest

from fairlead.cli.answer import exit_status, show_answer
from fairlead.schema import Answer, Citation, Hop, Route, Status

TEXT = "Mugs take 14 days. Order 7 came today."


def cited(**changes: object) -> Answer:
    fields: dict[str, object] = {
        "status": "answered",
        "text": TEXT,
        "citations": (
            Citation(kind="tool", start=19, end=38, quote="came today", tool="find_order"),
            Citation(kind="document", start=0, end=18, quote="14 days", source="docs/returns.md"),
            Citation(kind="document", start=0, end=18, quote="mugs", source="docs/returns.md"),
        ),
        "hops": (Hop(index=1, kind="answer", reason="enough is known"),),
        "trace_id": "abc",
        "thread_id": "t-1",
    }
    return Answer(**{**fields, **changes})  # type: ignore[arg-type]  # the fields of an answer


def test_an_answer_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(cited(), 0.4321)
    assert capsys.readouterr().out == (
        "Mugs take 14 days. [1] Order 7 came today. [2]\n"
        "\n"
        "[1] docs/returns.md\n"
        "    “14 days”\n"
        "    “mugs”\n"
        "[2] tool find_order\n"
        "    “came today”\n"
        "\n"
        "answered · 1 hop · 0.43 s · trace abc\n"
    )


def test_what_was_streamed_is_not_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(cited(), 0.1, told=TEXT + "\n")
    printed = capsys.readouterr().out
    assert TEXT not in printed and "[1] docs/returns.md" in printed


def test_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(cited(warnings=("searched by words alone",)), 0.1)
    streams = capsys.readouterr()
    assert streams.err == "Warning: searched by words alone\n"
    assert "words alone" not in streams.out


def test_a_question_back_says_where_to_answer(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(cited(status="asking", citations=(), text="Which order?"), 0.1)
    printed = capsys.readouterr().out
    assert printed.startswith("Which order?\n\nasking · ") and "--thread t-1" in printed


def test_another_model_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(cited(route=Route(model="base")), 0.1)
    assert " · base · " in capsys.readouterr().out


def test_what_a_document_says_is_not_obeyed_by_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quote = Citation(kind="document", start=0, end=1, quote="\x1b[2J", source="\x1b]0;x\x07.md")
    show_answer(cited(citations=(quote,), text="\x1b[31mred"), 0.1)
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("answered", 0),
        ("asking", 0),
        ("abstained", 0),
        ("partial", 0),
        ("refused", 4),
        ("waiting", 7),
    ],
)
def test_exit_status(status: Status, expected: int) -> None:
    assert exit_status(cited(status=status)) == expected
