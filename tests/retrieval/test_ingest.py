import io
import json
import os
import shutil
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlead.errors import InputError, SettingsError, Unavailable
from fairlead.reports import IngestReport
from fairlead.retrieval import Library
from fairlead.retrieval.embedded import EmbeddedStore
from fairlead.schema import Document, Principal

READER = Principal(tenant="acme")


async def sources_of(library: Library, query: str, k: int = 8) -> list[str]:
    return [hit.source for hit in (await library.search(query, principal=READER, k=k)).hits]


def reasons(report: IngestReport) -> dict[str, str]:
    return {each["source"]: each["reason"] for each in report.rejects}


async def test_files_become_searchable_documents(library: Library, docs: Path) -> None:
    report = await library.ingest([docs], tenant="acme")
    assert report.documents == {
        "added": 4, "changed": 0, "unchanged": 0, "deleted": 0, "rejected": 0
    }  # fmt: skip
    assert report.index_version == "00000001"
    assert report.chunks == {"added": 5, "kept": 0, "removed": 0}
    assert report.vectors == {"added": 5, "kept": 0, "pending": 0}
    hit = (await library.search("How long may goods be returned?", principal=READER)).hits[0]
    assert (hit.source, hit.title, hit.headings) == (
        "docs/policies/returns.md",
        "Returns",
        ("Returns",),
    )
    assert hit.metadata == {"date": "2026-03-01", "country": "DE", "year": 2026}
    assert hit.published_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert hit.rank == 1 and 0 < hit.score <= 1
    stored = (docs / "policies" / "returns.md").read_text(encoding="utf-8")
    assert hit.text == stored[hit.start : hit.end]


async def test_text_is_stored_verbatim(library: Library, tmp_path: Path) -> None:
    data = "\ufeff# Ein\r\n\r\nZeile\u2028🙂 zwei\r\n".encode()
    (tmp_path / "a.md").write_bytes(data)
    await library.ingest([tmp_path / "a.md"], tenant="acme")
    hit = (await library.search("Zeile", principal=READER)).hits[0]
    place = {"tenant": "acme", "collection": "default"}
    named = {"document_id": hit.document_id, "version": hit.version}
    whole = await library.document(**place, document_id=hit.document_id)
    assert whole is not None and whole.text == data.decode("utf-8-sig")
    assert await library.text(**place, **named, start=hit.start, end=hit.end) == hit.text


async def test_nothing_is_read_twice(library: Library, docs: Path, embedder: object) -> None:
    await library.ingest([docs], tenant="acme")
    embedder.texts.clear()  # type: ignore[attr-defined]  # the fixture's own embedder
    again = await library.ingest([docs], tenant="acme")
    assert again.documents["unchanged"] == 4 and again.index_version == "00000001"
    assert again.chunks == {"added": 0, "kept": 5, "removed": 0}
    assert again.vectors == {"added": 0, "kept": 5, "pending": 0}
    assert embedder.texts == []  # type: ignore[attr-defined]


async def test_a_change_costs_only_its_own_chunk(
    library: Library, docs: Path, embedder: object
) -> None:
    await library.ingest([docs], tenant="acme")
    before = (await library.search("goods returned", principal=READER)).hits[0]
    path = docs / "policies" / "returns.md"
    path.write_text(path.read_text(encoding="utf-8").replace("4.90", "5.90"), encoding="utf-8")
    embedder.texts.clear()  # type: ignore[attr-defined]
    report = await library.ingest([docs], tenant="acme")
    assert report.documents["changed"] == 1 and report.index_version == "00000002"
    assert report.chunks == {"added": 1, "kept": 4, "removed": 1}
    assert report.vectors == {"added": 1, "kept": 4, "pending": 0}
    assert sum("5.90" in text for text in embedder.texts) >= 1  # type: ignore[attr-defined]
    after = (await library.search("goods returned", principal=READER)).hits[0]
    assert before.document_id == after.document_id and before.version != after.version
    old = await library.text(
        tenant="acme",
        collection="default",
        document_id=before.document_id,
        version=before.version,
        start=0,
        end=10_000,
    )
    assert old is not None and "4.90" in old


async def test_prune_removes_what_vanished_and_nothing_else(
    plain: Library, docs: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.md").write_text("Parcels elsewhere.", encoding="utf-8")
    await plain.ingest([docs, other, Document(text="Parcels by value", id="v")], tenant="acme")
    (docs / "shipping.txt").unlink()
    (other / "x.md").unlink()
    report = await plain.ingest([docs], tenant="acme")
    assert report.documents["deleted"] == 0
    report = await plain.ingest([docs], tenant="acme", prune=True)
    assert report.documents["deleted"] == 1 and report.index_version == "00000002"
    assert set(await sources_of(plain, "parcels")) == {"other/x.md", "v"}
    assert (await plain.check(tenant="acme")).ok


async def test_prune_spares_what_could_not_be_read(plain: Library, docs: Path) -> None:
    await plain.ingest([docs], tenant="acme")
    (docs / "shipping.txt").write_bytes(b"\x00\x01")
    (docs / "notes.jsonl").write_text('{"id": "n1"\n', encoding="utf-8")
    report = await plain.ingest([docs], tenant="acme", prune=True)
    assert report.documents["deleted"] == 0 and report.documents["rejected"] == 2
    assert await sources_of(plain, "parcels Norway") == ["docs/shipping.txt"]


async def test_ids_and_sources_do_not_depend_on_the_place(
    plain: Library, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plain.ingest([docs], tenant="acme")
    copied = tmp_path / "elsewhere" / "docs"
    shutil.copytree(docs, copied)
    monkeypatch.chdir(copied)
    assert (await plain.ingest(["."], tenant="acme")).documents["unchanged"] == 4
    renamed = await plain.ingest([copied], tenant="acme", as_name="manual")
    assert renamed.documents["added"] == 2 and renamed.documents["changed"] == 2
    manual = {"source": "manual/shipping.txt"}
    assert (await plain.search("Norway", principal=READER, filters=manual)).hits


async def test_json_lines(plain: Library, tmp_path: Path) -> None:
    lines = [
        {
            "id": "a",
            "text": "One apple.",
            "title": "Fruit",
            "published_at": "2026-01-02",
            "colour": 1,
        },
        {"id": 7, "text": "Two pears.", "source": "Orchard", "language": "en", "version": "3"},
        "broken",
        {"id": "b", "text": " "},
        {"text": "no id"},
        {"id": "a", "text": "another"},
        {"id": "c", "text": "x", "published_at": "soon"},
        {"id": "d", "text": "half \ud800"},
        {"id": "e", "text": "nul \0"},
        {"id": "f", "text": "y", "acl": "staff"},
        ["no", "object"],
    ]
    text = "\n".join("{" if line == "broken" else json.dumps(line) for line in lines)
    (tmp_path / "f.jsonl").write_text(text + "\n\n", encoding="utf-8")
    report = await plain.ingest([tmp_path / "f.jsonl"], tenant="acme")
    assert report.documents["added"] == 2 and report.documents["rejected"] == 9
    assert list(reasons(report)) == [f"f.jsonl#L{n}" for n in range(3, 12)]
    assert "malformed JSON" in reasons(report)["f.jsonl#L3"]
    assert "lone surrogate" in reasons(report)["f.jsonl#L8"]
    assert report.warnings == ("'f.jsonl': unknown keys 'colour' went into metadata",)
    apple = (await plain.search("apple", principal=READER)).hits[0]
    assert (apple.document_id, apple.source, apple.metadata) == ("a", "f.jsonl#L1", {"colour": 1})
    pear = (await plain.search("pears", principal=READER)).hits[0]
    assert (pear.document_id, pear.source, pear.version) == ("7", "Orchard", "3")


async def test_json_file_and_stdin(
    plain: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.json").write_text('{"id": "1", "text": "single"}', encoding="utf-8")
    (tmp_path / "many.json").write_text('[{"id": "2", "text": "first"}, 5]', encoding="utf-8")
    report = await plain.ingest([tmp_path / "one.json", tmp_path / "many.json"], tenant="acme")
    assert report.documents["added"] == 2 and list(reasons(report)) == ["many.json#2"]
    piped = io.TextIOWrapper(io.BytesIO(b'{"id": "3", "text": "piped"}\n'))
    monkeypatch.setattr(sys, "stdin", piped)
    assert (await plain.ingest(["-"], tenant="acme")).documents["added"] == 1
    assert await sources_of(plain, "piped") == ["stdin#L1"]


async def test_a_brought_version_never_names_two_texts(plain: Library) -> None:
    for text in ("first text", "second text"):
        await plain.ingest([Document(id="d", text=text, version="1")], tenant="acme")
    hit = (await plain.search("text", principal=READER)).hits[0]
    assert hit.version.startswith("1+")
    place = {"tenant": "acme", "collection": "default", "document_id": "d"}
    first = await plain.document(**place, version="1")
    second = await plain.document(**place, version=hit.version)
    assert first is not None and (first.text, first.status) == ("first text", "superseded")
    assert second is not None and (second.text, second.status) == ("second text", "live")


async def test_rejects_say_why(plain: Library, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "x.md").write_text("hidden", encoding="utf-8")
    (folder / "good.md").write_text("good", encoding="utf-8")
    (folder / "empty.md").write_text(" \n", encoding="utf-8")
    (folder / "bare.md").write_text("---\ntitle: x\n---\n", encoding="utf-8")
    (folder / "binary.txt").write_bytes(b"a\0b")
    (folder / "latin.txt").write_bytes("Größe".encode("latin-1"))
    (folder / "page.html").write_text("<p hidden>x", encoding="utf-8")
    (folder / "image.png").write_bytes(b"png")
    (folder / "far.md").symlink_to(tmp_path / "secret.md")
    os.mkfifo(folder / "pipe.md")
    (tmp_path / "secret.md").write_text("secret", encoding="utf-8")
    missing, image = tmp_path / "none", folder / "image.png"
    given: list[str | Path | Document] = [folder, missing, image, "http://10.0.0.1/a"]
    report = await plain.ingest(given, tenant="acme")
    assert report.documents["added"] == 1
    why = reasons(report)
    assert why["mixed/empty.md"] == "is empty"
    assert why["mixed/bare.md"] == "has no text below its front matter"
    assert "NUL" in why["mixed/binary.txt"] and "UTF-8" in why["mixed/latin.txt"]
    assert why["mixed/page.html"] == "has no visible text"
    assert "outside" in why["mixed/far.md"] and "regular" in why["mixed/pipe.md"]
    assert "no such" in why[str(missing)] and "unknown type" in why["image.png"]
    assert "which is not public" in why["http://10.0.0.1/a"]
    assert "mixed/.git/x.md" not in why and "mixed/image.png" not in why


async def test_nothing_good_changes_nothing(plain: Library, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    bad: tuple[list[str | Path | Document], ...] = (
        [tmp_path / "void"],
        [tmp_path / "absent.md"],
        [],
        [""],
        ["/"],
        ["~nobody-of-this-name/x"],
        [Document(text=" ")],
        [Document(text="x", metadata={"deep": float("inf")})],
    )
    for given in bad:
        with pytest.raises(InputError, match="no document could be stored"):
            await plain.ingest(given, tenant="acme", prune=True)
    assert not (tmp_path / "knowledge").exists()


async def test_loops_of_links_end(plain: Library, tmp_path: Path) -> None:
    folder = tmp_path / "loop"
    folder.mkdir()
    (folder / "a.md").write_text("reached", encoding="utf-8")
    (folder / "again").symlink_to(folder)
    (folder / "self.md").symlink_to(folder / "self.md")
    (folder / "inside.md").symlink_to(folder / "a.md")
    report = await plain.ingest([folder], tenant="acme")
    assert report.documents["added"] == 2 and list(reasons(report)) == ["loop/self.md"]


async def test_unreadable_folders_are_said_and_spared(
    plain: Library, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plain.ingest([docs], tenant="acme")
    real = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("policies"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    report = await plain.ingest([docs], tenant="acme", prune=True)
    assert "Permission denied" in reasons(report)["docs/policies"]
    assert report.documents["deleted"] == 0


async def test_two_files_under_one_source_are_refused(plain: Library, tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name / "docs").mkdir(parents=True)
        (tmp_path / name / "docs" / "a.md").write_text(f"Text of {name}.", encoding="utf-8")
    both = [tmp_path / "x" / "docs", tmp_path / "y" / "docs"]
    report = await plain.ingest(both, tenant="acme")
    assert "another file has this source" in reasons(report)["docs/a.md"]
    assert (await plain.search("text", principal=READER)).hits[0].text == "Text of x."
    same = await plain.ingest([both[0], both[0] / "a.md"], tenant="acme")
    assert same.documents["rejected"] == 0
    with pytest.raises(InputError, match="cannot call 2 sources"):
        await plain.ingest(both, tenant="acme", as_name="docs")


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "a" * 65, "a\n"])
async def test_names_are_checked_before_any_path(plain: Library, name: str, tmp_path: Path) -> None:
    document = [Document(text="x")]
    with pytest.raises(InputError):
        await plain.ingest(document, tenant=name)
    with pytest.raises(InputError):
        await plain.ingest(document, tenant="acme", collection=name)
    assert not (tmp_path / "knowledge").exists()


async def test_bad_options(plain: Library) -> None:
    with pytest.raises(InputError, match="chunker"):
        await plain.ingest([Document(text="x")], tenant="acme", chunker="semantic")
    with pytest.raises(InputError, match="no date"):
        await plain.ingest([Document(text="x")], tenant="acme", expires="tomorrow")


# --- vectors -------------------------------------------------------------------------------------


async def test_a_newer_file_is_left_alone(plain: Library, docs: Path, tmp_path: Path) -> None:
    await plain.ingest([docs], tenant="acme")
    await plain.close()
    path = tmp_path / "knowledge" / "acme" / "default.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = path.read_bytes()
    for attempt in (plain.ingest([docs], tenant="acme"), plain.search("x", principal=READER)):
        with pytest.raises(SettingsError, match="schema version 99"):
            await attempt
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database(plain: Library, docs: Path, tmp_path: Path) -> None:
    path = tmp_path / "knowledge" / "acme" / "default.db"
    path.parent.mkdir(parents=True)
    path.write_text("no database, but long enough to be read as one " * 40, encoding="utf-8")
    with pytest.raises(SettingsError, match="not a Fairlead database"):
        await plain.ingest([docs], tenant="acme")


async def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "knowledge")
    library = Library(tmp_path / "knowledge", None, store=store)
    await library.ingest([Document(text="kept", id="k")], tenant="acme")
    with store.index("acme", "default")._file.writing() as change:
        pages = change.connection.execute("PRAGMA page_count").fetchone()[0]
        connection = change.connection
    connection.execute(f"PRAGMA max_page_count={pages + 2}")
    big = Document(text="word " * 200_000, id="big")
    with pytest.raises(Unavailable, match="no space left"):
        await library.ingest([big], tenant="acme")
    connection.execute("PRAGMA max_page_count=1000000")
    found = await library.check(tenant="acme")
    assert found.ok and found.documents == 1
    await library.close()


async def test_an_erased_tenant_is_gone_at_once(plain: Library, docs: Path, tmp_path: Path) -> None:
    await plain.ingest([docs], tenant="acme")
    assert await sources_of(plain, "parcels")
    shutil.rmtree(tmp_path / "knowledge" / "acme")
    assert await sources_of(plain, "parcels") == []
    assert (await plain.ingest([docs], tenant="acme")).documents["added"] == 4
    assert await sources_of(plain, "parcels")
