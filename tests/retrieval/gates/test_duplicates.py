"""Which of two documents that say the same is kept, and who gets to know of the other."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import InputError
from fairlead.retrieval import Library
from fairlead.schema import Document, Principal
from fairlead.settings import Settings

TEXT = " ".join(f"word{n}" for n in range(200))
NEAR = f"{TEXT} and a few more"
READER = Principal(tenant="acme", groups=("staff", "board"))
PLACE = {"tenant": "acme", "collection": "default"}


def opened(folder: Path, policy: str = "block") -> Library:
    settings = Settings.model_validate(
        {"retrieval": {"embedder": "none"}, "guard": {"duplicates": policy}}
    )
    return Library(folder / "knowledge", None, settings)


@pytest.fixture
def blocking(tmp_path: Path) -> Library:
    return opened(tmp_path)


def document(name: str, text: str = TEXT, year: int = 0, acl: Sequence[str] = ()) -> Document:
    published = datetime(year, 1, 1, tzinfo=UTC) if year else None
    return Document(id=name, source=f"{name}.md", text=text, published_at=published, acl=tuple(acl))


async def live(library: Library, names: Iterable[str] = "ab") -> list[str]:
    """Those of the documents that can be found, asked for singly: a search shows each text once."""
    found = []
    for name in names:
        only = {"document_id": name}
        result = await library.search("word1 word100", principal=READER, filters=only)
        found += [name] if result.hits else []
    return found


async def held(library: Library) -> dict[str, str]:
    return {one.document_id: one.reason for one in await library.upkeep.quarantine(**PLACE)}


SAME = [(TEXT, "the same"), (TEXT.upper(), "the same"), (NEAR, "nearly the same")]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("text", "same"), SAME)
async def test_without_dates_the_first_wins(
    blocking: Library, text: str, same: str, together: bool
) -> None:
    batches = [document("a"), document("b", text), document("z", "Something else.")]
    for batch in [batches] if together else [batches[:1], batches[1:]]:
        await blocking.ingest(batch, tenant="acme")
    assert await held(blocking) == {"b": f"says {same} as 'a.md', which wins: it was there first"}
    assert await live(blocking) == ["a"]
    await blocking.close()


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("text", "same"), SAME)
async def test_the_later_published_wins(
    blocking: Library, text: str, same: str, together: bool
) -> None:
    batches = [document("a", year=2020), document("b", text, year=2021)]
    for batch in [batches] if together else [batches[:1], batches[1:]]:
        await blocking.ingest(batch, tenant="acme")
    assert await live(blocking) == ["b"]
    with pytest.raises(InputError, match="published later"):
        await blocking.ingest(batches[:1], tenant="acme")
    reason = f"says {same} as 'b.md', which wins: it was published later"
    assert await held(blocking) == {"a": reason}
    assert await live(blocking) == ["b"]
    await blocking.close()


async def test_a_flag_keeps_both_and_says_so(tmp_path: Path) -> None:
    library = opened(tmp_path, "flag")
    report = await library.ingest([document("a"), document("b", NEAR)], tenant="acme")
    (finding,) = report.findings
    assert (finding["kind"], finding["what"], finding["wins"], finding["action"]) == (
        "near_duplicate",
        "a.md",
        "a.md",
        "flagged",
    )
    assert 0.9 <= float(str(finding["similarity"])) < 1
    assert await live(library) == ["a", "b"]
    await library.close()


async def test_off_looks_for_none(tmp_path: Path) -> None:
    library = opened(tmp_path, "off")
    report = await library.ingest([document("a"), document("b")], tenant="acme")
    assert not report.findings
    assert await live(library) == ["a", "b"]
    await library.close()


@pytest.mark.parametrize("policy", ["flag", "block"])
@pytest.mark.parametrize("text", [TEXT, NEAR])
@pytest.mark.parametrize("readers", [("", "staff"), ("staff", ""), ("staff", "board")])
@pytest.mark.parametrize("together", [True, False])
async def test_a_document_is_never_named_to_those_who_may_not_read_it(
    tmp_path: Path, policy: str, text: str, readers: tuple[str, str], together: bool
) -> None:
    library = opened(tmp_path, policy)
    one, other = (tuple(filter(None, (each,))) for each in readers)
    batches = [document("a", acl=one), document("b", text, year=2024, acl=other)]
    for batch in [batches] if together else [batches[:1], batches[1:]]:
        report = await library.ingest(batch, tenant="acme")
        assert not report.findings
    assert await held(library) == {}
    assert await live(library) == ["a", "b"]
    await library.close()


async def test_each_circle_of_readers_keeps_one_copy(blocking: Library) -> None:
    circles: list[tuple[str, ...]] = [(), ("staff",), ("board",), ("staff",), (), ("board",)]
    batch = [document(f"d{n}", acl=acl) for n, acl in enumerate(circles)]
    await blocking.ingest(batch, tenant="acme")
    assert await live(blocking, [f"d{n}" for n in range(6)]) == ["d0", "d1", "d2"]
    assert {name: reason.split("'")[1] for name, reason in (await held(blocking)).items()} == {
        "d3": "d1.md",
        "d4": "d0.md",
        "d5": "d2.md",
    }
    await blocking.close()


async def test_what_a_document_said_before_beats_nothing(blocking: Library) -> None:
    """It changes in the same batch in which another one takes over its old words."""
    await blocking.ingest([document("a")], tenant="acme")
    await blocking.ingest(
        [document("a", "Quite another word1 text."), document("b")], tenant="acme"
    )
    assert await held(blocking) == {}
    assert await live(blocking) == ["a", "b"]
    await blocking.close()


async def test_what_is_kept_out_beats_nothing(blocking: Library) -> None:
    """Each says nearly the same as the one before, the third hardly the same as the first."""
    chain = [" ".join(f"word{n}" for n in range(start, start + 200)) for start in (0, 9, 18)]
    documents = [document(name, text) for name, text in zip("abc", chain, strict=True)]
    await blocking.ingest(documents, tenant="acme")
    assert set(await held(blocking)) == {"b"}
    assert await live(blocking, "abc") == ["a", "c"]
    await blocking.close()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from([TEXT, NEAR, "Short word1."]), st.sampled_from([0, 2020, 2021])),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 6),
)
async def test_every_text_stays_readable_and_stands_once(
    tmp_path_factory: pytest.TempPathFactory, given_texts: list[tuple[str, int]], size: int
) -> None:
    library = opened(tmp_path_factory.mktemp("duplicates"))
    documents = [document(f"d{n}", text, year) for n, (text, year) in enumerate(given_texts)]
    for start in range(0, len(documents), size):
        batch = [*documents[start : start + size], document(f"new{start}", f"New word1 {start}")]
        await library.ingest(batch, tenant="acme")
    found = await live(library, [one.id for one in documents])
    kinds = [text == "Short word1." for text, _ in given_texts]
    shown = [kinds[int(name[1:])] for name in found]
    assert sorted(shown) == sorted(set(kinds))
    await library.close()
