"""What PostgreSQL alone can do: be away, come back, and keep a lock."""

from pathlib import Path

import pytest

from fairlead.errors import SettingsError, Unavailable
from fairlead.storage import postgres as module
from fairlead.storage import shared_database
from fairlead.storage.postgres import shown, translated
from tests.servers.postgres import Postgres

STEPS = ("CREATE TABLE things (name TEXT NOT NULL);",)
WRITE = "INSERT INTO things (name) VALUES (?)"


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://ada@db/x", "postgresql://ada@db/x"),
        ("postgresql://ada:s3cret@db/x", "postgresql://ada@db/x"),
        ("postgresql://ada:p@ss@db/x", "postgresql://ada@db/x"),
        (
            "postgresql:///x?host=db&password=s3cret&user=a",
            "postgresql:///x?host=db&password=…&user=a",
        ),
    ],
)
def test_no_message_shows_a_password(url: str, seen: str) -> None:
    assert shown(url) == seen


def test_parameters_are_translated() -> None:
    assert translated("SELECT 1 WHERE a LIKE '%x' AND b=?") == (
        "SELECT 1 WHERE a LIKE '%%x' AND b=%s"
    )


@pytest.mark.postgres
def test_a_server_that_is_away_is_said_so_and_comes_back(tmp_path: Path) -> None:
    with Postgres() as server:
        database = shared_database(tmp_path / "part.db", server.url(), STEPS)
        database.change(WRITE, ("before",))
        server.stop()
        with pytest.raises(Unavailable, match="cannot use 'postgresql:///test1"):
            database.rows("SELECT name FROM things")
        with pytest.raises(Unavailable), database.transaction():
            database.change(WRITE, ("never",))
        server.start()
        with database.transaction():
            database.change(WRITE, ("after",))
        assert database.rows("SELECT name FROM things") == [("before",), ("after",)]
        with pytest.raises(Unavailable, match=r"lost the connection|cannot use"):
            with database.transaction():
                database.change(WRITE, ("lost",))
                server.stop()
                server.start()
                database.change(WRITE, ("never",))
        assert len(database.rows("SELECT name FROM things")) == 2
        database.close()


@pytest.mark.postgres
def test_waiting_for_another_process_ends(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAITING", 1)
    url = postgres.url()
    one, other = (shared_database(tmp_path / "part.db", url, STEPS) for _ in range(2))
    other.rows("SELECT 1")
    with one.transaction(), pytest.raises(Unavailable, match="in use by another process"):
        with other.transaction():
            raise AssertionError("two transactions at once")
    with other.transaction():
        other.change(WRITE, ("a",))
    assert one.rows("SELECT name FROM things") == [("a",)]
    one.close()
    other.close()


@pytest.mark.postgres
def test_parts_of_one_database_have_schemas_of_their_own(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.url()
    one = shared_database(tmp_path / "one.db", url, STEPS)
    other = shared_database(tmp_path / "other.db", url, ("CREATE TABLE b (x TEXT);",) * 1)
    one.change(WRITE, ("a",))
    other.change("INSERT INTO b (x) VALUES ('b')")
    assert one.rows("SELECT part, version FROM fairlead_schema ORDER BY part") == [
        ("one", 1),
        ("other", 1),
    ]
    one.close()
    other.close()


@pytest.mark.postgres
def test_no_such_database(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.url().replace("test", "nothing")
    with pytest.raises((Unavailable, SettingsError), match="does not exist"):
        shared_database(tmp_path / "part.db", url, STEPS).rows("SELECT 1")
