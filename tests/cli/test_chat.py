import builtins
import io
from collections.abc import Iterator

import pytest

from fairlead.cli import chat
from fairlead.errors import InputError


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person at a terminal types, a line each; then the end of the input."""
    lines: list[str] = []

    def read(prompt: str) -> str:
        if not lines:
            raise EOFError
        return lines.pop(0)

    monkeypatch.setattr(builtins, "input", read)
    monkeypatch.setattr("sys.stdin", Terminal())
    return lines


def test_the_conversation_goes_on_after_a_failure_and_an_interrupt(
    typed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    outcomes: Iterator[BaseException | None] = iter(
        [KeyboardInterrupt(), InputError("too long", hint="Be brief."), None]
    )
    asked: list[str] = []

    def turn(question: str) -> None:
        asked.append(question)
        if error := next(outcomes):
            raise error

    typed += ["one", "  ", "two ", "three"]
    chat._talk(turn, "desk-4")
    assert asked == ["one", "two", "three"]
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "Thread desk-4. Leave with /quit or Ctrl-D.",
        "Interrupted.",
        "Error: too long",
        "  Be brief.",
    ]


def test_leaving(typed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    typed += ["/quit", "never"]
    chat._talk(lambda question: pytest.fail(question), "t")
    assert typed == ["never"]
