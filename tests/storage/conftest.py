"""Databases of both kinds; those in PostgreSQL only where tests that need it are asked for."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fairlead.storage import Database, Step, shared_database

Connect = Callable[[Sequence[Step]], Database]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Opens the same database anew each time, as another process would."""
    url = request.getfixturevalue("postgres").url() if request.param == "postgresql" else None
    opened: list[Database] = []

    def one(steps: Sequence[Step]) -> Database:
        opened.append(shared_database(tmp_path / "parts.db", url, steps))
        return opened[-1]

    yield one
    for database in opened:
        database.close()
