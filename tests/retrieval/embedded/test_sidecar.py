"""A frame in a file: read back as it was, or left aside."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.retrieval.embedded import EmbeddedStore, sidecar
from fairlead.retrieval.embedded.database import CollectionFile, head_of
from fairlead.retrieval.embedded.frame import Frame, Head, loaded, refreshed
from fairlead.schema import Document, Principal

READER = Principal(tenant="acme", groups=("staff",))
TEXTS = (
    "Goods may be returned within 30 days.",
    "Parcels reach Norway in 4 to 7 days.",
    "The telephone is answered from eight to six.",
)


async def stored(folder: Path, embedder: Embedder, texts: Sequence[str] = TEXTS) -> None:
    library = Library(folder, embedder)
    documents = [
        Document(id=f"d{n}", text=text, acl=("staff",) if n == 1 else ())
        for n, text in enumerate(texts)
    ]
    await library.ingest(documents, tenant="acme")
    await library.close()


def file_in(folder: Path) -> CollectionFile:
    return CollectionFile(folder / "acme" / "default.db", "acme", "default")


def frame_in(folder: Path) -> tuple[Frame, Head]:
    file = file_in(folder)
    with file.reading() as connection:
        assert connection is not None
        head = head_of(connection)
        frame = loaded(connection, head)
    file.close()
    return frame, head


@pytest.fixture
async def saved(tmp_path: Path, embedder: Embedder) -> tuple[Path, Frame, Head]:
    await stored(tmp_path, embedder)
    frame, head = frame_in(tmp_path)
    path = sidecar.sidecar_path(tmp_path / "acme" / "default.db")
    sidecar.save(frame, path, head.kept)
    return path, frame, head


Saved = tuple[Path, Frame, Head]


def written(frame: Frame, folder: Path) -> bytes:
    """The frame as bytes: frames that are equal are written equal."""
    path = folder / "written"
    sidecar.save(frame, path, "")
    return path.read_bytes()


def test_a_frame_is_read_back(saved: Saved, tmp_path: Path) -> None:
    path, frame, head = saved
    found = sidecar.opened(path, head)
    assert found is not None
    assert written(found, tmp_path) == written(frame, tmp_path) == path.read_bytes()
    assert found.documents.acls == (frozenset(), frozenset({"staff"}))
    assert [one.name for one in path.parent.iterdir() if ".frame." in one.name] == []


def test_no_text_is_kept(saved: Saved) -> None:
    data = saved[0].read_bytes().lower()
    assert not any(word.lower().encode() in data for word in ("Norway", "telephone", "Goods"))


def test_any_damaged_bit_is_noticed(saved: Saved) -> None:
    path, _, head = saved
    whole = path.read_bytes()
    places = random.Random(1).sample(range(len(whole)), 300)
    for at in (*range(200), *places, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        assert sidecar.opened(path, head) is None, at
    path.write_bytes(whole)
    assert sidecar.opened(path, head) is not None


def test_a_file_that_is_cut_off_or_longer_is_left_aside(saved: Saved) -> None:
    path, _, head = saved
    whole = path.read_bytes()
    for size in (0, 1, 16, 17, 21, 25, 40, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert sidecar.opened(path, head) is None, size
    path.write_bytes(whole + b"\0")
    assert sidecar.opened(path, head) is None
    path.write_bytes(b"fairlead-frame-2\n" + whole[17:])
    assert sidecar.opened(path, head) is None


def test_one_of_another_state_is_left_aside(saved: Saved) -> None:
    path, frame, head = saved
    for other in (
        replace(head, epoch=head.epoch + 1),
        replace(head, build=head.build + 1),
        replace(head, embedder="other/1"),
        replace(head, generation=frame.generation - 1),
        replace(head, kept="another"),
    ):
        assert sidecar.opened(path, other) is None
    assert sidecar.opened(path, replace(head, generation=head.generation + 1)) is not None
    sidecar.remove(path)
    sidecar.remove(path)
    assert sidecar.opened(path, head) is None


async def test_an_earlier_one_is_brought_up_to_date(
    saved: Saved, tmp_path: Path, embedder: Embedder
) -> None:
    path, *_ = saved
    await stored(tmp_path, embedder, [*TEXTS[:2], "The telephone is off.", "Gift cards last."])
    file = file_in(tmp_path)
    with file.reading() as connection:
        assert connection is not None
        head = head_of(connection)
        held = sidecar.opened(path, head)
        assert held is not None
        assert held.generation < head.generation
        found = refreshed(connection, held, head)
    file.close()
    assert len(found.chunks) == 5
    assert found.matrix.rows.tolist() == frame_in(tmp_path)[0].matrix.rows.tolist()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of any size are kept."""
    monkeypatch.setattr(sidecar, "WORTHWHILE", 1)


@pytest.mark.usefixtures("always")
async def test_a_damaged_one_never_changes_an_answer(tmp_path: Path, embedder: Embedder) -> None:
    await stored(tmp_path, embedder)
    file = file_in(tmp_path)
    file.keep()
    file.close()
    path = sidecar.sidecar_path(file.path)
    whole = path.read_bytes()

    async def answer() -> object:
        library = Library(tmp_path, embedder)
        found = await library.search("When do parcels reach Norway?", principal=READER)
        await library.close()
        return found.hits

    wanted = await answer()
    for at in range(60, len(whole), len(whole) // 40):
        path.write_bytes(whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :])
        assert await answer() == wanted
    path.unlink()
    assert await answer() == wanted


async def test_it_is_written_anew_when_much_changed(
    saved: Saved, tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frame, _ = saved
    assert not sidecar.due(path, frame, "")
    monkeypatch.setattr(sidecar, "WORTHWHILE", 1)
    assert not sidecar.due(path, frame, "")
    assert sidecar.due(path, frame, "another")
    assert sidecar.due(path, replace(frame, key=(9, "", 9)), "")
    monkeypatch.undo()
    await stored(tmp_path, embedder, [*TEXTS, "One more of them."])
    monkeypatch.setattr(sidecar, "WORTHWHILE", 1)
    assert sidecar.due(path, frame_in(tmp_path)[0], "")
    for damaged in (b"", b"fairlead", path.read_bytes()[:60]):
        path.write_bytes(damaged)
        assert sidecar.due(path, frame, "")
    sidecar.remove(path)
    assert sidecar.due(path, frame, "")


async def test_a_small_collection_is_not_kept(tmp_path: Path, embedder: Embedder) -> None:
    await stored(tmp_path, embedder)
    file = file_in(tmp_path)
    sidecar.remove(sidecar.sidecar_path(file.path))
    file.keep()
    file.close()
    assert not sidecar.sidecar_path(file.path).exists()


@pytest.mark.usefixtures("always")
async def test_a_database_put_back_is_not_read_with_a_later_frame(
    tmp_path: Path, embedder: Embedder
) -> None:
    await stored(tmp_path, embedder)
    path = tmp_path / "acme" / "default.db"
    backup = path.read_bytes()
    await stored(tmp_path, embedder, ["Quite another text of today.", *TEXTS[1:], "And one more."])
    assert sidecar.sidecar_path(path).exists()
    path.write_bytes(backup)
    store = EmbeddedStore(tmp_path)
    for n in range(9):  # until it has seen more changes than the other had
        store.index("acme", "default").learn({"n": str(n)})
    library = Library(tmp_path, embedder, store=store)
    found = await library.search("goods", principal=READER, mode="sparse")
    assert [hit.text for hit in found.hits] == [TEXTS[0]]
    await library.close()


@pytest.mark.usefixtures("always")
async def test_an_erasure_deletes_it(tmp_path: Path, embedder: Embedder) -> None:
    await stored(tmp_path, embedder)
    file = file_in(tmp_path)
    file.keep()
    file.close()
    path = sidecar.sidecar_path(file.path)
    before = path.read_bytes()
    library = Library(tmp_path, embedder)
    await library.upkeep.delete(["d1"], tenant="acme", collection="default")
    assert not path.exists()
    await library.close()
    head = frame_in(tmp_path)[1]
    path.write_bytes(before)
    assert sidecar.opened(path, head) is None  # nor is a copy of it believed
