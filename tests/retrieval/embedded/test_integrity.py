"""What a check says of a file in which something was changed behind the library's back."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from fairlead.errors import SettingsError
from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.schema import Document

PLACE = {"tenant": "acme", "collection": "default"}
TEXTS = {
    "a": "# Returns\n\nGoods may be returned within 30 days.",
    "b": "Parcels reach Norway in 4 to 7 days.",
    "c": "The telephone is answered from eight to six.",
}
LIVE = "(SELECT row FROM document WHERE id = 'a')"


@pytest.fixture
async def kept(tmp_path: Path, embedder: Embedder) -> AsyncIterator[Library]:
    """Three documents, one of which was erased; one text of another version."""
    library = Library(tmp_path / "knowledge", embedder)
    documents = [
        Document(id=name, text=text, metadata={"year": 2024}) for name, text in TEXTS.items()
    ]
    await library.ingest(documents, tenant="acme")
    await library.ingest([Document(id="b", text="Parcels reach Norway soon.")], tenant="acme")
    await library.upkeep.delete(["c"], **PLACE)
    yield library
    await library.close()


def damage(folder: Path, *statements: str) -> None:
    path = folder / "knowledge" / "acme" / "default.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, "nothing was damaged"


async def test_a_sound_file(kept: Library) -> None:
    found = await kept.check(**PLACE)
    assert (found.ok, found.problems, found.notes) == (True, (), ())
    assert (found.documents, found.chunks, found.vectors) == (2, 2, 2)
    assert found.index_version == "00000003"


DAMAGES = {
    "a document without chunks": (
        f"DELETE FROM chunk WHERE document = {LIVE}",
        "1 documents that are not erased have no chunk",
    ),
    "text left of what was erased": (
        "UPDATE document SET text = x'010203' WHERE erased <> ''",
        "1 erased documents have chunks, fields or text left",
    ),
    "fields left of what was erased": (
        "INSERT INTO field (document, name) SELECT row, 'year' FROM document WHERE erased <> ''",
        "1 erased documents have chunks, fields or text left",
    ),
    "an erased document that is live": (
        "UPDATE document SET removed_in = NULL WHERE erased <> ''",
        "1 erased documents have chunks, fields or text left",
    ),
    "chunks of no document": (
        "UPDATE chunk SET document = 99 WHERE document = " + LIVE,
        "chunks have no document",
    ),
    "two chunks in one place": (
        "INSERT INTO chunk SELECT row + 100, id, document, build, ordinal, kind, start, stop,"
        " read_start, read_stop, headings, lead, carried, body, digest, embedded, titled, tokens,"
        f" terms FROM chunk WHERE document = {LIVE}",
        "1 chunks have the place of another chunk",
    ),
    "vectors of two lengths": (
        "UPDATE vector SET data = x'0102' WHERE row = 1",
        "1 embedders have vectors of several lengths",
    ),
    "a vector of no chunk": (
        "UPDATE vector SET embedded = x'00' WHERE row = 1",
        "1 vectors belong to no chunk",
    ),
    "a version that is gone": (
        "DELETE FROM version WHERE number = 1",
        "documents belong to an index version that does not exist",
    ),
    "a wrong count": (
        "UPDATE version SET documents = 7 WHERE number = 3",
        "1 newest versions miscount their documents",
    ),
    "another text in a chunk": (
        f"UPDATE chunk SET body = 'Goods are kept.' WHERE document = {LIVE}",
        "1 chunks differ from their document's text",
    ),
    "another place of a chunk": (
        f"UPDATE chunk SET start = start + 1 WHERE document = {LIVE}",
        "1 chunks differ from their document's text",
    ),
    "words that are gone": (
        "DELETE FROM term WHERE stem LIKE 'parcel%'",
        "1 words of the lexical index are unknown",
    ),
    "fields of no document": (
        "UPDATE field SET document = 99 WHERE document = " + LIVE,
        "5 rows of 'field' refer to nothing",
    ),
    "a text that cannot be read": (
        f"UPDATE document SET text = x'0102030405' WHERE row = {LIVE}",
        "1 documents have a text that cannot be read",
    ),
    "a text that was exchanged": (
        f"UPDATE document SET text = (SELECT text FROM document WHERE id = 'b') WHERE row = {LIVE}",
        "1 documents have a text of another hash",
    ),
    "a list of words that is cut off": (
        f"UPDATE chunk SET terms = substr(terms, 1, 7) WHERE document = {LIVE}",
        "1 chunks have a damaged list of words",
    ),
    "a chunk that is read beyond the text": (
        f"UPDATE chunk SET read_stop = 10000 WHERE document = {LIVE}",
        "1 chunks are read from outside their document's text",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damage_is_found(kept: Library, tmp_path: Path, name: str) -> None:
    statement, problem = DAMAGES[name]
    damage(tmp_path, statement)
    found = await kept.check(**PLACE)
    assert not found.ok
    assert any(problem in said for said in found.problems), found.problems


async def said_of(folder: Path, database: bytes) -> tuple[str, ...]:
    """The problems of a file with these bytes, or the error that it gives."""
    (folder / "acme").mkdir(parents=True)
    (folder / "acme" / "default.db").write_bytes(database)
    library = Library(folder, None)
    try:
        return (await library.check(**PLACE)).problems
    except SettingsError as error:
        return (str(error),)
    finally:
        await library.close()


async def test_every_broken_page_is_said(kept: Library, tmp_path: Path) -> None:
    await kept.close()
    damage(tmp_path, f"VACUUM INTO '{tmp_path / 'whole'}'")
    whole, size = (tmp_path / "whole").read_bytes(), 4096
    assert await said_of(tmp_path / "sound", whole) == ()
    for start in range(size, len(whole), size):
        zeros = whole[:start] + bytes(size) + whole[start + size :]
        assert await said_of(tmp_path / f"page{start}", zeros), start


async def test_an_index_that_lacks_a_row_is_said(kept: Library, tmp_path: Path) -> None:
    await kept.close()
    damage(tmp_path, f"VACUUM INTO '{tmp_path / 'whole'}'")
    with closing(sqlite3.connect(tmp_path / "whole")) as connection:
        ((chunk,),) = connection.execute(f"SELECT id FROM chunk WHERE document = {LIVE}")
    before, found, after = (tmp_path / "whole").read_bytes().rpartition(chunk.encode())
    problems = await said_of(tmp_path / "other", before + bytes(reversed(found)) + after)
    assert any("index chunk_id" in problem for problem in problems)


async def test_a_file_of_other_bytes_is_said(kept: Library, tmp_path: Path) -> None:
    await kept.close()
    path = tmp_path / "knowledge" / "acme" / "default.db"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(SettingsError, match=r"default\.db"):
        await kept.check(**PLACE)


async def test_what_is_not_wrong_is_a_note(kept: Library, tmp_path: Path) -> None:
    damage(
        tmp_path,
        "DELETE FROM vector WHERE row = 1",
        "INSERT INTO state VALUES ('building', '2')",
    )
    found = await kept.check(**PLACE)
    assert found.ok
    assert found.notes == (
        "1 of 2 chunks have no vector yet",
        "a rebuild was begun and is not finished",
    )
