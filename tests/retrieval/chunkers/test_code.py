"""Code is cut by its definitions, and each part knows what it lies in."""

import pytest

from tests.retrieval.chunkers.conftest import cut, leads, texts

PYTHON = '''"""Sells tea."""

import os


class Shop(Base):
    """A shop."""

    limit = 3

    # how many are left
    @property
    def left(self):
        """What is left."""
        return self.limit - 1

    def sell(self, what, to):
        for n in range(10):
            print(what, to, n)
        return None


async def main(argv):
    shop = Shop()
    await shop.sell("tea", "eva")
'''
GO = """package main

// Shop sells tea.
type Shop struct {
	limit int
}

func (s *Shop) Sell(what string) error {
	fmt.Println(what)
	return nil
}

func main() {
	s := Shop{limit: 3}
	s.Sell("tea")
}
"""


def test_python_by_definitions() -> None:
    chunks = cut("code:tokens=40", PYTHON, "code", source="shop.py")
    assert [chunk.headings for chunk in chunks] == [
        ("shop.py",),
        ("shop.py", "Shop"),
        ("shop.py", "Shop", "left"),
        ("shop.py", "Shop", "sell"),
        ("shop.py", "main"),
    ]
    found = texts(PYTHON, chunks)
    assert found[2].startswith("    # how many are left\n    @property\n    def left")
    assert found[1] == 'class Shop(Base):\n    """A shop."""\n\n    limit = 3'
    assert leads(PYTHON, chunks) == ["", "", "class Shop(Base):", "class Shop(Base):", ""]


def test_code_that_fits_is_one_chunk() -> None:
    (chunk,) = cut("code", PYTHON, "code", source="shop.py")
    assert chunk.headings == ("shop.py",) and chunk.kind == "code"


def test_a_long_function_carries_its_signature() -> None:
    body = "".join(f"    value_{n} = compute({n}, other={n})\n" for n in range(20))
    text = f"def long(\n    a: int,\n) -> int:\n{body}"
    chunks = cut("code:tokens=40", text, "code", source="a.py")
    assert len(chunks) > 3
    assert set(leads(text, chunks[1:])) == {"def long(\n    a: int,\n) -> int:"}
    assert {chunk.headings for chunk in chunks} == {("a.py", "long")}


def test_other_languages_by_indentation() -> None:
    chunks = cut("code:tokens=32", GO, "code", source="shop.go")
    assert [chunk.headings[-1] for chunk in chunks] == ["shop.go", "Sell", "main"]
    assert "// Shop sells tea.\ntype Shop" in texts(GO, chunks)[0]
    assert texts(GO, chunks)[1].startswith("func (s *Shop)")


@pytest.mark.parametrize("broken", ["def f(:\n    return 1\n", "print 'old'\n", "\tx\n  y\n"])
def test_python_that_is_none_is_cut_all_the_same(broken: str) -> None:
    text = broken + "\n\ndef g():\n    return 2\n"
    found = cut("code:tokens=16", text, "code", source="a.py")
    assert "".join("".join(part.split()) for part in texts(text, found)) == "".join(text.split())


def test_odd_escapes_warn_of_nothing() -> None:
    text = 'A = "\\d \\N{DASH} \\x"\n\ndef f():\n    """\\q"""\n'
    chunks = cut("code:tokens=16", text, "code", source="a.py")
    assert chunks[-1].headings[-1] == "f"


@pytest.mark.parametrize("source", ["lib/a.rs", "https://x.org/a.rs?raw=1#L3"])
def test_a_source_that_ends_like_code_is_code(source: str) -> None:
    text = "# Not a heading\nfn main() {}\n"
    (chunk,) = cut("code", text, "plain", source=source)
    assert (chunk.kind, chunk.headings) == ("code", (source,))


def test_other_texts_are_cut_by_their_structure() -> None:
    text = "# A\n\nOne.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert cut("code", text, source="page.md") == cut("structure", text, source="page.md")
