"""Parts of the Weaviate store that need no server."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SettingsError
from fairlead.retrieval.stored import Spec
from fairlead.retrieval.weaviate import WeaviateStore, names
from fairlead.retrieval.weaviate.head import Head
from fairlead.retrieval.weaviate.words import Vocabulary, packed, row, unpacked
from fairlead.sections import Weaviate as Section

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)


@given(NAMES, NAMES)
def test_no_two_collections_share_a_class(one: str, other: str) -> None:
    classes = {names.records_class("P", each) for each in (one, other)}
    assert len(classes) == len({one, other})
    for each in (one, other):
        assert names.collection_of("P", names.records_class("P", each)) == each
        assert names.collection_of("P", names.chunks_class("P", each, 1)) is None
    assert (names.alias("P", one, other) == names.alias("P", other, one)) == (one == other)


def test_references_order_by_age() -> None:
    early, late = names.place_in(3, 9), names.place_in(4, 1)
    refs = [
        names.chunk_ref(early, 1, 2),
        names.chunk_ref(early, 1, 10),
        names.chunk_ref(late, 1, 0),
    ]
    assert refs == sorted(refs) and len(set(refs)) == 3
    assert names.order_of(refs[1]) == early == names.order_of(names.document_ref(early))


@given(st.dictionaries(st.text("abcé", min_size=1), st.integers(1, 99)))
def test_word_counts_come_back(counts: dict[str, int]) -> None:
    assert dict(unpacked(packed(counts))) == counts


def test_changes_of_words_add_up() -> None:
    rows = [
        row({"a": 2, "b": 1}, 1, 3, whole=True),
        row({"a": 9}, 1, 2, whole=False),  # summed up already
        row({"a": -2, "c": 1}, 1, 4, whole=False),
    ]
    found = Vocabulary().with_rows(rows, 4)
    assert found.counts == {"b": 1, "c": 1}
    assert found.frequencies(["a", "b"]) == {"b": 1}
    assert found.with_rows([row({"b": 4}, 1, 5, whole=False)], 5).counts == {"b": 5, "c": 1}


def test_the_head_comes_back() -> None:
    head = Head(born="x", build=2, builds={2: Spec(chunker="c/1", embedder="e")}, facts={"a": "b"})
    assert Head.of(head.row()) == head
    assert Head.of(None) is None


def test_an_address_that_is_none() -> None:
    with pytest.raises(SettingsError, match="no address"):
        WeaviateStore(Section(url="localhost:8080"))


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weaviate", None)
    with pytest.raises(SettingsError) as caught:
        WeaviateStore(Section())
    assert "fairlead[weaviate]" in caught.value.hint
