"""Names in a text, by rules and by anybody's function."""

import sys
import time
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SettingsError
from fairlead.retrieval.entities import LONGEST, MOST, fold, named, open_extractor


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The Bank of England met Tim Cook.", {"bank of england", "tim cook"}),
        ("Here Marie-Claire lives.", {"marie-claire"}),
        ("Apple fell from a tree.", set()),  # any word is capitalised there
        ("NASA fell from a tree.", {"nasa"}),
        ("It was Ada's, said Ada.", {"ada"}),
        ("Buy an iPhone or ABC-123 or x1.", {"iphone", "abc", "abc-123"}),
        ("In 2024 there were 30.", set()),
        ("Call parse_http_header in os.path, v2.3.", {"parse_http_header", "os.path", "v2.3"}),
        ("A FileError in parseHeader.", {"fileerror", "parseheader"}),
        ('He said "the long goodbye" and `a b`.', {"the long goodbye", "a b"}),
        ("В городе Москва живёт Анна Каренина.", {"москва", "анна каренина"}),
        ("tu Łódź jest, a śledź nie.", {"łódź"}),
        ("москва и город", set()),
        ("日本語テキスト は 東京 にある。", set()),  # a script without capitals
        ("مدينة القاهرة كبيرة", set()),
    ],
)
def test_what_is_a_name(text: str, names: set[str]) -> None:
    assert set(named(text)) == names


@given(st.text(max_size=200))
def test_names_are_folded_and_few(text: str) -> None:
    found = named(text)
    assert len(found) == len(set(found)) <= MOST
    assert all(2 < len(name) <= LONGEST and name == " ".join(name.split()) for name in found)


@pytest.mark.parametrize("said", ["Ada's", " ADA ", "“Ada”", "`ada`", "Ada’s", "Ada,"])
def test_spellings_of_one_name(said: str) -> None:
    assert fold(said) == "ada"


@pytest.mark.parametrize("unit", ["A-", "A", "a1-", "a_", "a.b.", "Aa ", "Aa of ", '"', "aB", "`a"])
def test_no_text_takes_long(unit: str) -> None:
    began = time.process_time()
    named(unit * (100_000 // len(unit)))
    assert time.process_time() - began < 2  # one of these took minutes


# --- somebody's extractor ------------------------------------------------------------------------

Put = Callable[[object], str]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts something into a module and names it."""

    def put_(value: object) -> str:
        module = ModuleType("somebodys_names")
        module.extract = value  # type: ignore[attr-defined]  # a module made here
        monkeypatch.setitem(sys.modules, "somebodys_names", module)
        return "somebodys_names:extract"

    return put_


def test_a_function_of_ones_own_is_folded_and_bounded(put: Put) -> None:
    extract = open_extractor(
        put(lambda text: [*text.split(), "ADA", "", "x" * 81, *map(str, range(99))])
    )
    found = extract("Ada Grace's")
    assert found[:3] == ("ada", "grace", "0") and len(found) == MOST


@pytest.mark.parametrize("value", [lambda _: "ada", lambda _: None, lambda _: ["ada", 1]])
def test_one_that_returns_no_names_is_an_error(put: Put, value: object) -> None:
    with pytest.raises(SettingsError, match="did not return a list of names"):
        open_extractor(put(value))("Ada")


@pytest.mark.parametrize("name", ["no_such_module_x:f", "json:no_such", "json", ":f"])
def test_one_that_cannot_be_imported_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot import the entity extractor"):
        open_extractor(name)


def test_what_cannot_be_called_is_an_error(put: Put) -> None:
    with pytest.raises(SettingsError, match="cannot be called"):
        open_extractor(put(5))


def test_the_rules_have_a_name() -> None:
    assert open_extractor("rules") is named
