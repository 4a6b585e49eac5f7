"""Opening databases: migrations once, and every failure in plain words."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.errors import SettingsError, Unavailable
from fairlead.storage import Leases, open_database, plainly

FIRST = "CREATE TABLE a(x);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; SELECT 1; END;"


def test_migrates_to_the_newest_schema_and_only_once(tmp_path: Path) -> None:
    ran = []
    steps = (FIRST, lambda connection: ran.append(connection.execute("SELECT 1").fetchone()))
    open_database(tmp_path / "deep" / "x.db", steps).close()
    again = open_database(tmp_path / "deep" / "x.db", steps)
    assert ran == [(1,)]
    assert again.execute("PRAGMA user_version").fetchone() == (2,)
    assert again.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    again.close()


def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="syntax error"):
        open_database(tmp_path / "x.db", ("CREATE TABLE a(x);\nnonsense here;",))
    made = sqlite3.connect(tmp_path / "x.db")
    assert made.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    made.close()


def test_a_newer_files_schema_is_refused_and_kept(tmp_path: Path) -> None:
    open_database(tmp_path / "x.db", (FIRST, "CREATE TABLE b(x);")).close()
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(SettingsError, match="schema version 2; this Fairlead knows 1") as caught:
        open_database(tmp_path / "x.db", (FIRST,))
    assert "Upgrade" in caught.value.hint
    assert (tmp_path / "x.db").read_bytes() == before


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SettingsError, match="cannot write"):
        open_database(tmp_path / "file" / "x.db", (FIRST,))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("hello " * 1000)
    with pytest.raises(SettingsError, match="not a Fairlead database"):
        open_database(tmp_path / "x.db", (FIRST,))


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("attempt to write a readonly database", SettingsError, "cannot write"),
        ("database or disk is full", Unavailable, "no space left"),
        ("database is locked", Unavailable, "in use by another process"),
    ],
)
def test_sqlites_words_become_ours(said: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words), plainly(Path("x.db")):
        raise sqlite3.OperationalError(said)


def test_leases_exclude_other_holders_and_die_with_their_process(tmp_path: Path) -> None:
    leases = Leases.at(tmp_path / "locks")
    assert Leases.at(tmp_path / "locks") is leases
    assert leases.take("a") and not leases.take("a")
    leases.give("a")
    holder = (
        "import sys, pathlib; from fairlead.storage import Leases\n"
        f"print(Leases.at(pathlib.Path({str(tmp_path / 'locks')!r})).take('a'), flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", holder]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None and child.stdout.readline() == "True\n"
        assert not leases.take("a")
        assert leases.take("b")
        child.kill()
        child.wait()
        assert leases.take("a")
    leases.give("a")
    leases.give("b")


def test_a_new_file_is_opened_by_several_at_once(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}.db"
        with ThreadPoolExecutor(4) as pool:
            opened = list(pool.map(open_database, [path] * 4, [[FIRST]] * 4))
        for connection in opened:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            connection.close()
