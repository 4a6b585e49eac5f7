"""One interface, two databases: what holds for a SQLite file holds for PostgreSQL."""

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fairlead.errors import SettingsError, Unavailable
from fairlead.storage import Database, Step, shared_database

Connect = Callable[[Sequence[Step]], Database]
STEPS: tuple[Step, ...] = (
    "CREATE TABLE things (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL, weight DOUBLE PRECISION);",
    {
        "sqlite": "CREATE INDEX by_name ON things (name);",
        "postgresql": "CREATE INDEX by_name ON things (name text_pattern_ops);",
    },
)


def names(database: Database) -> list[str]:
    return [str(name) for (name,) in database.rows("SELECT name FROM things ORDER BY id")]


def test_rows_come_back_as_they_went(connect: Connect) -> None:
    database = connect(STEPS)
    rows = [("100 %", 0.1), ("ü\u2028'", None), ("", 1e300)]
    database.change_many("INSERT INTO things (name, weight) VALUES (?, ?)", rows)
    assert database.rows("SELECT name, weight FROM things ORDER BY id") == rows
    assert database.rows("SELECT name FROM things WHERE name LIKE '1%' AND weight < ?", (1,)) == [
        ("100 %",)
    ]
    made = database.rows("INSERT INTO things (name) VALUES (?) RETURNING id", ("last",))
    assert made == [(4,)]
    assert database.change("UPDATE things SET weight=2 WHERE weight IS NULL") == 2


def test_numbers_are_never_used_again(connect: Connect) -> None:
    database = connect(STEPS)
    database.change("INSERT INTO things (name) VALUES ('a')")
    database.change("DELETE FROM things")
    assert database.rows("INSERT INTO things (name) VALUES ('b') RETURNING id") == [(2,)]


def test_a_transaction_is_all_or_nothing(connect: Connect) -> None:
    database, other = connect(STEPS), connect(STEPS)
    with pytest.raises(ZeroDivisionError), database.transaction():
        database.change("INSERT INTO things (name) VALUES ('a')")
        with database.transaction():
            database.change("INSERT INTO things (name) VALUES ('b')")
        assert names(other) == []
        raise ZeroDivisionError
    assert names(database) == names(other) == []
    with database.transaction():
        database.change("INSERT INTO things (name) VALUES ('a')")
    assert names(other) == ["a"]


def test_a_statement_that_fails_undoes_its_transaction(connect: Connect) -> None:
    database = connect(STEPS)
    with pytest.raises((Unavailable, SettingsError)), database.transaction():
        database.change("INSERT INTO things (name) VALUES ('a')")
        database.change("INSERT INTO nothing (name) VALUES ('b')")
    database.change("INSERT INTO things (name) VALUES ('c')")
    assert names(database) == ["c"]


def test_transactions_go_one_at_a_time(connect: Connect) -> None:
    """Each reads, then writes: with two at once, numbers would be given twice."""
    databases = [connect(STEPS) for _ in range(3)]

    def count(database: Database) -> None:
        for _ in range(10):
            with database.transaction():
                ((so_far,),) = database.rows("SELECT count(*) FROM things")
                database.change("INSERT INTO things (name) VALUES (?)", (f"{so_far:03}",))

    threads = [threading.Thread(target=count, args=(each,)) for each in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(databases[0]) == [f"{number:03}" for number in range(30)]


def test_one_connection_serves_several_threads(connect: Connect) -> None:
    database = connect(STEPS)

    def write(name: str) -> None:
        for _ in range(20):
            with database.transaction():
                database.change("INSERT INTO things (name) VALUES (?)", (name,))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(database)) == ["a"] * 20 + ["b"] * 20 + ["c"] * 20


def test_schemas_grow_and_a_newer_one_is_left_alone(connect: Connect) -> None:
    connect(STEPS[:1]).change("INSERT INTO things (name) VALUES ('kept')")
    assert names(connect(STEPS)) == ["kept"]
    with pytest.raises(SettingsError, match="schema version 2; this Fairlead knows 1"):
        connect(STEPS[:1]).rows("SELECT 1")
    assert names(connect(STEPS)) == ["kept"]


def test_a_failed_migration_changes_nothing(connect: Connect) -> None:
    with pytest.raises((Unavailable, SettingsError), match="syntax error"):
        connect((*STEPS, "nonsense here;")).rows("SELECT 1")
    assert names(connect(STEPS)) == []


def test_a_closed_one_opens_again(connect: Connect) -> None:
    database = connect(STEPS)
    database.change("INSERT INTO things (name) VALUES ('a')")
    database.close()
    assert names(database) == ["a"]


def test_the_default_needs_no_psycopg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert names(shared_database(tmp_path / "x.db", None, STEPS)) == []
    with pytest.raises(SettingsError, match="needs psycopg") as caught:
        shared_database(tmp_path / "x.db", "postgresql:///x", STEPS)
    assert "fairlead[postgres]" in caught.value.hint


def test_asking_makes_no_file(tmp_path: Path) -> None:
    database = shared_database(tmp_path / "new" / "x.db", None, STEPS)
    assert names(database) == [] and not (tmp_path / "new").exists()
    database.change("INSERT INTO things (name) VALUES ('a')")
    assert names(database) == ["a"] and (tmp_path / "new" / "x.db").exists()
    database.close()
