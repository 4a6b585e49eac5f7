import pytest
from docutils import nodes
from docutils.core import publish_doctree
from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.loaders.rst import _SETTINGS, load
from fairlead.retrieval.loaders.rst_headings import headings

PAGE = """\
==============
Returns policy
==============

:Author: Eva
:Date: 2026-03-01
:Version: 3
:Language: de
:Valid_Until: 2027-01-01
:Country: DE, *AT*

Intro with :ref:`a role of Sphinx <x>`.

Costs
=====

A literal block::

    Not a title
    ===========

.. toctree::

   also-no-title
   -------------

Two *emphasised*
----------------

=====  =====
A      B
=====  =====
1      2
=====  =====

- item

1. Numbered
~~~~~~~~~~~

Last
====
"""


def test_the_text_stays_as_it_is_and_the_fields_are_read() -> None:
    loaded = load(PAGE.encode(), "returns.rst")
    assert (loaded.text, loaded.markup, loaded.body) == (PAGE, "rst", 0)
    assert (loaded.title, loaded.version, loaded.language) == ("Returns policy", "3", "de")
    assert (loaded.published_at, loaded.valid_until) == (
        "2026-03-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
    )
    assert loaded.metadata == {
        "author": "Eva",
        "date": "2026-03-01",
        "language": "de",
        "country": "DE, AT",
    }


def test_headings_stand_where_they_are() -> None:
    found = list(headings(PAGE))
    assert [(level, title) for _, _, level, title in found] == [
        (1, "Returns policy"),
        (2, "Costs"),
        (3, "Two *emphasised*"),
        (4, "1. Numbered"),
        (2, "Last"),
    ]
    starts = [PAGE[start:end] for start, end, *_ in found]
    assert starts[0] == "==============\nReturns policy\n==============\n"
    assert starts[1] == "Costs\n=====\n"
    assert next(headings(PAGE, PAGE.index("Costs")))[2:] == (1, "Costs")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Plain\n=====\n\nA\n-\n\nOther\n=====\n", "Plain"),
        ("no title at all\n", ""),
        ("a line\nand one more\n=======\n", ""),
        ("Größe\n=====\n\nx", "Größe"),
        ("表題\n====\n\nx", "表題"),
        ("Long title\n=====\n\nx", "Long title"),
        ("Long title\n===\n\nx", ""),
        ("====\n====\n\nx", ""),
        (" indented\n ========\n\nx", ""),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert load(text.encode(), "x.rst").title == title


def test_files_are_not_included_and_raw_markup_does_nothing(tmp_path: object) -> None:
    text = "T\n=\n\n.. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n\nend\n"
    loaded = load(text.encode(), "x.rst")
    assert loaded.text == text and "root:" not in str(loaded)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b":valid_until: soon\n\nx", "'valid_until' is no time: 'soon'"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        load(data, "x.rst")


def by_docutils(text: str) -> list[tuple[int, str]]:
    tree = publish_doctree(text, settings_overrides={**_SETTINGS, "doctitle_xform": False})
    found = []
    for title in tree.findall(nodes.title):
        level, node = 0, title.parent
        while node is not None:
            level += isinstance(node, nodes.section)
            node = node.parent
        found.append((level, title.rawsource))
    return found


LINES = st.one_of(
    st.sampled_from(["", "Title", "Another one", "  indented", "- item", "1. Part", ".. note::"]),
    st.sampled_from(["=====", "-----------", "~~~", "=" * 12, "*", "....", ":a: b", ">>> x"]),
)  # fmt: skip


@given(st.lists(LINES, max_size=14))
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        load(text.encode(), "x.rst")
    except Malformed:
        assert not text.strip()
    places = [(start, end) for start, end, *_ in headings(text)]
    assert places == sorted(places)


TITLES = st.lists(
    st.tuples(st.sampled_from(["Alpha", "Beta *b*", "1. Gamma", "Ünïcode"]), st.integers(0, 2)),
    min_size=1,
    max_size=8,
)


@given(TITLES)
def test_levels_agree_with_docutils(titles: list[tuple[str, int]]) -> None:
    text, depth = "", -1
    for title, wanted in titles:
        depth = min(wanted, depth + 1)  # docutils refuses to skip a level
        line = "=-~"[depth] * len(title)
        over = f"{line}\n" if depth == 1 else ""
        text += f"{over}{title}\n{line}\n\ntext\n\n"
    assert [(level, title) for *_, level, title in headings(text)] == by_docutils(text)
