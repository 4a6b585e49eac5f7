"""What is kept is forgotten with what it was made of, and a file that breaks costs no answer."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.retrieval.caches import Caches, Key

KEY = Key(
    kind="result",
    tenant="acme",
    collection="shop",
    readers=("ann", "staff"),
    state="7",
    embedder="hash/64",
    pipeline="p1",
    query=("returns", "hybrid", "8"),
)


def opened(folder: Path | None) -> Caches:
    return Caches(folder, seconds=100, stale_seconds=1000, limit=10_000)


def value_of(caches: Caches, key: Key = KEY) -> bytes | None:
    found = caches.get(key)
    return found.value if found else None


@pytest.mark.parametrize("disk", [True, False])
def test_what_is_forgotten_is_gone(tmp_path: Path, disk: bool) -> None:
    caches = opened(tmp_path if disk else None)
    secret = b"the value of an erased document"
    caches.put(KEY, secret, era=0)
    caches.put(replace(KEY, collection="other"), b"stays", era=0)
    caches.forget("acme", "shop")
    assert caches.get(KEY) is None
    assert caches.stale(KEY) is None
    assert value_of(caches, replace(KEY, collection="other")) == b"stays"
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())
    caches.close()


@pytest.mark.parametrize("disk", [True, False])
def test_what_was_begun_before_is_not_kept_after(tmp_path: Path, disk: bool) -> None:
    """A search reads a document, the document is erased, and then the search is done."""
    caches = opened(tmp_path if disk else None)
    begun = caches.era("acme", "shop")
    caches.forget("acme", "shop")
    caches.put(KEY, b"what was erased", era=begun)
    assert caches.stale(KEY) is None
    caches.put(KEY, b"value", era=caches.era("acme", "shop"))
    assert value_of(caches) == b"value"
    caches.close()


def test_entries_on_disk_outlive_the_process(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.put(KEY, b"value", era=0)
    first.close()
    again = opened(tmp_path)
    assert value_of(again) == b"value"
    stale = again.stale(replace(KEY, state="9"))
    assert stale is not None
    assert 0 <= stale.age < 10
    assert again.get(replace(KEY, tenant="rival")) is None
    again.close()


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "acme.db").write_bytes(b"no database at all" * 1000)
    caches = opened(tmp_path)
    assert caches.get(KEY) is None
    caches.put(KEY, b"value", era=caches.era("acme", "shop"))
    assert value_of(caches) == b"value"
    caches.close()


def test_one_that_breaks_answers_nothing_and_is_deleted_when_forgotten(tmp_path: Path) -> None:
    caches = opened(tmp_path)
    caches.put(KEY, b"value", era=0)
    with closing(sqlite3.connect(tmp_path / "acme.db")) as connection:
        connection.execute("DROP TABLE entry")
    assert caches.get(KEY) is None
    assert caches.stale(KEY) is None
    caches.put(KEY, b"value", era=0)
    caches.forget("acme", "shop")
    assert not (tmp_path / "acme.db").exists()
    caches.put(KEY, b"value", era=caches.era("acme", "shop"))
    assert value_of(caches) == b"value"
    caches.close()


def test_a_place_that_cannot_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    caches = opened(tmp_path / "file")
    caches.put(KEY, b"value", era=caches.era("acme", "shop"))
    assert caches.get(KEY) is None
    assert caches.stale(KEY) is None
