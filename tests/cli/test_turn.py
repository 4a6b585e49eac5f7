import io

import pytest

from fairlead.cli.turn import Lines, Reader, Silent, Spinner, audience, hop_line
from fairlead.schema import Event, Hop


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def event(what: str, **data: object) -> Event:
    return Event(kind=what, run_id="r", seq=1, hop=2, data=data)  # type: ignore[arg-type]  # checked


@pytest.mark.parametrize(
    ("stream", "as_json", "kind"),
    [(True, True, Lines), (True, False, Reader), (False, True, Silent), (False, False, Silent)],
)
def test_who_listens(stream: bool, as_json: bool, kind: type) -> None:
    with audience(stream=stream, as_json=as_json) as hearer:
        assert isinstance(hearer, kind)
        hearer.hear(event("done"))


def test_a_person_at_a_terminal_sees_what_the_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal)
    with audience(stream=False, as_json=False) as hearer:
        assert isinstance(hearer, Spinner)
        hearer.hear(event("hop_started", kind="retrieve", reason="the page says [/bold] \x1b[2J"))
        hearer.hear(event("hop_finished"))
    shown = terminal.getvalue()
    assert "retrieve: the page says [/bold] \\u001b[2J" in shown


def test_a_hop_in_one_line() -> None:
    hop = Hop(index=2, kind="retrieve", reason="why", detail="3 passages", ms=12.4)
    assert hop_line(event("hop_finished", hop=hop)) == "2. retrieve why → 3 passages (12 ms)"
    bare = Hop(index=2, kind="answer", reason="why")
    assert hop_line(event("hop_finished", hop=bare)) == "2. answer   why (0 ms)"


def test_words_and_hops_do_not_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    reader = Reader()
    for each in (
        event("token", text="half "),
        event("token", text="a line"),
        event("hop_finished", hop=Hop(index=2, kind="answer", reason="why")),
        event("token", text="\x1b[2Jmore\n"),
        event("done"),
    ):
        reader.hear(each)
    streams = capsys.readouterr()
    assert streams.out == "half a line\n\\u001b[2Jmore\n"
    assert reader.told == "half a line\n\x1b[2Jmore\n"
    assert streams.err == "2. answer   why (0 ms)\n"
