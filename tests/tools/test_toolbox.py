"""Calling tools: within limits, effects journaled, failures as outputs."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead import tool
from fairlead.errors import InputError, NotFound
from fairlead.guardrails import admit_output
from fairlead.protocols import ToolCatalog
from fairlead.schema import Json, Principal, ToolCall, ToolOutput
from fairlead.settings import Settings
from fairlead.tools import Journal, Tool, Toolbox

ACME = Principal(tenant="acme")
MADE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    MADE.clear()
    yield


@tool(effect="read")
async def echo(text: str, times: int = 1) -> str:
    """Say it again."""
    return text * times


@tool(effect="send")
async def send(to: str) -> str:
    """Send."""
    MADE.append(to)
    return f"sent to {to}"


@tool(effect="read", seconds=0.05)
async def slow() -> str:
    """Take long."""
    await asyncio.sleep(30)
    return "done"


async def ask(toolbox: Toolbox, name: str, /, **arguments: Json) -> ToolOutput:
    return await toolbox.call(ToolCall(tool=name, arguments=arguments), ACME, seconds=5)


# --- one call ------------------------------------------------------------------------------------


async def test_a_call_comes_back_with_everything_about_it() -> None:
    catalog: ToolCatalog = Toolbox([echo])
    call = ToolCall(tool="echo", arguments={"text": "ab", "times": 2}, call_id="c9")
    output = await catalog.call(call, ACME, seconds=5)
    assert (output.text, output.data, output.error) == ("abab", "abab", "")
    assert (output.tool, output.call_id, output.arguments) == ("echo", "c9", call.arguments)
    assert (output.returns, output.replayed) == ("untrusted", False)
    assert output.ms > 0


async def test_bad_arguments_and_unknown_tools_are_outputs_and_nothing_is_called() -> None:
    toolbox = Toolbox([echo, send])
    assert "'to' is missing" in (await ask(toolbox, "send", whom="x")).error
    assert (await ask(toolbox, "ehco")).error == "no tool 'ehco'. Did you mean 'echo'?"
    assert (await ask(toolbox, "zzzzz")).error == "no tool 'zzzzz'. See `fairlead tools ls`."
    assert MADE == []


def test_a_call_can_be_checked_without_making_it() -> None:
    toolbox = Toolbox([send])
    toolbox.check(ToolCall(tool="send", arguments={"to": "bob"}), ACME)
    with pytest.raises(InputError, match="'to' is missing"):
        toolbox.check(ToolCall(tool="send"), ACME)
    with pytest.raises(NotFound, match="'sned'"):
        toolbox.check(ToolCall(tool="sned"), ACME)
    assert MADE == []


def boom(kind: str) -> str:
    """Fail."""
    if kind == "exit":
        sys.exit(3)
    if kind == "ours":
        raise InputError("no such order", hint="Check the number.")
    if kind == "stop":
        raise StopIteration
    if kind == "time":
        raise TimeoutError("the server is slow")
    if kind == "self":
        raise asyncio.CancelledError
    raise ValueError("first line\nsecond line \ud83d" if kind == "lines" else "half \ud83d" * 200)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("lines", "ValueError: first line"),
        ("exit", "SystemExit: 3"),
        ("ours", "no such order. Check the number."),
        ("stop", "RuntimeError: coroutine raised StopIteration"),
        ("time", "TimeoutError: the server is slow"),
        ("self", "CancelledError"),
    ],
)
async def test_a_failing_tool_is_an_output_with_one_line(kind: str, error: str) -> None:
    output = await ask(Toolbox([tool(effect="read")(boom)]), "boom", kind=kind)
    assert output.error == error
    assert output.text == ""


async def test_a_long_or_broken_message_is_made_presentable() -> None:
    error = (await ask(Toolbox([tool(effect="read")(boom)]), "boom", kind="x")).error
    assert len(error) < 600
    assert "\ud83d" not in error


async def test_a_coroutine_from_a_plain_function_is_awaited() -> None:
    def wrapped(text: str) -> object:
        """Say it later."""
        return echo(text)

    assert (await ask(Toolbox([tool(effect="read")(wrapped)]), "wrapped", text="a")).text == "a"


async def test_what_cannot_be_shown_is_an_error() -> None:
    async def odd() -> object:
        """Return something odd."""
        return object()

    assert "cannot be shown" in (await ask(Toolbox([tool(effect="read")(odd)]), "odd")).error


# --- limits --------------------------------------------------------------------------------------


async def test_the_shortest_time_limit_counts() -> None:
    assert (await ask(Toolbox([slow]), "slow")).error == "'slow' gave no reply within 0.05 s"

    async def endless() -> str:
        """Take long."""
        await asyncio.sleep(30)
        return ""

    settings = Settings.model_validate({"tools": {"seconds": 0.04}})
    toolbox = Toolbox([tool(effect="read")(endless)], settings)
    assert "within 0.04 s" in (await ask(toolbox, "endless")).error
    call = ToolCall(tool="endless")
    assert "within 0.03 s" in (await toolbox.call(call, ACME, seconds=0.03)).error


async def test_without_time_left_nothing_is_called() -> None:
    call = ToolCall(tool="send", arguments={"to": "bob"})
    output = await Toolbox([send]).call(call, ACME, seconds=0)
    assert output.error == "'send' was not called: no time is left"
    assert MADE == []


async def test_a_blocking_tool_is_left_behind_at_its_limit() -> None:
    release = threading.Event()

    def block() -> bool:
        """Block."""
        return release.wait(30)

    begun = time.perf_counter()
    output = await ask(Toolbox([tool(effect="read", seconds=0.05)(block)]), "block")
    assert "no reply within 0.05 s" in output.error
    assert time.perf_counter() - begun < 5
    release.set()


async def test_cancelling_the_run_cancels_the_call() -> None:
    gone = asyncio.Event()

    async def wait() -> None:
        """Wait."""
        try:
            await asyncio.sleep(30)
        finally:
            gone.set()

    running = asyncio.create_task(ask(Toolbox([tool(effect="read")(wait)]), "wait"))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone.is_set()


async def test_a_long_output_is_cut_and_the_guard_says_so() -> None:
    settings = Settings.model_validate({"tools": {"output_chars": 100}})
    output = await ask(Toolbox([echo], settings), "echo", text="ab", times=100)
    assert output.text == "ab" * 50 + "\n[cut: 100 of 200 characters]"
    assert output.data == output.text
    assert [f.kind for f in admit_output(output).findings] == ["truncated"]


async def test_data_is_left_out_when_its_text_is_cut() -> None:
    async def many() -> list[int]:
        """Count."""
        return list(range(1000))

    settings = Settings.model_validate({"tools": {"output_chars": 100}})
    output = await ask(Toolbox([tool(effect="read")(many)], settings), "many")
    assert output.data is None
    assert output.text.startswith("[0,1,2")
    assert "[cut: 100 of" in output.text


# --- effects -------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


async def sent(toolbox: Toolbox, **place: object) -> ToolOutput:
    call = ToolCall(tool="send", arguments={"to": "bob"}, call_id=str(place.pop("call_id", "c1")))
    where = {"run_id": "r1", "hop": 1, **place}
    return await toolbox.call(call, ACME, seconds=5, **where)  # type: ignore[arg-type] # by test


async def test_an_effect_is_made_once_per_place_in_a_run(journal: Journal) -> None:
    toolbox = Toolbox([send], journal=journal)
    first = await sent(toolbox)
    again = await sent(Toolbox([send], journal=journal))
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.text, again.call_id) == (first.text, "c1")
    assert MADE == ["bob"]
    await sent(toolbox, hop=2)
    await sent(toolbox, call_id="c2")
    await sent(toolbox, run_id="r2")
    assert MADE == ["bob"] * 4


async def test_a_call_outside_of_a_run_is_written_down_but_never_replayed(
    journal: Journal, tmp_path: Path
) -> None:
    toolbox = Toolbox([send], journal=journal)
    for _ in range(2):
        assert not (await sent(toolbox, run_id="", hop=0)).replayed
    assert MADE == ["bob", "bob"]
    assert (tmp_path / "journal.db").exists()


async def test_reading_is_not_journaled(journal: Journal, tmp_path: Path) -> None:
    await ask(Toolbox([echo], journal=journal), "echo", text="a")
    assert not (tmp_path / "journal.db").exists()


async def test_a_failed_effect_is_an_outcome(journal: Journal) -> None:
    async def fail() -> None:
        """Fail."""
        MADE.append("tried")
        raise ValueError("no")

    toolbox = Toolbox([tool(effect="write")(fail)], journal=journal)
    call = ToolCall(tool="fail")
    for replayed in (False, True):
        output = await toolbox.call(call, ACME, seconds=5, run_id="r", hop=1)
        assert (output.error, output.replayed) == ("ValueError: no", replayed)
    assert MADE == ["tried"]


async def test_a_late_effect_has_an_unknown_outcome_and_is_not_repeated(journal: Journal) -> None:
    async def late() -> None:
        """Be late."""
        MADE.append("begun")
        await asyncio.sleep(30)

    toolbox = Toolbox([tool(effect="destroy", seconds=0.05)(late)], journal=journal)
    for said in ("no reply within 0.05 s", "not repeated"):
        output = await toolbox.call(ToolCall(tool="late"), ACME, seconds=5, run_id="r", hop=1)
        assert output.error.startswith("unknown outcome of 'late'")
        assert said in output.error
    assert MADE == ["begun"]


async def test_a_cancelled_effect_is_not_repeated(journal: Journal) -> None:
    started = asyncio.Event()

    async def hang() -> None:
        """Hang."""
        started.set()
        await asyncio.sleep(30)

    toolbox = Toolbox([tool(effect="write")(hang)], journal=journal)
    call = ToolCall(tool="hang")
    running = asyncio.create_task(toolbox.call(call, ACME, seconds=5, run_id="r", hop=1))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    output = await toolbox.call(call, ACME, seconds=5, run_id="r", hop=1)
    assert output.error.startswith("unknown outcome")


async def test_without_its_journal_an_effect_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    output = await sent(Toolbox([send], journal=Journal(tmp_path / "file" / "journal.db")))
    assert output.error.startswith("not called, for lack of a journal: ")
    assert MADE == []


async def test_an_outcome_that_cannot_be_written_is_logged_and_returned(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    async def lock_out() -> str:
        """Make the journal unwritable."""
        assert journal._connection is not None
        journal._connection.execute("PRAGMA query_only=ON")
        return "done"

    toolbox = Toolbox([tool(effect="write")(lock_out)], journal=journal)
    call = ToolCall(tool="lock_out")
    output = await toolbox.call(call, ACME, seconds=5, run_id="r", hop=1)
    assert (output.text, output.error) == ("done", "")
    assert "outcome of 'lock_out' was not journaled" in caplog.text


def test_two_tools_of_one_name_are_refused() -> None:
    other: Tool[[str, int], object] = tool(effect="read", name="echo")(echo.fn)
    with pytest.raises(InputError, match="two tools are called 'echo'"):
        Toolbox([echo, other])
