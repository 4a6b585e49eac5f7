"""The record of effects."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.errors import FairleadError
from fairlead.schema import ToolCall, ToolOutput
from fairlead.tools.journal import Earlier, Journal, key_of

CALL = ToolCall(tool="pay", arguments={"to": "bob", "amount": 2**70}, call_id="c1")
OUTPUT = ToolOutput(call_id="c1", tool="pay", arguments=CALL.arguments, text="paid", data=["é"])
KEY = key_of(CALL, tenant="acme", run="r1", hop=1)

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from fairlead import Principal, tool
from fairlead.schema import ToolCall
from fairlead.tools import Journal, Toolbox

@tool(effect="send")
async def pay(to: str) -> str:
    '''Pay.'''
    with open(sys.argv[2], "a") as ledger:
        ledger.write(to)
    if sys.argv[3] == "during":
        os.kill(os.getpid(), signal.SIGKILL)
    return "paid " + to

async def main():
    toolbox = Toolbox([pay], journal=Journal(Path(sys.argv[1])))
    call = ToolCall(tool="pay", arguments={"to": "bob"}, call_id="c1")
    output = await toolbox.call(call, Principal(tenant="acme"), seconds=9, run_id="r", hop=1)
    print(output.replayed, output.text, output.error, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_an_effect_is_begun_once_and_remembered(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal.db")
    assert await journal.begin(KEY, CALL) is None
    assert await journal.begin(KEY, CALL) == Earlier(output=None)
    await journal.finish(KEY, OUTPUT)
    journal.close()
    journal.close()
    assert await journal.begin(KEY, CALL) == Earlier(output=OUTPUT)
    journal.close()


@pytest.mark.parametrize(
    "other",
    [
        key_of(CALL, tenant="other", run="r1", hop=1),
        key_of(CALL, tenant="acme", run="r2", hop=1),
        key_of(CALL, tenant="acme", run="r1", hop=2),
        key_of(replace(CALL, tool="repay"), tenant="acme", run="r1", hop=1),
        key_of(replace(CALL, call_id="c2"), tenant="acme", run="r1", hop=1),
        key_of(replace(CALL, arguments={"to": "bob"}), tenant="acme", run="r1", hop=1),
    ],
)
async def test_any_difference_is_another_effect(tmp_path: Path, other: object) -> None:
    assert other != KEY


def test_the_order_of_arguments_makes_no_difference() -> None:
    turned = replace(CALL, arguments=dict(reversed(list(CALL.arguments.items()))))
    assert key_of(turned, tenant="acme", run="r1", hop=1) == KEY


async def test_only_one_of_many_begins(tmp_path: Path) -> None:
    journals = [Journal(tmp_path / "journal.db") for _ in range(4)]
    found = await asyncio.gather(*(j.begin(KEY, CALL) for j in journals for _ in range(4)))
    assert found.count(None) == 1
    for journal in journals:
        journal.close()


async def test_rows_are_on_the_disk_before_the_call_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    await journal.begin(KEY, CALL)
    assert journal._connection is not None
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    with sqlite3.connect(tmp_path / "journal.db") as reader:
        rows = reader.execute("SELECT tenant, run, hop, tool, outcome FROM effects").fetchall()
    reader.close()
    assert rows == [("acme", "r1", 1, "pay", None)]
    journal.close()


async def test_the_outcome_is_written_even_when_the_run_is_cancelled(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    await journal.begin(KEY, CALL)
    finishing = asyncio.create_task(journal.finish(KEY, OUTPUT))
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    for _ in range(100):
        if await journal.begin(KEY, CALL) == Earlier(output=OUTPUT):
            break
        await asyncio.sleep(0.01)
    assert await journal.begin(KEY, CALL) == Earlier(output=OUTPUT)
    journal.close()


async def test_a_file_that_is_no_journal_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database, not at all" * 50)
    with pytest.raises(FairleadError, match=r"journal\.db"):
        await Journal(tmp_path / "journal.db").begin(KEY, CALL)


def runs(tmp_path: Path, when: str) -> str:
    """One process that makes the call and is killed; what it printed."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", KILLED, tmp_path / "journal.db", tmp_path / "ledger", when],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout.strip()


def test_after_kill_9_a_finished_effect_is_answered_not_repeated(tmp_path: Path) -> None:
    assert runs(tmp_path, "after") == "False paid bob"
    assert runs(tmp_path, "after") == "True paid bob"
    assert (tmp_path / "ledger").read_text() == "bob"


def test_after_kill_9_an_unknown_outcome_is_neither_repeated_nor_guessed(tmp_path: Path) -> None:
    assert runs(tmp_path, "during") == ""
    assert "unknown outcome of 'pay'" in runs(tmp_path, "during")
    assert (tmp_path / "ledger").read_text() == "bob"
