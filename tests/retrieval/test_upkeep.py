"""Quarantine, erasing and copying where something is in the way."""

from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InputError, NotFound
from fairlead.protocols import Embedder
from fairlead.retrieval import Library
from fairlead.schema import Document, Principal
from fairlead.settings import Settings

READER = Principal(tenant="acme")
PLACE: dict[str, Any] = {"tenant": "acme", "collection": "default"}
SECRET = "ghp_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA2bC5"
TEXT = f"The token for the returns desk is {SECRET}, keep it."


def opened(folder: Path, embedder: Embedder | None = None, **sections: Any) -> Library:
    return Library(folder / "knowledge", embedder, Settings.model_validate(sections))


async def held_in(library: Library, *texts: str) -> list[str]:
    """Ids in quarantine after an ingest that kept all of the texts out."""
    documents = [Document(id=f"d{n}", text=text) for n, text in enumerate(texts)]
    with pytest.raises(InputError, match="quarantined"):
        await library.ingest(documents, tenant="acme")
    return [one.id for one in await library.upkeep.quarantine(**PLACE)]


async def actions(library: Library) -> list[str]:
    return [row.action for row in await library.upkeep.audit(**PLACE)]


async def test_a_released_document_is_found_and_stays(tmp_path: Path, embedder: Embedder) -> None:
    library = opened(tmp_path, embedder)
    (held,) = await held_in(library, TEXT)
    change = await library.upkeep.release(held, **PLACE, actor="ann")
    assert (change.documents, change.index_version) == (1, "00000001")
    assert [hit.document_id for hit in (await _found(library)).hits] == ["d0"]
    report = await library.ingest([Document(id="d0", text=TEXT)], tenant="acme")
    assert report.documents["unchanged"] == 1
    (row,) = [row for row in await library.upkeep.audit(**PLACE) if row.action == "release"]
    assert (row.actor, row.target, row.detail) == ("ann", "d0", {"gate": "secrets"})
    await library.close()


async def _found(library: Library) -> Any:
    return await library.search("token of the returns desk", principal=READER)


async def test_another_gate_keeps_a_released_document_out(tmp_path: Path) -> None:
    library = opened(tmp_path)
    (held,) = await held_in(library, TEXT)
    await library.close()
    strict = opened(tmp_path, collections={"default": {"max_chars": 10}})
    with pytest.raises(InputError, match="stays in quarantine: quarantined by size"):
        await strict.upkeep.release(held, **PLACE)
    assert (await _found(strict)).hits == ()
    assert [one.gate for one in await strict.upkeep.quarantine(**PLACE)] == ["secrets,size"]
    assert "release" not in await actions(strict)
    await strict.close()


async def test_two_gates_are_overruled_one_after_the_other(tmp_path: Path) -> None:
    library = opened(tmp_path, guard={"pii": "block"})
    (held,) = await held_in(library, f"{TEXT} Or write to jane.roe@acme.com.")
    with pytest.raises(InputError, match="quarantined by pii"):
        await library.upkeep.release(held, **PLACE)
    (again,) = await library.upkeep.quarantine(**PLACE)
    change = await library.upkeep.release(again.id, **PLACE)
    assert change.documents == 1
    await library.close()


async def test_a_duplicate_is_released_beside_its_twin(tmp_path: Path) -> None:
    library = opened(tmp_path, guard={"duplicates": "block"})
    await library.ingest([Document(id="a", text="Goods may be returned.")], tenant="acme")
    (held,) = await held_in(library, "Goods may be returned.")
    await library.upkeep.release(held, **PLACE)
    assert (await library.collections("acme"))[0].documents == 2
    await library.close()


async def test_dropping(tmp_path: Path) -> None:
    library = opened(tmp_path)
    first, second = await held_in(library, TEXT, TEXT + " Always.")
    with pytest.raises(NotFound, match="'nothing'"):
        await library.upkeep.drop([first, "nothing"], **PLACE)
    assert len(await library.upkeep.quarantine(**PLACE)) == 2
    assert await library.upkeep.drop([first], **PLACE, actor="ann") == 1
    assert [one.id for one in await library.upkeep.quarantine(**PLACE)] == [second]
    with pytest.raises(NotFound):
        await library.upkeep.release(first, **PLACE)
    assert (await actions(library))[0] == "drop"
    await library.close()


async def test_deleting_reaches_the_quarantine(tmp_path: Path) -> None:
    """An older version is live, a newer one was kept out: both are to go."""
    library = opened(tmp_path)
    await library.ingest([Document(id="d0", text="The token is secret.")], tenant="acme")
    await held_in(library, TEXT)
    await library.upkeep.delete(["d0"], **PLACE)
    assert list(await library.upkeep.quarantine(**PLACE)) == []
    assert (await _found(library)).hits == ()
    await library.close()
    database = (tmp_path / "knowledge" / "acme" / "default.db").read_bytes()
    assert SECRET.encode() not in database


async def test_a_newer_version_takes_the_place_in_quarantine(tmp_path: Path) -> None:
    library = opened(tmp_path)
    await held_in(library, TEXT)
    (held,) = await held_in(library, f"{TEXT} Always.")
    await library.upkeep.release(held, **PLACE)
    assert "Always" in (await _found(library)).hits[0].text
    assert list(await library.upkeep.quarantine(**PLACE)) == []
    await library.close()


async def test_a_name_that_no_document_has_deletes_nothing(plain: Library) -> None:
    await plain.ingest([Document(id="a", text="Goods may be returned.")], tenant="acme")
    with pytest.raises(NotFound, match="'b'"):
        await plain.upkeep.delete(["a", "b"], **PLACE)
    assert (await plain.collections("acme"))[0].documents == 1
    with pytest.raises(NotFound):
        await plain.upkeep.delete(["a"], tenant="rival", collection="default")


@pytest.mark.parametrize("name", ["embedded", "", "chroma"])
async def test_a_copy_goes_to_another_store_only(plain: Library, name: str) -> None:
    await plain.ingest([Document(id="a", text="Goods may be returned.")], tenant="acme")
    with pytest.raises(InputError, match="cannot copy") as raised:
        await plain.upkeep.copy(name, **PLACE)
    assert raised.value.hint == "Say --to weaviate."


async def test_a_version_that_there_is_not(plain: Library) -> None:
    await plain.ingest([Document(id="a", text="Goods may be returned.")], tenant="acme")
    for version in ("00000009", "0", "", "soon", "-1"):
        with pytest.raises(NotFound):
            await plain.upkeep.rollback(version, **PLACE)
    assert len(await plain.upkeep.versions(**PLACE)) == 1


async def test_hits_of_a_tenants_caches(plain: Library) -> None:
    await plain.ingest([Document(id="a", text="Goods may be returned.")], tenant="acme")
    for _ in range(3):
        await plain.search("returned", principal=READER)
    assert plain.upkeep.caches("acme")["result"]["hits"] == 2
    assert plain.upkeep.caches("rival")["result"]["hits"] == 0
