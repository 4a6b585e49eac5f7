import pytest

from fairlead.retrieval.frontmatter import front_matter
from fairlead.retrieval.loaders.loaded import Malformed


def test_scalars_and_lists_are_read() -> None:
    text = (
        "---\r\ntitle: 'Fees: all'\r\ndate: 2026-03-01\r\nlang: de\r\nurl: https://x.example\r\n"
        "draft: true\r\nrank: 3\r\nshare: 0.5\r\ntags: [a, 2]\r\nwho:\r\n  - eva\r\n  - jo\r\n"
        "nested:\r\n  key: value\r\nempty:\r\n---\r\nBody"
    )
    found = front_matter(text)
    assert text[found.end :] == "Body"
    assert (found.title, found.language, found.url) == ("Fees: all", "de", "https://x.example")
    assert found.published_at == "2026-03-01T00:00:00Z"
    assert found.metadata == {
        "date": "2026-03-01",
        "draft": True,
        "rank": 3,
        "share": 0.5,
        "tags": ["a", 2],
        "who": ["eva", "jo"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n",
        "---\ntitle: x\n",
        "---\n\n---\nrule",
        "text\n---\na: b\n---\n",
        "----\na: b\n---\n",
    ],
)
def test_what_is_no_block_is_text(text: str) -> None:
    assert front_matter(text).end == 0


def test_a_date_that_is_none_stays_metadata() -> None:
    found = front_matter("---\ndate: soon\n---\nx")
    assert (found.published_at, found.metadata) == ("", {"date": "soon"})


@pytest.mark.parametrize(
    ("line", "readers"),
    [("acl: hr", ("hr",)), ("acl: [a, b]", ("a", "b")), ("acl:\n- a", ("a",)), ("acl: []", ("",))],
)
def test_a_restriction_is_never_lost(line: str, readers: tuple[str, ...]) -> None:
    assert front_matter(f"---\n{line}\n---\nx").acl == readers


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("valid_until: 2026-03-01", "2026-03-01T00:00:00Z"),
        ("valid_until: '2026-03-01T12:00:00+02:00'", "2026-03-01T10:00:00Z"),
        ("valid_until:", ""),
        ("valid_until: null", ""),
    ],
)
def test_an_expiry_is_taken(line: str, moment: str) -> None:
    found = front_matter(f"---\ntitle: x\n{line}\n---\nx")
    assert (found.valid_until, found.metadata) == (moment, {})


def test_an_expiry_that_is_no_time_is_not_overlooked() -> None:
    with pytest.raises(Malformed, match="'valid_until' is no time: 'soon'"):
        front_matter("---\nvalid_until: soon\n---\nx")
