"""Results kept for a while: never another one's, never too old, never what was erased."""

import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

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
TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
TEXTS = st.lists(st.sampled_from(["", "a", "b", "ab", "s1:", "l2:"]) | TEXT, max_size=4).map(tuple)
KEYS = st.builds(
    Key,
    kind=st.sampled_from(["embedding", "result", "context"]),
    tenant=st.sampled_from(["t1", "t2"]),
    collection=TEXT,
    readers=TEXTS,
    state=TEXT,
    embedder=TEXT,
    pipeline=TEXT,
    query=TEXTS,
)
PARTS: dict[str, Any] = {
    "kind": "context",
    "tenant": "rival",
    "collection": "shops",
    "readers": ("ann",),
    "state": "8",
    "embedder": "hash/65",
    "pipeline": "p2",
    "query": ("returns", "hybrid", "9"),
}


def opened(folder: Path | None = None, **more: Any) -> Caches:
    return Caches(folder, **{"seconds": 100, "stale_seconds": 1000, "limit": 10_000, **more})


@pytest.fixture
def caches() -> Iterator[Caches]:
    found = opened()
    yield found
    found.close()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the clock on."""

    def moved(seconds: float) -> None:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + seconds)

    return moved


def value_of(caches: Caches, key: Key = KEY) -> bytes | None:
    found = caches.get(key)
    return found.value if found else None


def test_what_was_put_is_got(caches: Caches) -> None:
    assert caches.get(KEY) is None
    caches.put(KEY, b"value", era=0)
    found = caches.get(KEY)
    assert found is not None
    assert found.value == b"value"
    assert 0 <= found.age < 10
    caches.put(KEY, b"newer", era=0)
    assert value_of(caches) == b"newer"


@given(KEYS, KEYS)
def test_two_keys_that_differ_never_share_an_entry(one: Key, other: Key) -> None:
    assume(one != replace(other, readers=one.readers) or set(one.readers) != set(other.readers))
    assert one.whole != other.whole
    caches = opened()
    caches.put(one, b"one", era=0)
    assert caches.get(other) is None
    caches.close()


@given(KEYS, st.sampled_from(sorted(PARTS)), st.data())
def test_a_key_that_differs_in_one_part_is_another(
    key: Key, part: str, data: st.DataObject
) -> None:
    drawn = getattr(data.draw(KEYS), part)
    same = set(drawn) == set(key.readers) if part == "readers" else drawn == getattr(key, part)
    other = replace(key, **{part: drawn})
    assert (other.whole == key.whole) == same
    assert (other.base == key.base) == (same or part == "state")


@pytest.mark.parametrize("part", [field.name for field in fields(Key)])
def test_every_part_counts(caches: Caches, part: str) -> None:
    caches.put(KEY, b"value", era=0)
    other = replace(KEY, **{part: PARTS[part]})
    assert caches.get(other) is None
    assert (caches.stale(other) is None) == (part != "state")


def test_the_order_of_readers_does_not_matter(caches: Caches) -> None:
    caches.put(KEY, b"value", era=0)
    assert value_of(caches, replace(KEY, readers=("staff", "ann", "ann"))) == b"value"


def test_an_entry_answers_for_so_long_and_is_stale_for_so_long(caches: Caches, later: Any) -> None:
    caches.put(KEY, b"value", era=0)
    later(99)
    assert value_of(caches) == b"value"
    later(2)
    assert caches.get(KEY) is None
    found = caches.stale(replace(KEY, state="9"))
    assert found is not None
    assert 100 < found.age < 110
    later(900)
    assert caches.stale(KEY) is None


def test_an_entry_ends_with_the_first_document_in_it(caches: Caches, later: Any) -> None:
    caches.put(KEY, b"value", ends=time.time() + 10, era=0)
    assert value_of(caches) == b"value"
    later(11)
    assert caches.get(KEY) is None
    assert caches.stale(KEY) is None


def test_nothing_is_kept_where_nothing_is_asked_for() -> None:
    none = opened(seconds=0, stale_seconds=0)
    none.put(KEY, b"value", era=0)
    assert none.get(KEY) is None
    assert none.stale(KEY) is None
    only_stale = opened(seconds=0)
    only_stale.put(KEY, b"value", era=0)
    assert only_stale.get(KEY) is None
    assert only_stale.stale(KEY) is not None


def bytes_of(caches: Caches, tenant: str = "acme") -> float:
    return sum(each["bytes"] for each in caches.statistics(tenant).values())


@given(st.lists(st.integers(0, 400), max_size=40))
def test_a_tenant_never_takes_more_than_its_share(sizes: list[int]) -> None:
    caches = opened(limit=1000)
    for at, size in enumerate(sizes):
        key = replace(KEY, query=(str(at),))
        caches.put(key, bytes(size), era=0)
        assert bytes_of(caches) <= 1000
        kept = value_of(caches, key)
        assert kept == (bytes(size) if size <= 250 else None)
    caches.close()


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    caches = opened(tmp_path, limit=1000)
    keys = [replace(KEY, query=(str(n),)) for n in range(6)]
    for key in keys[:4]:
        caches.put(key, bytes(200), era=0)
    assert value_of(caches, keys[0])
    caches.close()
    again = opened(tmp_path, limit=1000)
    for key in keys[4:]:
        again.put(key, bytes(200), era=0)
    assert [bool(again.get(key)) for key in keys] == [True, False, False, False, True, True]
    again.close()


def test_one_tenants_entries_never_push_out_anothers() -> None:
    caches = opened(limit=1000)
    caches.put(replace(KEY, tenant="rival"), bytes(200), era=0)
    for n in range(20):
        caches.put(replace(KEY, query=(str(n),)), bytes(200), era=0)
    assert value_of(caches, replace(KEY, tenant="rival")) == bytes(200)
    assert bytes_of(caches, "rival") == 200
    caches.close()


def test_hits_are_counted_for_each_tenant(caches: Caches) -> None:
    caches.get(KEY)
    caches.put(KEY, b"value", era=0)
    caches.get(KEY)
    caches.get(KEY)
    found = caches.statistics("acme")["result"]
    assert found == {"hits": 2, "misses": 1, "hit_rate": 0.6667, "entries": 1, "bytes": 5}
    assert caches.statistics("rival")["result"]["misses"] == 0
