"""The span store: what was handed over is there, whatever happens to the process or the disk."""

import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import SettingsError
from fairlead.storage import open_database
from fairlead.tracing import SpanStore, TraceReader, Tracing, names
from fairlead.tracing import store as span_store
from fairlead.tracing.redaction import VALUE_BYTES

TEXT = st.text(max_size=40)
VALUES = (
    TEXT
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(TEXT, max_size=4)
)


def rows(path: Path) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(path)
    found = db.execute("SELECT name, end_ns, status FROM span ORDER BY id").fetchall()
    db.close()
    return found


@settings(max_examples=60, deadline=None)
@given(name=TEXT, given=st.dictionaries(TEXT, VALUES, max_size=6), later=st.booleans())
def test_what_is_stored_is_what_was_said(name: str, given: Mapping[str, Any], later: bool) -> None:
    with TemporaryDirectory() as folder:
        store = SpanStore(Path(folder) / "traces.db")
        tracing = Tracing(store=store, content=True)
        root = tracing.start(name, {names.RUN_ID: "r", names.TENANT: "t"})
        if later:
            tracing.flush()
        root.set(given)
        root.end()
        store.close()
        (span,) = TraceReader(Path(folder) / "traces.db").trace("last").spans
        db = sqlite3.connect(Path(folder) / "traces.db")
        assert db.execute("SELECT count(*) FROM span").fetchone() == (1,)
        db.close()
    assert span.name == name
    assert span.attributes == {names.RUN_ID: "r", names.TENANT: "t", **given}
    assert (span.run_id, span.tenant) == ("r", "t")


def test_what_json_or_sqlite_cannot_hold_is_made_plain(
    store: SpanStore, reader: TraceReader
) -> None:
    tracing = Tracing(store=store, content=True)
    odd: dict[str, Any] = {"a": "\ud800x", "b": 2**70, "c": ["\udfff"], "d": {1}, "e": b"x"}
    with tracing.span("name \ud800", odd) as span:
        pass
    tracing.flush()
    (row,) = reader.trace(span.trace_id).spans
    assert row.name == "name ?"
    said = {"a": "?x", "b": str(2**70), "c": ["?"], "d": "{1}", "e": "b'x'"}
    assert row.attributes == said
    assert store.dropped == 0


@pytest.mark.parametrize("letter", ["a", "é", "😀"])
def test_long_values_are_cut_and_say_so(store: SpanStore, reader: TraceReader, letter: str) -> None:
    tracing = Tracing(store=store)
    long = letter * VALUE_BYTES
    fits = letter * (VALUE_BYTES // len(letter.encode()))
    with tracing.span("work", {"long": long, "list": [long], "fits": fits}) as span:
        pass
    tracing.flush()
    said = reader.trace(span.trace_id).spans[0].attributes
    size = len(long.encode())
    for value in (said["long"], said["list"][0]):
        assert size == len(fits.encode()) or value.endswith(f"… [cut: {size} bytes]")
        assert VALUE_BYTES - 4 <= len(value.encode()) <= VALUE_BYTES
    assert said["fits"] == fits


def test_a_flushed_span_is_seen_by_other_connections_at_once(tracing: Tracing, path: Path) -> None:
    for number in range(50):
        with tracing.span(f"s{number}", {}):
            pass
        tracing.flush()
        assert rows(path)[-1][0] == f"s{number}"
    assert len(rows(path)) == 50


def test_open_spans_appear_without_a_flush_and_are_completed(tracing: Tracing, path: Path) -> None:
    span = tracing.start("work", {})
    until = time.monotonic() + 5
    while not rows(path) and time.monotonic() < until:
        time.sleep(0.005)
    assert rows(path) == [("work", None, "open")]
    span.end()
    tracing.flush()
    ((name, end_ns, status),) = rows(path)
    assert (name, status) == ("work", "ok") and end_ns


def test_many_threads_lose_nothing_and_write_nothing_twice(
    tracing: Tracing, store: SpanStore, path: Path
) -> None:
    def work(number: int) -> None:
        for step in range(100):
            with tracing.span(f"{number}/{step}", {}) as span:
                span.set({"step": step})
                if step % 10 == 0:
                    tracing.flush()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tracing.flush()
    found = rows(path)
    assert sorted(row[0] for row in found) == sorted(
        f"{n}/{s}" for n in range(8) for s in range(100)
    )
    assert all(row[1] for row in found)
    assert store.dropped == 0


WORKER = """
import sys
from pathlib import Path
from fairlead.tracing import SpanStore, Tracing, names
tracing = Tracing(store=SpanStore(Path(sys.argv[1])))
root = tracing.start(*names.invoke_agent(agent="a", run_id="r", tenant="t"))
number = 0
while True:
    hop = tracing.start(*names.hop(number), parent=root)
    with tracing.span("work", {}, parent=hop):
        pass
    hop.end()
    tracing.flush()
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("count", [1, 7, 40])
def test_a_killed_process_leaves_what_it_reported_and_its_open_root(
    path: Path, reader: TraceReader, count: int
) -> None:
    command = [sys.executable, "-c", WORKER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(count):
            child.stdout.readline()
        assert reader.trace("last").summary.status == "open"
        child.send_signal(signal.SIGKILL)
        more = child.stdout.read().split()
    reported = max([count - 1, *map(int, more)])
    trace = reader.trace("r")
    hops = {span.name: span for span in trace.spans if span.name.startswith("fairlead.hop")}
    for number in range(reported + 1):
        assert hops[f"fairlead.hop {number}"].status == "ok"
    assert trace.summary.status == "interrupted" and trace.summary.ms is None
    assert trace.spans[0].status == "interrupted"
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_an_ordinary_exit_without_close_loses_nothing(path: Path) -> None:
    script = WORKER.replace("while True:", "for number in range(5):").replace(
        "tracing.flush()", "pass"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True)
    assert len(rows(path)) == 11


def test_a_locked_file_keeps_spans_back_until_it_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(span_store, "PATIENCE_MS", 20)
    store = SpanStore(path)
    tracing = Tracing(store=store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with tracing.span("work", {}):
        pass
    tracing.flush()
    assert rows(path) == []
    other.execute("ROLLBACK")
    other.close()
    tracing.flush()
    assert [row[0] for row in rows(path)] == ["work"]
    assert store.dropped == 0 and not caplog.records
    store.close()


def test_a_file_that_stays_locked_costs_spans_and_one_warning(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(span_store, "PATIENCE_MS", 20)
    monkeypatch.setattr(span_store, "KEPT", 10)
    store = SpanStore(path)
    tracing = Tracing(store=store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(30):
        tracing.start(f"s{number}", {}).end()
    tracing.flush()
    assert 15 <= store.dropped <= 20
    store.close()
    assert store.dropped == 30
    other.close()
    assert len(caplog.records) == 1
    assert "spans are not stored in" in caplog.text and "locked" in caplog.text


def test_a_full_disk_never_breaks_a_run(
    store: SpanStore, tracing: Tracing, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages + 1}")  # SQLite reports it as full
    for _ in range(5):
        with tracing.span("work", {"a": "x" * 10_000}):
            pass
        tracing.flush()
    assert store.dropped == 5
    assert len(caplog.records) == 1 and "full" in caplog.text
    store._connection.execute("PRAGMA max_page_count=1000000")
    with tracing.span("after", {}):
        pass
    tracing.flush()
    assert [row[0] for row in rows(path)] == ["after"]


def test_a_closed_store_takes_no_more_and_says_so(
    tracing: Tracing, store: SpanStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    span = tracing.start("work", {})
    store.close()
    store.close()
    with caplog.at_level(logging.WARNING):
        span.end()
        tracing.flush()
    assert [row[:2] for row in rows(path)] == [("work", None)]
    assert store.dropped == 1 and "closed" in caplog.text


def test_a_newer_store_is_refused_and_kept(path: Path) -> None:
    migrations = (*span_store.MIGRATIONS, "CREATE TABLE later(x);")
    open_database(path, migrations).close()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="schema version 2"):
        SpanStore(path)
    with pytest.raises(SettingsError, match="schema version 2"):
        TraceReader(path).traces()
    assert path.read_bytes() == before
