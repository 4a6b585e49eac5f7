"""What only a process of its own shows: signals, pipes, full and read-only disks, company."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fairlead.tracing import SpanStore, Tracing, names

Run = Callable[..., Result]
Start = Callable[..., Any]  # a Popen[bytes] whose streams are pipes
SECONDS = 60


@pytest.fixture(autouse=True)
def words_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an embedder, which takes half a second to load."""
    monkeypatch.setenv("FAIRLEAD_RETRIEVAL__EMBEDDER", "none")


def ended(process: "subprocess.Popen[bytes]", stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    out, err = process.communicate(stdin, timeout=SECONDS)
    return process.returncode, (out or b"").decode(), err.decode()


def write_documents(folder: Path, count: int, words: int = 60) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        text = " ".join(f"word{number * words + each}" for each in range(words))
        (folder / f"{number}.md").write_text(f"# Page {number}\n\n{text}\n")


def documents(run: Run) -> int:
    listed = run("index", "ls", "--json")
    assert listed.exit_code == 0, listed.stderr
    return sum(each["documents"] for each in json.loads(listed.stdout)["collections"])


def test_a_question_of_a_megabyte_on_stdin(start: Start) -> None:
    status, out, err = ended(start("ask", "-", "--json"), b"x" * 1_000_000)
    assert status == 2
    assert json.loads(out)["error"]["code"] == "bad_input"
    assert "longer than 32,000 characters" in err and len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "the question is empty"),
        (b" \n", "the question is empty"),
        (b"what\x00ever", "NUL"),
        (b"what\xffever", "not valid UTF-8 (byte 5)"),
        ("é".encode() * 32_001, "32,001 characters"),
    ],
)
def test_questions_on_stdin_that_are_none(start: Start, stdin: bytes, said: str) -> None:
    status, out, err = ended(start("ask", "-"), stdin)
    assert (status, out) == (2, "")
    assert said in err and "Traceback" not in err


def test_an_argument_that_is_not_utf8(start: Start) -> None:
    status, out, _ = ended(start("ask", b"\xff", "--json"))  # the kernel passes bytes
    assert status == 2
    assert "not valid UTF-8" in json.loads(out)["error"]["message"]


@pytest.mark.parametrize(
    "arguments", [["config", "schema"], ["config", "schema", "--json"], ["--help"], ["tools", "ls"]]
)
def test_a_reader_who_goes_away_is_no_failure(start: Start, arguments: list[str]) -> None:
    with start(*arguments) as process:
        process.stdout.close()
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize("arguments", [["version"], ["version", "--json"], ["config", "schema"]])
def test_output_that_cannot_be_written(start: Start, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        status, _, err = ended(start(*arguments, stdout=full))
    assert status == 5
    assert err.startswith("Error: ") and "o space left" in err and len(err.splitlines()) <= 2


def test_interrupting_an_ingest_that_waits_for_stdin(run: Run, start: Start, home: Path) -> None:
    file = home / ".fairlead/knowledge/default/default.db"
    with start("ingest", "-") as process:
        for number in range(70):  # one batch and a little
            process.stdin.write(b'{"id": "%d", "text": "word%d"}\n' % (number, number))
        process.stdin.flush()
        _await(lambda: file.exists() and documents(run) > 0)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert process.stderr.read() == b"Interrupted.\n"
    assert documents(run) == 64


def test_interrupting_an_ingest_that_embeds(run: Run, start: Start, home: Path) -> None:
    write_documents(home / "docs", 400)
    process = start("ingest", "docs", env={"FAIRLEAD_RETRIEVAL__EMBEDDER": "default"})
    _await(lambda: (home / ".fairlead/knowledge/default/default.db").exists())
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert (status, err) == (130, "Interrupted.\n")
    assert run("ingest", "docs").exit_code == 0
    assert documents(run) == 400


SLOW = """
import asyncio
from pathlib import Path
from langchain_core.language_models import BaseChatModel

class Slow(BaseChatModel):
    _llm_type = "slow"

    def _generate(self, *args, **kwargs):
        raise NotImplementedError

    async def _agenerate(self, *args, **kwargs):
        Path("asked").touch()
        await asyncio.sleep(60)
"""


def test_interrupting_a_question_ends_the_run(run: Run, start: Start, home: Path) -> None:
    write_documents(home / "docs", 3)
    (home / "slow.py").write_text(SLOW)
    assert run("ingest", "docs").exit_code == 0
    env = {"FAIRLEAD_MODEL__PROVIDER": "langchain:slow:Slow", "PYTHONPATH": str(home)}
    process = start("ask", "What does page 2 say of word130?", env=env)
    _await((home / "asked").exists)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    status, out, err = ended(process)
    assert (status, out, err) == (130, "", "Interrupted.\n")
    assert time.monotonic() - begun < 10
    (trace,) = json.loads(run("trace", "ls", "--json").stdout)["traces"]
    assert trace["outcome"] == "" and trace["status"] != "open"


def test_following_traces(start: Start, home: Path) -> None:
    store = SpanStore(home / ".fairlead" / "traces.db")
    tracing = Tracing(store=store)
    with start("trace", "tail", "--json") as process:
        lines = iter(process.stdout.readline, b"")
        name, attributes = names.invoke_agent(agent="fairlead", run_id="r", tenant="default")
        root = tracing.start(name, attributes)
        begun = json.loads(next(lines))
        assert begun["schema"] == "fairlead.trace/1"
        assert (begun["span"]["span_id"], begun["span"]["end_ns"]) == (root.span_id, None)
        root.end()
        finished = json.loads(next(lines))["span"]
        assert finished["span_id"] == root.span_id and finished["end_ns"]
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
    tracing.close()


@pytest.mark.parametrize(("leave", "status"), [(b"\x04", 0), (None, 130)])
def test_chat_at_a_terminal(
    run: Run, start: Start, home: Path, leave: bytes | None, status: int
) -> None:
    write_documents(home / "docs", 1)
    assert run("ingest", "docs").exit_code == 0
    ours, theirs = os.openpty()
    env = {"TERM": "xterm", "CI": "", "NO_COLOR": ""}
    process = start("chat", env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = _read_until(ours, b"\xe2\x80\xba ")
    assert b"Leave with /quit" in seen
    os.write(ours, b"What is word7?\n")
    seen = _read_until(ours, b"\xe2\x80\xba ")
    assert b" hop" in seen and b"\x1b[" in seen
    if leave is None:
        _interrupt(process)
    else:
        os.write(ours, leave)
    assert process.wait(SECONDS) == status
    os.close(ours)


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Presses Ctrl-C, again where it fell between the prompt and readline's wait, and was lost."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
            return


def _read_until(terminal: int, mark: bytes) -> bytes:
    seen = b""
    while mark not in seen:
        seen += os.read(terminal, 4096)
    return seen


def test_two_processes_ingest_at_once(run: Run, start: Start, home: Path) -> None:
    for name in ("left", "right"):
        write_documents(home / name, 100)
    both = [start("ingest", name, "--json") for name in ("left", "right")]
    for process in both:
        status, out, err = ended(process)
        assert status == 0, err
        assert json.loads(out)["documents"]["added"] == 100
    assert documents(run) == 200
    found = json.loads(run("doctor", "--json").stdout)["checks"]
    checks = {check["name"]: check for check in found}
    assert checks["collection default/default"]["status"] == "ok"


def test_a_full_disk_loses_nothing(run: Run, start: Start, home: Path) -> None:
    write_documents(home / "docs", 20)
    assert run("ingest", "docs").exit_code == 0
    write_documents(home / "more", 400)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    status, out, err = ended(start("ingest", "more", "--json", preexec_fn=limited))
    assert status == 5
    assert json.loads(out)["error"]["code"] == "unavailable"
    assert "default.db" in err and "Traceback" not in err
    assert documents(run) >= 20
    assert run("ingest", "more").exit_code == 0
    assert documents(run) == 420


def may_mount() -> bool:
    """True where a file system of our own can be mounted, as root in a container."""
    unshare = shutil.which("unshare")
    command = "mount -t tmpfs -o size=64k tmpfs /mnt"
    return unshare is not None and (
        subprocess.run([unshare, "-m", "sh", "-c", command], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not may_mount(), reason="mounting is not permitted here")
@pytest.mark.parametrize(
    ("options", "status", "said"),
    [("size=100k", 5, "no space left"), ("ro", 3, "cannot write")],
)
def test_a_storage_folder_on_a_bad_file_system(
    start: Start, home: Path, options: str, status: int, said: str
) -> None:
    write_documents(home / "docs", 50)
    (home / ".fairlead").mkdir()
    script = home / "mounted.sh"
    script.write_text(f'mount -t tmpfs -o {options} tmpfs "{home}/.fairlead" && exec "$@"\n')
    under = ["unshare", "-m", "sh", str(script)]
    ended_with, out, err = ended(start("ingest", "docs", "--json", under=under))
    assert ended_with == status, err
    assert said in json.loads(out)["error"]["message"] and "Traceback" not in err


def test_a_file_in_place_of_the_storage_folder(start: Start, home: Path) -> None:
    write_documents(home / "docs", 1)
    (home / ".fairlead").write_text("mine")
    status, out, err = ended(start("ingest", "docs", "--json"))
    assert status == 3
    assert json.loads(out)["error"]["code"] == "settings"
    assert ".fairlead" in err and "storage.path" in err
    assert (home / ".fairlead").read_text() == "mine"


def _await(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)
