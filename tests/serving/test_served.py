"""Vectors from a server: in order, checked, of length 1, named by all that decides about them."""

import base64
import struct
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SettingsError, Unavailable
from fairlead.protocols import Embedder, Metered
from fairlead.serving import ServedEmbedder
from fairlead.serving.endpoint import Patience
from fairlead.serving.vectors import identified

QUICK = Patience(tries=1, seconds=5, pause=0)


def made(server: Any, **options: Any) -> ServedEmbedder:
    return ServedEmbedder(server.url, "m", **{"ingesting": QUICK, "asking": QUICK, **options})


def units(lengths: list[int], dimension: int = 4) -> Any:
    rows = np.ones((len(lengths), dimension), dtype=np.float32)
    rows[:, 0] = lengths
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_unit_rows_in_the_order_of_the_texts(server: Any, encoding: Any) -> None:
    embedder: Embedder = made(server, batch=3, concurrency=2, encoding=encoding)
    texts = [f"{'x' * (n % 23)}{n}" for n in range(50)]
    rows = embedder.embed(texts)
    assert rows.dtype == np.float32 and rows.shape == (50, 4) and embedder.dimension == 4
    assert np.allclose(rows, units([len(text) for text in texts]), atol=1e-6)
    assert sorted(server.texts()) == sorted(texts) and len(server.seen) == 17
    assert len({seen.connection for seen in server.seen}) <= 2
    assert {seen.body["encoding_format"] for seen in server.seen} == {encoding}
    assert {seen.body["model"] for seen in server.seen} == {"m"}


def test_as_many_requests_at_a_time_as_allowed_and_no_more(server: Any) -> None:
    met, now, most = threading.Barrier(3), [0], [0]
    lock = threading.Lock()

    def together(handler: Any, asked: Any) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        met.wait(10)  # passes only with three at once
        with lock:
            now[0] -= 1
        server.embed(handler, asked)

    server.always = together
    made(server, batch=1, concurrency=3).embed(["text"] * 12)
    assert most == [3]


def test_questions_and_documents_have_prefixes_of_their_own(server: Any) -> None:
    embedder = made(server, query_prefix="query: ", document_prefix="passage: ")
    embedder.embed(["why?", ""], query=True)
    embedder.embed(["because"])
    made(server).embed(["", "plain"])
    assert server.texts() == ["query: why?", "query: ", "passage: because", " ", "plain"]


def test_the_dimension_is_asked_for_once(server: Any) -> None:
    embedder = made(server, revision="r1")
    assert embedder.identity == "m@r1/4" == embedder.identity
    assert embedder.embed([]).shape == (0, 4) and len(server.seen) == 1
    assert "dimensions" not in server.seen[0].body
    shortened = made(server, dimensions=2)
    assert shortened.identity == "m@unpinned/2" and len(server.seen) == 1
    assert shortened.embed(["a"]).shape == (1, 2) and server.seen[1].body["dimensions"] == 2


NAMES = st.text(st.sampled_from("am@/+%-1"), min_size=1, max_size=4)
PREFIXES = st.tuples(st.sampled_from(["", "q: ", "d: "]), st.sampled_from(["", "q: ", "d: "]))
PARTS = st.tuples(NAMES, NAMES, st.integers(1, 12), PREFIXES)


@given(PARTS, PARTS)
def test_whatever_differs_makes_another_identity(one: Any, other: Any) -> None:
    first, second = (
        identified(name, dimension, revision=revision, prefixes=prefixes)
        for name, revision, dimension, prefixes in (one, other)
    )
    assert (first == second) == (one == other)


def test_tokens_are_told_to_the_thread_that_asked(server: Any) -> None:
    embedder = made(server, batch=2)
    assert isinstance(embedder, Metered)
    assert embedder.last_tokens == 0
    embedder.embed(["one two", "three", "four five six"])
    assert embedder.last_tokens == 6
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(embedder.last_tokens))
    thread.start()
    thread.join()
    server.acts.append(server.rows([1, 1, 1, 1]))
    embedder.embed(["a server that does not count"])
    assert seen == [0] and embedder.last_tokens == 0


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    "vectors",
    [
        [[1.0, 2.0]],
        [[1.0, 2.0]] * 3,
        [[1.0, 2.0], [1.0]],
        [[1.0, None], [1.0, 2.0]],
        [[1.0, "a"], [1.0, 2.0]],
        [[1e39, 1.0], [1.0, 2.0]],
        [packed(1, float("nan")), packed(1, 2)],
        [packed(1, 2), "not base64"],
        [packed(1, 2), "AAA="],
        [[], []],
        [1.0, 2.0],
        [None, None],
    ],
)
def test_what_is_no_vector_for_each_text_is_refused(server: Any, vectors: list[object]) -> None:
    server.always = server.rows(*vectors)
    with pytest.raises(SettingsError, match=r"'m' at http.* one vector of finite numbers per text"):
        made(server).embed(["a", "b"])


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "text",
        {},
        {"data": None},
        {"data": [{"embedding": [1.0]}]},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": "0", "embedding": [1.0]}]},
    ],
)
def test_an_answer_of_another_form_is_refused(server: Any, answer: object) -> None:
    server.always = server.reply(200, answer)
    with pytest.raises(SettingsError, match="one vector of finite numbers"):
        made(server).embed(["a"])


def test_a_dimension_that_changes_is_refused(server: Any) -> None:
    embedder = made(server)
    embedder.embed(["a"])
    server.always = server.rows([1.0, 2.0])
    with pytest.raises(SettingsError, match="vectors of 2 numbers, not 4") as refused:
        embedder.embed(["a"])
    assert "retrieval.embedding.dimensions" in refused.value.hint
    with pytest.raises(SettingsError, match="vectors of 2 numbers, not 3"):
        made(server, dimensions=3).embed(["a"])


def test_a_vector_of_zeros_stays_one(server: Any) -> None:
    server.always = server.rows([0.0, 0.0], [3.0, 4.0])
    rows = made(server).embed(["", "a"])
    assert np.allclose(rows, np.array([[0, 0], [0.6, 0.8]]))


def test_one_failing_batch_fails_the_whole(server: Any) -> None:
    server.acts += [server.embed, server.reply(500), server.embed]
    with pytest.raises(Unavailable, match="answered 500"):
        made(server, batch=1, concurrency=1).embed(["a", "b", "c"])


def test_who_asks_is_less_patient_than_who_ingests(server: Any) -> None:
    embedder = ServedEmbedder(server.url, "m")
    server.always = server.reply(503, Retry_After="3")
    with pytest.raises(Unavailable):
        embedder.embed(["why?"], query=True)
    assert len(server.seen) == 1
    server.always = None
    server.acts += [server.reply(503)] * 3
    assert len(embedder.embed(["because"])) == 1 and len(server.seen) == 5


def test_tokens_are_estimated_without_asking(server: Any) -> None:
    embedder = made(server)
    assert [embedder.count_tokens(text) for text in ("", "a", "x" * 9, "ключ")] == [0, 1, 3, 2]
    assert not server.seen
    embedder.close()
