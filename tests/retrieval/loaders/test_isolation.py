"""The child process: what it makes of good files, and what hostile ones cost."""

import io
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from fairlead.retrieval.loaders import child
from fairlead.retrieval.loaders.isolation import ParserProcess, _loaded
from fairlead.retrieval.loaders.loaded import Limits, Malformed

PAGE = "<title>T</title><p>text ü</p><p hidden>secret</p>".encode()
ENDLESS = b"<div>" * 400_000 + b"x"
"""Takes a parser minutes: the time grows with the square of the depth."""
HUNGRY = b"<table>" + b"<tr>" + b"<td>x" * 3_000_000
"""Takes more memory than the children below may have."""


UNBOUNDED = """
import resource
from fairlead.retrieval.loaders import child
bound = resource.setrlimit
def setrlimit(kind, limits):
    if kind == resource.RLIMIT_AS:
        raise ValueError
    bound(kind, limits)
resource.setrlimit = setrlimit
child.main()
"""
"""The child on a system that bounds no address space, such as macOS."""


@pytest.fixture
def process() -> Iterator[ParserProcess]:
    held = ParserProcess(Limits())
    yield held
    held.close()


def pid_of(process: ParserProcess) -> int:
    assert process._process
    return process._process.pid


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_one_child_reads_file_after_file(process: ParserProcess) -> None:
    first = process.load("html", PAGE, "a.html")
    assert (first.text, first.title) == ("text ü\n", "T")
    assert [(each.kind, each.quoted) for each in first.remarks] == [("hidden_text", " secret")]
    before = pid_of(process)
    second = process.load("html", "<p>größer".encode("cp1252"), "b.html", "windows-1252")
    assert second.text == "größer\n" and pid_of(process) == before
    process.close()
    process.close()
    assert gone(before)
    assert process.load("html", PAGE, "a.html") == first


def test_what_a_loader_refuses_is_refused_here(process: ParserProcess) -> None:
    with pytest.raises(Malformed, match="has no visible text"):
        process.load("html", b"<p hidden>x", "a.html")
    with pytest.raises(Malformed, match="is a broken PDF"):
        process.load("pdf", b"%PDF-1.4 or not", "a.pdf")
    assert process.load("html", PAGE, "a.html").title == "T"


def test_a_parser_that_fails_is_a_reject(process: ParserProcess) -> None:
    damaged = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 7 >>\nendobj\ntrailer << /Root 1 0 R >>"
    with pytest.raises(Malformed, match=r"PDF|cannot be parsed"):
        process.load("pdf", damaged, "a.pdf")
    with pytest.raises(Malformed, match=r"cannot be parsed \(KeyError: 'nonesuch'\)"):
        process.load("nonesuch", b"x", "a")


def test_a_child_that_hangs_is_ended_and_replaced() -> None:
    process = ParserProcess(replace(Limits(), seconds=4.0))
    process.load("html", PAGE, "a.html")
    before = pid_of(process)
    begun = time.monotonic()
    with pytest.raises(Malformed, match="took longer than 4 seconds to parse"):
        process.load("html", ENDLESS, "a.html")
    assert time.monotonic() - begun < 20 and gone(before)
    assert process.load("html", PAGE, "a.html").title == "T"
    process.close()


@pytest.mark.parametrize("watched", [False, True])
def test_a_child_that_takes_too_much_memory_is_replaced(
    watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = ParserProcess(replace(Limits(), memory=200 * 2**20))
    if watched:
        monkeypatch.setattr("fairlead.retrieval.loaders.isolation._RUN", ("-c", UNBOUNDED))
    process.load("html", PAGE, "a.html")
    with pytest.raises(Malformed, match=r"takes more memory to parse|cannot be parsed"):
        process.load("html", HUNGRY, "a.html")
    assert process.load("html", PAGE, "a.html").title == "T"
    process.close()


def test_a_child_that_dies_is_said_and_replaced(process: ParserProcess) -> None:
    process.load("html", PAGE, "a.html")
    os.kill(pid_of(process), signal.SIGKILL)
    time.sleep(0.05)
    assert process.load("html", PAGE, "a.html").title == "T"
    os.kill(pid_of(process), signal.SIGSTOP)
    process._limits = replace(Limits(), seconds=0.3)
    with pytest.raises(Malformed, match="took longer"):
        process.load("html", PAGE, "a.html")


def test_a_child_that_cannot_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonesuch/python")
    with pytest.raises(Malformed, match="the process that parses files cannot start"):
        ParserProcess(Limits()).load("html", PAGE, "a.html")


def test_a_child_that_ends_at_once_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.retrieval.loaders.isolation._RUN", ("-c", "raise SystemExit(9)"))
    process = ParserProcess(Limits())
    with pytest.raises(Malformed, match=r"made its parser fail \(exit status 9\)"):
        process.load("html", b"x" * 2**20, "a.html")


def test_the_child_has_no_secrets_and_writes_no_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    command = (
        "import os, sys; from fairlead.retrieval.loaders.child import _limit; _limit(2**30);"
        "found = [k for k in os.environ if 'SECRET' in k];\n"
        f"file = os.open({str(tmp_path / 'f')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "try: written = os.write(file, b'x')\n"
        "except OSError: written = 0\n"
        "sys.exit(10 + bool(found) + 2 * written)"
    )
    monkeypatch.setattr("fairlead.retrieval.loaders.isolation._RUN", ("-c", command))
    with pytest.raises(Malformed, match="exit status 10"):
        ParserProcess(Limits()).load("html", PAGE, "a.html")


@pytest.mark.parametrize(
    "reply",
    [
        b"no json",
        b"[]",
        b'"text"',
        b"{}",
        b'{"loaded": {"text": "x", "markup": "plain", "remarks": [{"kind": "x"}], "acl": []}}',
        b'{"loaded": {"text": 5, "markup": "plain", "remarks": [], "acl": []}}',
        b'{"loaded": {"text": "x", "markup": "plain", "remarks": [], "acl": [], "more": 1}}',
        b'{"loaded": {"text": "x", "markup": "plain", "body": "0", "remarks": [], "acl": []}}',
        b'{"loaded": {"text": "x", "markup": "bold", "remarks": [], "acl": []}}',
        b'{"loaded": {"text": "x", "markup": "plain", "metadata": 3, "remarks": [], "acl": []}}',
    ],
)
def test_a_subverted_child_is_not_believed(reply: bytes) -> None:
    with pytest.raises(Malformed, match="no sense in its reply"):
        _loaded(reply)


def test_the_loop_of_the_child_answers_until_the_requests_end() -> None:
    def request(form: str, data: bytes, seconds: float = 1000) -> bytes:
        head = {"format": form, "name": "a", "charset": "", "size": len(data), "seconds": seconds}
        return orjson.dumps(head) + b"\n" + data

    replies = io.BytesIO()
    child.serve(io.BytesIO(request("html", PAGE) + request("nonesuch", b"")), replies)
    data, found = replies.getvalue(), []
    while data:
        size = int.from_bytes(data[:8], "big")
        found.append(orjson.loads(data[8 : 8 + size]))
        data = data[8 + size :]
    assert found[0]["loaded"]["text"] == "text ü\n"
    assert found[1]["malformed"].startswith("cannot be parsed (KeyError")


def test_a_loader_without_memory_ends_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(data: bytes, name: str, charset: str) -> None:
        raise MemoryError

    monkeypatch.setattr(child, "loader", lambda form: hungry)
    reply, spent = child._reply("html", b"", "a", "")
    assert spent and b"takes more memory" in reply
