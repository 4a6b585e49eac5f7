import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlead.cli import output
from fairlead.schema import Answer


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_document_begins_with_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    output.document("fairlead.x/1", at=datetime(2026, 3, 1, tzinfo=UTC), where=Path("a"), was="é")
    assert capsys.readouterr().out == (
        '{"schema": "fairlead.x/1", "at": "2026-03-01T00:00:00Z", "where": "a", "was": "é"}\n'
    )


def test_a_document_on_a_terminal_is_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    output.document("fairlead.x/1", a=1)
    assert terminal.getvalue() == '{\n  "schema": "fairlead.x/1",\n  "a": 1\n}\n'


def test_a_document_survives_a_stream_that_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.document("fairlead.x/1", was="é")
    assert json.loads(raw.getvalue())["was"] == "é"


def test_a_lone_surrogate_prints_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    output.prepare()
    output.document("fairlead.x/1", source="docs/\udcff.md")
    assert json.loads(raw.getvalue())["source"] == "docs/\udcff.md"


def test_fields_of_an_answer() -> None:
    fields = output.fields_of(Answer(status="answered", text="Yes."))
    assert fields["status"] == "answered"
    assert fields["citations"] == []


def test_terminal_commands_are_shown_not_sent() -> None:
    assert (
        output.printable("a\x1b[2Jb\x07\u202e\r\tc\n") == "a\\u001b[2Jb\\u0007\\u202e\\u000d\tc\n"
    )
    assert output.printable("Zürich — 東京 👩‍👩‍👧") == "Zürich — 東京 👩‍👩‍👧"


def test_shortened_cuts_at_a_word() -> None:
    assert output.shortened("one  two\nthree", 40) == "one two three"
    assert output.shortened("one two three", 10) == "one two …"


def test_show_indents_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.show("a\n\nb", "bold", indent=2)
    assert capsys.readouterr().out == "  a\n\n  b\n"


def test_show_wraps_and_styles_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    output.show("[bold]words that go on and on[/bold]", "bold", indent=2)
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 1 and all(line.startswith("  ") for line in lines)
    assert "\x1b[1m" in lines[0] and "[bold]words" in lines[0]


def test_a_table_off_a_terminal_keeps_long_cells_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.table(("name", "n"), [("x" * 120, "1"), ("\x1b", "22")], numbers="n")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("x" * 120)
    assert lines[2].startswith("\\u001b") and lines[2].rstrip().endswith("22")


@pytest.mark.parametrize(("name", "value"), [("CI", "1"), ("NO_COLOR", "1")])
def test_progress_keeps_still_where_it_is_not_welcome(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.lively(Terminal())
    monkeypatch.setenv(name, value)
    assert not output.lively(Terminal())


def test_no_progress_without_a_terminal() -> None:
    with output.progress() as draw:
        assert draw is None


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal)
    with output.progress() as draw:
        assert draw is not None
        draw("embedding", 1, 4)
        draw("embedding", 4, 4)
    assert "embedding" in terminal.getvalue() and "4/4" in terminal.getvalue()
