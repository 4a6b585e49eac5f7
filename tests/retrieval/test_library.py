import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import InputError, NotFound
from fairlead.retrieval import Library
from fairlead.schema import Document, Principal, SearchMode

READER = Principal(tenant="acme")
WORDS = st.lists(st.sampled_from("apple pear plum fig date lime kiwi".split()), min_size=1)


async def test_never_written_reads_as_empty(library: Library, tmp_path: Path) -> None:
    found = await library.search("anything", principal=READER)
    assert (found.hits, found.confidence, found.index_version) == ((), 0.0, "")
    assert await library.collections("acme") == ()
    assert (await library.check(tenant="acme")).ok
    place = {"tenant": "acme", "collection": "default", "document_id": "d"}
    assert await library.text(**place, version="1", start=0, end=1) is None
    assert not (tmp_path / "knowledge").exists()


async def test_collections_are_described(library: Library, docs: Path) -> None:
    await library.ingest([docs], tenant="acme", collection="shop")
    await library.ingest([Document(text="note")], tenant="acme", collection="a-1", text_only=True)
    first, second = await library.collections("acme")
    assert (first.name, first.documents, first.vectors, first.embedder) == ("a-1", 1, 0, "")
    assert (second.name, second.documents, second.chunks) == ("shop", 4, 5)
    assert (second.vectors, second.embedder) == (5, "hash/64")
    assert await library.collections("other") == ()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(WORDS, min_size=1, max_size=4), WORDS)
def test_tenants_never_see_each_other(
    tmp_path_factory: pytest.TempPathFactory,
    ours: list[list[str]],
    theirs: list[list[str]],
    query: list[str],
) -> None:
    async def scores(*others: list[list[str]]) -> list[tuple[str, float]]:
        library = Library(tmp_path_factory.mktemp("tenants"), None)
        await library.ingest([Document(text=" ".join(t)) for t in ours], tenant="acme")
        for texts in others:
            await library.ingest([Document(text=" ".join(t)) for t in texts], tenant="rival")
        found = await library.search(" ".join(query), principal=READER, k=50)
        await library.close()
        assert all(hit.tenant == "acme" for hit in found.hits)
        assert {hit.text for hit in found.hits} <= {" ".join(t) for t in ours}
        return [(hit.text, hit.score) for hit in found.hits]

    assert asyncio.run(scores()) == asyncio.run(scores(theirs))  # not even statistics cross


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
async def test_modes(library: Library, docs: Path, mode: SearchMode) -> None:
    await library.ingest([docs], tenant="acme")
    found = await library.search("return label costs", principal=READER, mode=mode, k=2)
    assert "label" in found.hits[0].text and len(found.hits) <= 2
    assert ("embed" in found.timings) == (mode != "sparse")
    assert 0 < found.confidence <= 1 and found.timings["total"] > 0
    assert [hit.rank for hit in found.hits] == list(range(1, len(found.hits) + 1))


async def test_searches_repeat(library: Library, docs: Path) -> None:
    await library.ingest([docs], tenant="acme")
    first = await library.search("delivery days", principal=READER)
    again = await library.search("delivery days", principal=READER)
    assert first.hits == again.hits and first.confidence == again.confidence


async def test_acl_decides_who_finds(library: Library, docs: Path) -> None:
    await library.ingest([docs], tenant="acme")

    async def found(principal: Principal) -> set[str]:
        result = await library.search("telephone answered", principal=principal, k=50)
        return {hit.document_id for hit in result.hits}

    assert "n1" not in await found(READER)
    assert "n1" in await found(Principal(tenant="acme", subject="eva", groups=("staff",)))
    assert "n1" in await found(Principal(tenant="acme", subject="staff"))
    modes: tuple[SearchMode, ...] = ("dense", "sparse")
    for mode in modes:
        result = await library.search("telephone", principal=READER, mode=mode, k=50)
        assert all(hit.document_id != "n1" for hit in result.hits)


async def test_front_matter_restricts_too(plain: Library, tmp_path: Path) -> None:
    blocks = {"a": "acl: hr", "b": "acl: [hr, it]", "c": "acl:\n  - hr", "d": "acl:"}
    for name, acl in blocks.items():
        (tmp_path / f"{name}.md").write_text(f"---\n{acl}\n---\nsalary {name}", encoding="utf-8")
    await plain.ingest([tmp_path / f"{name}.md" for name in blocks], tenant="acme")
    assert (await plain.search("salary", principal=READER)).hits == ()
    hr = Principal(tenant="acme", groups=("hr",))
    found = {hit.source for hit in (await plain.search("salary", principal=hr)).hits}
    assert found == {"a.md", "b.md", "c.md"}


async def test_filters(library: Library, docs: Path) -> None:
    await library.ingest([docs], tenant="acme")

    async def found(**filters: object) -> set[str]:
        result = await library.search("years days costs", principal=READER, filters=filters, k=50)  # type: ignore[arg-type]  # JSON
        return {hit.source for hit in result.hits}

    assert await found(year={"gte": 2025}) == {"docs/policies/returns.md"}
    assert await found(country="DE") == {"docs/policies/returns.md"}
    assert await found(year=2024) == {"docs/notes.jsonl#L2"}
    assert await found(source="docs/shipping.txt") == {"docs/shipping.txt"}
    assert await found(published_at={"gte": "2026-01-01"}) == {"docs/policies/returns.md"}
    assert await found(year=1) == set()
    with pytest.raises(InputError, match="operator"):
        await found(year={"like": 1})


async def test_a_filter_on_a_large_collection_is_fast(plain: Library) -> None:
    count = 3000
    documents = [
        Document(text=f"parcel number {n} delivery", id=str(n), metadata={"n": n})
        for n in range(count)
    ]
    await plain.ingest(documents, tenant="acme")
    found = await plain.search(
        "parcel delivery", principal=READER, filters={"n": {"gte": count - count // 10}}
    )
    assert len(found.hits) == 8
    assert all(hit.metadata["n"] >= count - count // 10 for hit in found.hits)  # type: ignore[operator]  # a number
    assert found.timings["search"] < 500  # a match per row takes seconds


async def test_expired_documents_are_gone(plain: Library) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    await plain.ingest([Document(text="old offer", id="o")], tenant="acme", expires=past)
    await plain.ingest([Document(text="new offer", id="n")], tenant="acme", expires="2999-01-01")
    found = await plain.search("offer", principal=READER)
    assert [hit.document_id for hit in found.hits] == ["n"]


async def test_as_of_searches_what_was_there(library: Library) -> None:
    await library.ingest([Document(text="the fee is ten", id="d")], tenant="acme")
    between = datetime.now(UTC)
    await library.ingest([Document(text="the fee is twelve", id="d")], tenant="acme")

    async def text(as_of: datetime | str | None) -> list[str]:
        found = await library.search("fee", principal=READER, as_of=as_of)
        return [hit.text for hit in found.hits]

    assert await text(None) == await text("00000002") == ["the fee is twelve"]
    assert await text("00000001") == await text("1") == ["the fee is ten"]
    assert await text(between) == await text(between.isoformat()) == ["the fee is ten"]
    assert await text("2001-01-01") == []
    modes: tuple[SearchMode, ...] = ("dense", "sparse")
    for mode in modes:
        found = await library.search("fee", principal=READER, as_of="1", mode=mode)
        assert [hit.text for hit in found.hits] == ["the fee is ten"]
        assert found.index_version == "00000001"
    with pytest.raises(NotFound, match="'00000009'"):
        await text("00000009")
    with pytest.raises(InputError, match="no date"):
        await text("yesterday")


async def test_equal_texts_are_found_once(library: Library) -> None:
    await library.ingest(
        [Document(text="the same words", id="a"), Document(text="the  same\nwords", id="b")],
        tenant="acme",
    )
    assert len((await library.search("same words", principal=READER)).hits) == 1
    assert (await library.collections("acme"))[0].documents == 2


async def test_misspelt_words_are_mended_and_said(library: Library, docs: Path) -> None:
    await library.ingest([docs], tenant="acme")
    found = await library.search("what does the retrun lable cost", principal=READER)
    assert found.hits[0].source == "docs/policies/returns.md"
    assert found.warnings == ("searched for 'returns' for 'retrun', 'label' for 'lable'",)
    named = await library.search("parcels to Norwey", principal=READER)
    assert named.warnings == ()  # a name is not taken for another


async def test_a_named_file_comes_first(plain: Library) -> None:
    await plain.ingest(
        [
            Document(text="All about options and more options.", source="docs/parameters.md"),
            Document(text="One of the options.", source="docs/options.md"),
        ],
        tenant="acme",
    )
    found = await plain.search("options in options.md", principal=READER)
    assert found.hits[0].source == "docs/options.md"
    assert all(0 <= hit.score <= 1 for hit in found.hits)


@pytest.mark.parametrize(
    "query", ['"', "NEAR(", "a AND", "title:x", "*", "…", "🙂", "x\0y", "' OR 1"]
)
async def test_no_query_breaks_the_search(library: Library, docs: Path, query: str) -> None:
    await library.ingest([docs], tenant="acme")
    await library.search(query, principal=READER)


async def test_a_long_query_is_searched(library: Library, docs: Path) -> None:
    await library.ingest([docs], tenant="acme")
    found = await library.search("parcels " * 3999, principal=READER)
    assert found.hits[0].source == "docs/shipping.txt"


@pytest.mark.parametrize(
    ("query", "k", "mode"),
    [(" ", 8, "hybrid"), ("x" * 32_001, 8, "hybrid"), ("\ud800", 8, "hybrid"), ("x", 0, "hybrid"),
     ("x", 1001, "hybrid"), ("x", 8, "fuzzy")],
)  # fmt: skip
async def test_bad_searches(library: Library, query: str, k: int, mode: SearchMode) -> None:
    with pytest.raises(InputError):
        await library.search(query, principal=READER, k=k, mode=mode)


async def test_a_missing_embedder_is_said_unless_chosen(tmp_path: Path, plain: Library) -> None:
    missing = Library(tmp_path / "knowledge", None)
    await plain.ingest([Document(text="one text")], tenant="acme")
    assert (await plain.search("text", principal=READER)).warnings == ()
    assert "pip install" in (await missing.search("text", principal=READER)).warnings[0]
    await missing.close()


async def test_faults_are_found(plain: Library, docs: Path, tmp_path: Path) -> None:
    await plain.ingest([docs], tenant="acme")
    assert (await plain.check(tenant="acme")).ok
    with sqlite3.connect(tmp_path / "knowledge" / "acme" / "default.db") as connection:
        connection.execute("UPDATE chunk SET body = 'changed behind its back' WHERE row = 1")
    connection.close()
    found = await plain.check(tenant="acme")
    assert not found.ok
    assert any("differ from their document" in each for each in found.problems)


async def test_no_word_of_a_hidden_document_is_mended_to(plain: Library) -> None:
    await plain.ingest(
        [
            Document(text="The severance package is generous.", id="s", acl=("hr",)),
            Document(text="Lunch is at noon.", id="l"),
        ],
        tenant="acme",
    )
    asked = "what pakcage is there"
    assert (await plain.search(asked, principal=READER)).warnings == ()
    told = await plain.search(asked, principal=Principal(tenant="acme", groups=("hr",)))
    assert told.warnings == ("searched for 'package' for 'pakcage'",)
    assert [hit.document_id for hit in told.hits] == ["s"]


async def test_many_unknown_words_cost_little(plain: Library, docs: Path) -> None:
    await plain.ingest([docs], tenant="acme")
    text = " ".join(f"retrun{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400))
    found = await plain.search(text, principal=READER)
    assert found.timings["analyse"] < 1000


async def test_sources_are_named_and_dates_matter(plain: Library) -> None:
    await plain.ingest(
        [
            Document(text="The bridge was opened.", source="Kiel Courier", id="k"),
            Document(text="The bridge was opened.  ", source="Daily", id="d"),
            Document(text="A bridge, a bridge, a bridge.", source="Other", id="o"),
        ],
        tenant="acme",
    )
    found = await plain.search("What did the Kiel Courier say of the bridge?", principal=READER)
    assert found.hits[0].document_id == "k"
