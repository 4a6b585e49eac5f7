"""What only a server brings: it dies, sweeps, refuses, and is asked over a wire."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from fairlead.errors import FairleadError, SettingsError, Unavailable
from fairlead.retrieval.records import Record
from fairlead.retrieval.stored import Entry
from fairlead.retrieval.weaviate import WeaviateStore
from fairlead.retrieval.weaviate import place as places
from fairlead.retrieval.weaviate.place import Place
from fairlead.retrieval.weaviate.tables import Row, Table, Wanted, conditions
from fairlead.schema import Document, Principal
from fairlead.sections import Secret
from fairlead.sections import Weaviate as Section
from fairlead.storage.lease import Leases
from tests.conftest import StartWeaviate
from tests.retrieval.conformance.conftest import blocking, ids_in, library_on, prefix, scope
from tests.retrieval.conftest import HashEmbedder
from tests.servers.weaviate import LOOPBACK, Weaviate

pytestmark = pytest.mark.weaviate
_NOTHING = Wanted()
PLACE: dict[str, Any] = {"tenant": "acme", "collection": "default"}
READER = Principal(tenant="acme")


def section(server: Weaviate, **values: Any) -> Section:
    return Section(
        **{"url": server.url, "grpc_port": server.ports.grpc, "prefix": prefix(), **values}
    )


@pytest.fixture
async def store(weaviate: Weaviate) -> AsyncIterator[WeaviateStore]:
    opened = WeaviateStore(section(weaviate))
    yield opened
    await opened.close()


def place_of(store: WeaviateStore) -> Place:
    return Place(store._shared, "acme", "default")


# --- a server that dies --------------------------------------------------------------------------


async def test_a_dead_server_is_unavailable_and_soon_left_alone(
    start_weaviate: StartWeaviate, tmp_path: Path, embedder: HashEmbedder
) -> None:
    server = start_weaviate()
    store = WeaviateStore(section(server))
    library = library_on(store, tmp_path, embedder)
    await library.ingest([Document(id="a", text="Words.")], **PLACE)
    server.kill()
    began = time.monotonic()
    for _ in range(4):
        with pytest.raises(Unavailable, match="does not answer") as caught:
            await library.search("words", principal=READER)
        assert "weaviate.url" in caught.value.hint
    assert time.monotonic() - began < 5
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Unavailable):
            await library.search("words", principal=READER)
    assert time.monotonic() - began < 1
    with pytest.raises(Unavailable):
        await library.ingest([Document(id="b", text="More.")], **PLACE)
    server.start()
    patience = time.monotonic() + 20
    found = None
    while found is None and time.monotonic() < patience:
        try:
            found = await library.search("words", principal=READER)
        except Unavailable:
            await asyncio.sleep(0.2)
    assert found and [hit.document_id for hit in found.hits] == ["a"]
    await library.ingest([Document(id="b", text="More.")], **PLACE)
    await library.close()


async def test_stale_results_are_served_while_the_server_is_away(
    start_weaviate: StartWeaviate, tmp_path: Path, embedder: HashEmbedder
) -> None:
    server = start_weaviate()
    store = WeaviateStore(section(server))
    cache = {"cache": {"place": "memory"}}
    library = library_on(store, tmp_path, embedder, retrieval=cache)
    await library.ingest([Document(id="a", text="Words.")], **PLACE)
    first = await library.search("words", principal=READER)
    server.kill()
    again = await library.search("words", principal=READER)
    assert again.hits == first.hits and again.stale_seconds is not None
    assert any("is away" in warning for warning in again.warnings)
    await library.close()


async def test_a_killed_server_keeps_every_vector(
    start_weaviate: StartWeaviate, tmp_path: Path, embedder: HashEmbedder
) -> None:
    """The server itself would lose the last batch's from its vector index; see `Change._kept`."""
    server = start_weaviate()
    store = WeaviateStore(section(server))
    library = library_on(store, tmp_path, embedder)
    ids = {f"d{n}" for n in range(60)}
    await library.ingest([Document(id=i, text=f"Words of {i}.") for i in ids], **PLACE)
    await library.close()
    server.kill()
    server.start()
    index = store.index("acme", "default")
    async with index.snapshot(scope()) as snapshot:
        near = await snapshot.dense(embedder.embed(["words"])[0], 100)
        found = await snapshot.candidates(list(near))
    assert {each.hit.document_id for each in found.values()} == ids
    await store.close()


# --- interrupted and rivalling changes -----------------------------------------------------------


async def test_what_a_crash_left_is_seen_by_nobody_and_taken_away(
    store: WeaviateStore, tmp_path: Path, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = library_on(store, tmp_path, embedder)
    await library.ingest([Document(id="a", text="One."), Document(id="b", text="Two.")], **PLACE)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt  # as a signal would end it: nothing is undone

    with monkeypatch.context() as patched:
        patched.setattr(places.Change, "publish", dies)
        index = store.index("acme", "default")
        with pytest.raises(KeyboardInterrupt):
            index.retire(["a"], run="r", reason="test")
        entry = next(iter(index.archive())).entry
        with pytest.raises(KeyboardInterrupt):
            index.commit([_changed(entry)], {}, embedder="", run="r")
    checked = await library.check(tenant="acme")
    assert checked.problems == () and "interrupted" in checked.notes[0]
    assert await ids_in(index, scope()) == {"a", "b"}
    await library.ingest([Document(id="c", text="Three.")], **PLACE)
    checked = await library.check(tenant="acme")
    assert (checked.problems, checked.notes) == ((), ())
    assert await ids_in(index, scope()) == {"a", "b", "c"}
    found = await library.document(document_id="a", **PLACE)
    assert found and (found.text, found.status, found.removed_in) == ("One.", "live", "")


def _changed(entry: Entry) -> Entry:
    return replace(entry, digest="0" * 64, record=replace(entry.record, version="9"))


async def test_another_machine_that_writes_at_once_is_noticed(
    store: WeaviateStore,
    tmp_path: Path,
    embedder: HashEmbedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = library_on(store, tmp_path, embedder)
    await library.ingest([Document(id="a", text="One.")], **PLACE)
    elsewhere = Leases(tmp_path / "elsewhere.lock")
    index = store.index("acme", "default")
    with pytest.raises(Unavailable, match="another machine"):
        with place_of(store).change():
            with monkeypatch.context() as patched:
                patched.setattr(places.Shared, "leases", property(lambda _: elsewhere))
                index.learn({"who": "the other"})
    assert index.learned()["who"] == "the other"
    await library.ingest([Document(id="b", text="Two.")], **PLACE)
    assert await ids_in(index, scope()) == {"a", "b"}


async def test_each_failed_object_is_sent_again_and_named(store: WeaviateStore) -> None:
    place = place_of(store)
    store.index("acme", "default").learn({})
    good = Row(id="00000000-0000-0000-0000-000000000001", values={"kind": "x", "order": 1})
    bad = Row(id="00000000-0000-0000-0000-000000000002", values={"kind": "x", "order": "no"})
    with pytest.raises(FairleadError, match=r"refused 1 of 2 objects .*000000000002") as caught:
        place.records.put([good, bad])
    assert not isinstance(caught.value, Unavailable)
    assert place.records.count(conditions(kind="x")) == 1


async def test_one_that_failed_by_chance_is_stored(
    store: WeaviateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.index("acme", "default").learn({})
    sent: list[int] = []
    inserted = Table._inserted

    def flaky(table: Table, rows: list[Row]) -> dict[str, str]:
        sent.append(len(rows))
        done = inserted(table, rows)
        return {rows[1].id: "by chance"} if len(rows) > 1 else done

    monkeypatch.setattr(Table, "_inserted", flaky)
    rows = [Row(id=f"00000000-0000-0000-0000-00000000000{n}", values={"kind": "x"}) for n in "123"]
    place_of(store).records.put(rows)
    assert sent == [3, 1]


# --- settings of the server ----------------------------------------------------------------------


async def test_the_server_sweeps(
    start_weaviate: StartWeaviate, tmp_path: Path, embedder: HashEmbedder
) -> None:
    server = start_weaviate(environment={"OBJECTS_TTL_DELETE_SCHEDULE": "@every 1s"})
    store = WeaviateStore(section(server, sweep=True))
    assert store.capabilities.server_side_expiry
    library = library_on(store, tmp_path, embedder)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    await library.ingest(
        [Document(id="a", text="Stays."), Document(id="b", text="Goes.", valid_until=soon)],
        **PLACE,
    )
    place = place_of(store)
    patience = time.monotonic() + 30
    while (left := len(list(place.chunks(1).every(_NOTHING)))) > 1:
        assert time.monotonic() < patience
        await asyncio.sleep(0.3)
    assert left == 1
    assert await ids_in(store.index("acme", "default"), scope()) == {"a"}
    assert (await library.check(tenant="acme")).problems == ()
    assert (await library.upkeep.expire(**PLACE)).documents == 1
    found = await library.document(document_id="b", **PLACE)
    assert found and (found.status, found.why) == ("erased", "expired")
    await library.close()


async def test_a_server_that_never_sweeps_is_found_out(weaviate: Weaviate) -> None:
    store = WeaviateStore(section(weaviate, sweep=True))
    with pytest.raises(SettingsError, match="never sweeps") as caught:
        await blocking(store.index("acme", "default").commit, [_entry()], {}, embedder="", run="r")
    assert "OBJECTS_TTL_DELETE_SCHEDULE" in caught.value.hint
    await store.close()


def _entry() -> Entry:
    return Entry(
        record=Record(id="a", source="s", origin="s", title="", text="Words."),
        digest="0" * 64,
        content=b"",
    )


async def test_classes_of_somebody_else_are_refused(weaviate: Weaviate) -> None:
    told = section(weaviate)
    store = WeaviateStore(told)
    store._shared.connection.call(
        lambda client: client.collections.create(f"{told.prefix}_records_default")
    )
    with pytest.raises(SettingsError, match="not made by this"):
        store.index("acme", "default").learn({"a": "b"})
    await store.close()


async def test_keys(start_weaviate: StartWeaviate, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start_weaviate(
        environment={
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
            "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": "open-sesame",
            "AUTHENTICATION_APIKEY_USERS": "tester",
        }
    )
    told = section(server, api_key=Secret(env="A_WEAVIATE_KEY"))
    store = WeaviateStore(told)
    index = store.index("acme", "default")
    with pytest.raises(SettingsError, match="A_WEAVIATE_KEY"):
        index.learn({"a": "b"})
    monkeypatch.setenv("A_WEAVIATE_KEY", "wrong")
    with pytest.raises(SettingsError, match="refuses"):
        index.learn({"a": "b"})
    monkeypatch.setenv("A_WEAVIATE_KEY", "open-sesame")
    await store.close()
    index.learn({"a": "b"})
    assert index.learned() == {"a": "b"}
    await store.close()


async def test_a_typing_error_makes_no_tenant(store: WeaviateStore, tmp_path: Path) -> None:
    library = library_on(store, tmp_path, HashEmbedder())
    await library.ingest([Document(text="Words.")], **PLACE)
    assert await ids_in(store.index("acmee", "default"), scope("acmee")) == set()
    assert [t for _, t in store._shared.schema.collections()] == [["acme"]]


async def test_the_alias_leads_to_the_present_build(
    store: WeaviateStore, tmp_path: Path, embedder: HashEmbedder
) -> None:
    library = library_on(store, tmp_path, embedder)
    await library.ingest([Document(text="Words.")], **PLACE)
    prefix_ = store._shared.section.prefix

    def target(client: Any) -> str:
        return str(client.alias.get(alias_name=f"{prefix_}_live_default_of_acme").collection)

    call = store._shared.connection.call
    assert call(target) == f"{prefix_}_chunks1_default"
    await library_on(store, tmp_path, HashEmbedder("other/64")).upkeep.rebuild(**PLACE)
    assert call(target) == f"{prefix_}_chunks2_default"


# --- on the wire ---------------------------------------------------------------------------------


@contextmanager
def listening(server: Weaviate, seen: list[tuple[str, dict[str, str]]]) -> Iterator[int]:
    """A gRPC proxy that notes methods and metadata; its port."""

    class Forward(grpc.GenericRpcHandler):  # type: ignore[misc] # untyped
        def service(self, call: Any) -> Any:
            def answered(request: bytes, context: Any) -> bytes:
                method = call.method
                seen.append((method, dict(context.invocation_metadata())))
                sent: bytes = channel.unary_unary(method)(request)
                return sent

            return grpc.unary_unary_rpc_method_handler(answered)

    with grpc.insecure_channel(f"{LOOPBACK}:{server.ports.grpc}") as channel:
        proxy = grpc.server(ThreadPoolExecutor(8), handlers=[Forward()])
        port = proxy.add_insecure_port(f"{LOOPBACK}:0")
        proxy.start()
        try:
            yield port
        finally:
            proxy.stop(None).wait()


async def test_the_current_span_goes_with_each_request(
    weaviate: Weaviate, tmp_path: Path, embedder: HashEmbedder
) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    tracer = TracerProvider().get_tracer("test")
    with listening(weaviate, seen) as port:
        store = WeaviateStore(section(weaviate, grpc_port=port))
        library = library_on(store, tmp_path, embedder)
        with tracer.start_as_current_span("asked") as span:
            await library.ingest([Document(text="Words.")], **PLACE)
            await library.search("words", principal=READER)
            number = f"{span.get_span_context().trace_id:032x}"
        assert trace.get_current_span().get_span_context().trace_id == 0
        await store.close()
    asked = {method.rpartition("/")[2] for method, _ in seen}
    assert {"Search", "BatchObjects", "Aggregate"} <= asked
    ours = [data for method, data in seen if "weaviate.v1" in method]
    assert all(number in data["traceparent"] for data in ours)
